"""How well a camera is reached: losses that come close together are one entry, so that flapping fills no disk."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from gateway.domain.camera_history import HistoryEntry, HistoryKind, kept_text

SECOND_NS: Final = 1_000_000_000
LULL_NS: Final = 15 * 60 * SECOND_NS
"""A camera that was back for less has been lost again in the same entry."""
LONGEST_NS: Final = 3600 * SECOND_NS
"""Losses this long after an entry's first begin another one: a day has no more than 96, a week fits."""
RESTART_NS: Final = 2 * 60 * SECOND_NS
"""A gateway that was away for less goes on with the same stretches."""
ERROR_LULL_NS: Final = LONGEST_NS
ERROR_LONGEST_NS: Final = 24 * LONGEST_NS
MAX_ERRORS: Final = 16
"""Different errors of one camera in an hour; more are counted together."""
OTHER_ERRORS: Final = "other errors"


class Outages:
    """The losses of one camera."""

    def __init__(self, camera: str, last: HistoryEntry | None, watched_ns: int, now_ns: int) -> None:
        """`last` is its last entry, if there is one, `watched_ns` until when that was followed; it is from now on."""
        self._camera = camera
        self._last = last
        self._watched_ns = watched_ns
        self._began_ns: int | None = now_ns
        """None once the camera's state is known."""

    def lost(self, now_ns: int, why: str) -> HistoryEntry:
        """Return the entry that is to be kept of a loss."""
        began_ns, self._began_ns = self._began_ns, None
        last = self._last
        if last is not None and last.end_ns is None:
            if began_ns is None or began_ns - self._watched_ns < RESTART_NS:
                return last
            last = _ended(last, self._watched_ns)  # what was meanwhile nobody knows
        start_ns = now_ns if began_ns is None else began_ns
        value = {"why": kept_text(why), "down": 0.0, "since_ns": start_ns}
        if last is not None and _goes_on(last, start_ns):
            value["down"] = last.value["down"]
            self._last = replace(last, end_ns=None, count=last.count + 1, value=value)
        else:
            self._last = HistoryEntry(self._camera, HistoryKind.OUTAGE, start_ns, value=value)
        return self._last

    def over(self, now_ns: int) -> HistoryEntry | None:
        """Return the entry that is to be kept of a camera that is there; None for one that was not lost."""
        began_ns, self._began_ns = self._began_ns, None
        last = self._last
        if last is None or last.end_ns is not None:
            return None
        away = began_ns is not None and began_ns - self._watched_ns >= RESTART_NS
        self._last = _ended(last, self._watched_ns if away else now_ns)
        return self._last


class Errors:
    """The errors of one camera, each counted."""

    def __init__(self, camera: str) -> None:
        self._camera = camera
        self._known: dict[str, HistoryEntry] = {}

    def seen(self, now_ns: int, text: str) -> HistoryEntry:
        """Return the entry that is to be kept of an error."""
        text = kept_text(text)
        if text not in self._known:
            self._known = {each: entry for each, entry in self._known.items() if now_ns - _end(entry) < ERROR_LULL_NS}
            if len(self._known) >= MAX_ERRORS:
                text = OTHER_ERRORS
        entry = self._known.get(text)
        if entry is None or now_ns - _end(entry) >= ERROR_LULL_NS or now_ns - entry.start_ns >= ERROR_LONGEST_NS:
            entry = HistoryEntry(self._camera, HistoryKind.ERROR, now_ns, text, now_ns)
        else:
            entry = replace(entry, end_ns=max(now_ns, _end(entry)), count=entry.count + 1)
        self._known[text] = entry
        return entry


def uptime(entries: Iterable[HistoryEntry], start_ns: int, end_ns: int) -> float | None:
    """Return which part of the time that a gateway followed a camera in a stretch the camera was there, 0 to 1.

    None where it was not followed at all. Losses in one entry count as if they were spread evenly over it.
    """
    watched = down = 0.0
    for entry in entries:
        if entry.kind is HistoryKind.WATCH:
            watched += _overlap(entry, start_ns, end_ns)
        elif entry.kind is HistoryKind.OUTAGE:
            length = max((end_ns if entry.end_ns is None else entry.end_ns) - entry.start_ns, 1)
            down += _down_ns(entry, end_ns) * _overlap(entry, start_ns, end_ns) / length
    return None if watched <= 0 else max(0.0, 1.0 - min(down / watched, 1.0))


def last_seen(entries: Iterable[HistoryEntry]) -> int | None:
    """Return when a camera was there for the last time, nanoseconds UTC; None where that is not known."""
    known = list(entries)
    losses = [each for each in known if each.kind is HistoryKind.OUTAGE]
    watches = [each for each in known if each.kind is HistoryKind.WATCH]
    for watch in sorted(watches, key=lambda each: each.start_ns, reverse=True):
        end_ns = _end(watch)
        away = [
            each.value["since_ns"]
            for each in losses
            if each.value["since_ns"] <= end_ns and (each.end_ns is None or each.end_ns >= end_ns)
        ]
        if not away:
            return end_ns
        if min(away) > watch.start_ns:
            return int(min(away))
    return None


def _ended(entry: HistoryEntry, now_ns: int) -> HistoryEntry:
    end_ns = max(now_ns, entry.value["since_ns"])
    down = entry.value["down"] + (end_ns - entry.value["since_ns"]) / SECOND_NS
    return replace(entry, end_ns=end_ns, value=entry.value | {"down": down})


def _goes_on(last: HistoryEntry, now_ns: int) -> bool:
    return 0 <= now_ns - _end(last) < LULL_NS and now_ns - last.start_ns < LONGEST_NS


def _end(entry: HistoryEntry) -> int:
    return entry.start_ns if entry.end_ns is None else entry.end_ns


def _overlap(entry: HistoryEntry, start_ns: int, end_ns: int) -> int:
    own_end = end_ns if entry.end_ns is None else entry.end_ns
    return max(0, min(own_end, end_ns) - max(entry.start_ns, start_ns))


def _down_ns(entry: HistoryEntry, now_ns: int) -> float:
    going_on = max(0, now_ns - entry.value["since_ns"]) if entry.end_ns is None else 0
    return float(entry.value["down"] * SECOND_NS + going_on)
