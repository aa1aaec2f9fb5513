"""A small mutation fuzzer: deterministic by its seed, and guided by the lines that inputs reach.

Python 3.11 has no cheap coverage, so only every so many inputs are traced; one that reaches a line of the gateway for
the first time joins the corpus in memory. The first input with a new refusal is always kept.
"""

import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType

CORPUS = Path(__file__).parent / "corpus"
MAX_INPUT = 20_000
MAX_KEPT = 2_000
TRACED = 6
"""One input of so many is traced, which makes it some ten times slower."""
SLOWEST = 2.0
"""Seconds for one input; what takes longer is a denial of service, so it counts as a crash."""


@dataclass(frozen=True, slots=True)
class Target:
    """A parser under test. `run` may raise only `refusals`; `tokens` are words of its language."""

    name: str
    run: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...] = ()
    tokens: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Crash:
    """An input that broke a target, with the exception's words and where it came from."""

    target: str
    data: bytes
    complaint: str
    place: str


@dataclass(slots=True)
class Report:
    """What one run found: inputs kept because they got further, and one crash for every place."""

    executions: int = 0
    kept: int = 0
    crashes: dict[str, Crash] = field(default_factory=dict)


class TooSlowError(BaseException):
    """An input took too long; not an Exception, so that no parser can swallow it."""


def seeds(target: Target) -> list[bytes]:
    """Return the committed corpus of a target, in order."""
    return [path.read_bytes() for path in sorted((CORPUS / target.name).iterdir())]


def fuzz(target: Target, seed: int, *, executions: int | None = None, seconds: float | None = None) -> Report:
    """Run the corpus and then mutations of it, until so many executions or seconds are over."""
    rng, report = random.Random(f"{target.name}:{seed}"), Report()
    corpus, places = seeds(target), set[object]([""])
    deadline = None if seconds is None else time.monotonic() + seconds
    for data in _inputs(corpus, target.tokens, rng):
        lines: set[object] = set()
        with _tracing(lines) if report.executions % TRACED == 0 else nullcontext():
            outcome = execute(target, data)
        report.executions += 1
        if isinstance(outcome, Crash):
            report.crashes.setdefault(outcome.place, outcome)
        elif not lines | {outcome} <= places and len(corpus) < MAX_KEPT:
            corpus.append(data)
            report.kept += 1
        places |= lines | {outcome}
        if report.executions == executions or (deadline is not None and time.monotonic() >= deadline):
            break
    return report


def execute(target: Target, data: bytes) -> Crash | str:
    """Run one input; returns where it was refused, nothing when it was accepted, or the crash."""
    try:
        with _alarm(SLOWEST):
            target.run(data)
    except target.refusals as refusal:
        return _place(refusal.__traceback__)
    except TooSlowError as slow:
        return Crash(target.name, data, f"took more than {SLOWEST} s", f"slow at {_place(slow.__traceback__)}")
    except (Exception, RecursionError) as error:  # noqa: BLE001 - finding those is the purpose
        return Crash(target.name, data, f"{type(error).__name__}: {error}"[:300], _place(error.__traceback__))
    return ""


def _inputs(corpus: list[bytes], tokens: Sequence[bytes], rng: random.Random) -> Iterator[bytes]:
    yield from tuple(corpus)
    while True:
        yield mutate(rng.choice(corpus), corpus, tokens, rng)


def mutate(data: bytes, corpus: Sequence[bytes], tokens: Sequence[bytes], rng: random.Random) -> bytes:
    """Return a copy with a few random changes."""
    changed = bytearray(data)
    for _ in range(1 << rng.randint(0, 4)):
        rng.choice(_CHANGES)(changed, corpus, tokens, rng)
    return bytes(changed[:MAX_INPUT])


Change = Callable[[bytearray, Sequence[bytes], Sequence[bytes], random.Random], None]


