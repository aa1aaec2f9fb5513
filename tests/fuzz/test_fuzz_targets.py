import pytest
from fuzz.engine import SLOWEST, Crash, Target, execute, fuzz, seeds
from fuzz.targets import TARGETS
from hypothesis import example, given, settings
from hypothesis import strategies as st

MUTATIONS = 300


@pytest.mark.parametrize("name", TARGETS)
def test_corpus_and_mutations_are_accepted_or_refused_as_declared(name: str) -> None:
    target = TARGETS[name]
    report = fuzz(target, seed=7, executions=len(seeds(target)) + MUTATIONS)
    assert report.crashes == {}


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_accepted_or_refused_as_declared(name: str) -> None:
    @settings(max_examples=100, deadline=None)
    @example(b"")
    @given(st.binary(max_size=400))
    def check(data: bytes) -> None:
        assert not isinstance(execute(TARGETS[name], data), Crash)

    check()


@pytest.mark.parametrize("name", TARGETS)
def test_some_of_the_corpus_is_accepted(name: str) -> None:
    """A corpus of which everything is refused would test nothing but the front door."""
    assert "" in [execute(TARGETS[name], data) for data in seeds(TARGETS[name])]


def _fragile(data: bytes) -> None:
    if data.startswith(b"GET"):
        raise ValueError("refused")
    if b"\xff" in data:
        raise KeyError("broken")


def _endless(data: bytes) -> None:
    while data:
        pass


def test_the_engine_finds_a_planted_fault_and_repeats_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz.engine.seeds", lambda _target: [b"GET / RTSP", b"PUT / RTSP"])
    target = Target("planted", _fragile, (ValueError,))
    first, second = (fuzz(target, seed=3, executions=2000) for _ in range(2))
    (crash,) = first.crashes.values()
    assert crash.complaint == "KeyError: 'broken'"
    assert b"\xff" in crash.data
    assert first.kept == 1
    assert first == second


def test_an_input_that_takes_too_long_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz.engine.SLOWEST", 0.05)
    crash = execute(Target("endless", _endless), b"x")
    assert isinstance(crash, Crash)
    assert crash.complaint == "took more than 0.05 s"
    assert SLOWEST > 1
