"""What waits in memory is bounded in bytes, in time and in number, and given up by whole GOPs."""

import pytest

from gateway.domain.media import StreamDescription
from gateway.domain.recording import Trigger
from gateway.services import recorder_backlog, recorder_gate
from gateway.services.recorder_backlog import Backlog, Mark
from gateway.services.recorder_gate import Gate
from gateway.services.recorder_gops import Gop

_NS = 1_000_000_000


def gop(number: int, size: int = 1000, seconds: int = 1) -> Gop:
    start_ns = number * seconds * _NS
    return Gop((), StreamDescription(()), start_ns, start_ns + seconds * _NS, size, number, follows=True, keyed=True)


async def taken(backlog: Backlog) -> list[int | Mark]:
    items = [await backlog.take() for _ in range(len(backlog))]
    return [item.number if isinstance(item, Gop) else item for item in items]


async def test_bytes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_backlog, "MAX_BYTES", 2500)
    backlog = Backlog()
    for number in range(5):
        backlog.put(gop(number))
    assert backlog.dropped == 3
    assert await taken(backlog) == [3, 4]


async def test_time_is_bounded() -> None:
    backlog = Backlog()
    for number in range(4):
        backlog.put(gop(number, seconds=8))
    assert await taken(backlog) == [2, 3]


async def test_one_gop_always_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_backlog, "MAX_BYTES", 10)
    backlog = Backlog()
    backlog.put(gop(0))
    backlog.put(Mark.CLOSE)
    backlog.put(gop(1))
    assert await taken(backlog) == [Mark.CLOSE, 1]


async def test_without_a_storage_two_wait() -> None:
    backlog = Backlog()
    backlog.starving = True
    for number in range(1, 4):
        backlog.put(gop(number))
    backlog.put_back(gop(0))
    assert backlog.dropped == 2
    assert await taken(backlog) == [2, 3]


def test_memory_before_events_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_gate, "MAX_HELD_BYTES", 3500)
    gate = Gate(Trigger(topics=("tns1:Motion",), before_seconds=60), None)
    for number in range(10):
        assert gate.take(gop(number)) is None
    released = gate.told("motion", 10 * _NS, true=True)
    assert [each.number for each in released] == [7, 8, 9]


def test_an_event_that_is_told_late_finds_its_gop() -> None:
    gate = Gate(Trigger(topics=("tns1:Motion",)), None)
    for number in range(10):
        gate.take(gop(number))
    assert [each.number for each in gate.told("motion", 6 * _NS + 1, true=True)] == [6, 7, 8, 9]