def _flip_bit(data: bytearray, _corpus: Sequence[bytes], _tokens: Sequence[bytes], rng: random.Random) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _set_bytes(data: bytearray, _corpus: Sequence[bytes], _tokens: Sequence[bytes], rng: random.Random) -> None:
    if data:
        at = rng.randrange(len(data))
        data[at : at + 4] = rng.choice(_EDGES) if rng.random() < 0.5 else rng.randbytes(rng.randint(1, 4))


def _delete(data: bytearray, _corpus: Sequence[bytes], _tokens: Sequence[bytes], rng: random.Random) -> None:
    start, end = _span(data, rng)
    del data[start:end]


def _repeat(data: bytearray, _corpus: Sequence[bytes], _tokens: Sequence[bytes], rng: random.Random) -> None:
    start, end = _span(data, rng)
    data[start:start] = data[start:end] * rng.choice((1, 1, 2, 50))
    del data[MAX_INPUT:]


def _insert(data: bytearray, _corpus: Sequence[bytes], tokens: Sequence[bytes], rng: random.Random) -> None:
    at = rng.randint(0, len(data))
    data[at:at] = rng.choice(tokens) if tokens and rng.random() < 0.8 else rng.choice(_EDGES)


def _replace(data: bytearray, _corpus: Sequence[bytes], tokens: Sequence[bytes], rng: random.Random) -> None:
    start, end = _span(data, rng)
    data[start : min(end, start + 16)] = rng.choice(tokens or _EDGES)


def _splice(data: bytearray, corpus: Sequence[bytes], _tokens: Sequence[bytes], rng: random.Random) -> None:
    other = rng.choice(corpus)
    start, end = _span(other, rng)
    at = rng.randint(0, len(data))
    data[at : at + rng.choice((0, end - start))] = other[start:end]


def _number(data: bytearray, _corpus: Sequence[bytes], _tokens: Sequence[bytes], rng: random.Random) -> None:
    """Put another number in the place of one written in digits."""
    digits = [at for at, byte in enumerate(data[:2000]) if 0x30 <= byte <= 0x39]
    if digits:
        start = end = rng.choice(digits)
        while end < len(data) and 0x30 <= data[end] <= 0x39:
            end += 1
        data[start:end] = rng.choice(_NUMBERS)


def _span(data: Sequence[int], rng: random.Random) -> tuple[int, int]:
    start = rng.randint(0, len(data))
    return start, min(len(data), start + int(rng.expovariate(1 / 12)) + 1)


_CHANGES: tuple[Change, ...] = (_flip_bit, _set_bytes, _delete, _repeat, _insert, _replace, _splice, _number)
_EDGES = (
    b"\0",
    b"\xff",
    b"\x80",
    b"\x7f",
    b"\0\0",
    b"\xff\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\xc3\x28",
    b"%00",
    b"\r\n",
)
_NUMBERS = (
    *(b"0", b"-1", b"00", b"1e999", b"nan", b"inf", b"0x10", b"65535", b"65536", b"4294967296", b"1.5"),
    b"99999999999999999999",
    b"9" * 5000,
    "\N{SUPERSCRIPT TWO}".encode(),
    "\N{ARABIC-INDIC DIGIT ONE}".encode(),
)


def _place(traceback: TracebackType | None) -> str:
    """Name the lines that an exception passed through, innermost last, by file name and number."""
    lines = []
    while traceback is not None:
        lines.append(f"{Path(traceback.tb_frame.f_code.co_filename).name}:{traceback.tb_lineno}")
        traceback = traceback.tb_next
    return " ".join(lines[-4:])


@contextmanager
def _tracing(lines: set[object]) -> Iterator[None]:
    """Collect the lines of the gateway that run."""

    def trace(frame: FrameType, event: str, _arg: object) -> Callable[..., object] | None:
        if event == "call" and "/gateway/" not in frame.f_code.co_filename:
            return None
        lines.add((frame.f_code, frame.f_lineno))
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(previous)


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TooSlowError

    previous = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)
