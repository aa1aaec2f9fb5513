"""What a support engineer would ask for, from a camera's history: plain values, times in ISO 8601."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from gateway.domain.camera_history import HistoryEntry, HistoryKind
from gateway.services.camera_health import SECOND_NS, last_seen, uptime

DAY_NS: Final = 86_400 * SECOND_NS
WINDOWS: Final = {"24h": DAY_NS, "7d": 7 * DAY_NS}
MAX_ERRORS: Final = 20


def report(entries: Iterable[HistoryEntry], now_ns: int, *, running: bool) -> dict[str, Any]:
    """Return what is known of a camera.

    `running` tells whether a gateway follows it now. Else what goes on in the history went on until it last did.
    """
    known = list(entries)
    watched = [each.end_ns for each in known if each.kind is HistoryKind.WATCH and each.end_ns is not None]
    until_ns = now_ns if running else max(watched, default=now_ns)
    if running:
        known = [_until_now(each, now_ns, max(watched, default=now_ns)) for each in known]
    latest = {(each.kind, each.subject): each for each in known}
    seen_ns = last_seen(known)
    return {
        "identity": _since(latest.get((HistoryKind.IDENTITY, ""))),
        "capabilities": _since(latest.get((HistoryKind.CAPABILITIES, ""))),
        "clock": _since(latest.get((HistoryKind.CLOCK, ""))),
        "login_changed": _time(latest.get((HistoryKind.CREDENTIALS, ""))),
        "streams": {each.subject: _since(each) for each in latest.values() if each.kind is HistoryKind.STREAM},
        "last_seen": None if seen_ns is None else iso(seen_ns),
        "lost_since": _lost_since(latest.get((HistoryKind.OUTAGE, ""))),
        "uptime": {name: _percent(uptime(known, until_ns - length, until_ns)) for name, length in WINDOWS.items()},
        "losses": {name: _losses(known, until_ns - length) for name, length in WINDOWS.items()},
        "errors": _errors(known),
        "history": list(_history(known)),
    }


def iso(utc_ns: int) -> str:
    """Return a time in ISO 8601, UTC, whole seconds."""
    return datetime.fromtimestamp(utc_ns // SECOND_NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _until_now(entry: HistoryEntry, now_ns: int, watched_ns: int) -> HistoryEntry:
    """Have the last stretch of watching go on until now."""
    last = entry.kind is HistoryKind.WATCH and entry.end_ns == watched_ns
    return replace(entry, end_ns=max(now_ns, watched_ns)) if last else entry


def _since(entry: HistoryEntry | None) -> dict[str, Any] | None:
    return None if entry is None else {**entry.value, "since": iso(entry.start_ns)}


def _time(entry: HistoryEntry | None) -> str | None:
    return None if entry is None else iso(entry.start_ns)


def _lost_since(outage: HistoryEntry | None) -> str | None:
    return None if outage is None or outage.end_ns is not None else iso(outage.value["since_ns"])


def _percent(part: float | None) -> float | None:
    return None if part is None else int(part * 10_000) / 100  # not rounded up: 100 is without a loss


def _losses(entries: Sequence[HistoryEntry], start_ns: int) -> int:
    """Return how many losses the entries that reach into a stretch have."""
    outages = (each for each in entries if each.kind is HistoryKind.OUTAGE)
    return sum(each.count for each in outages if each.end_ns is None or each.end_ns >= start_ns)


def _errors(entries: Sequence[HistoryEntry]) -> list[dict[str, Any]]:
    """Return the last errors, the latest first."""
    errors = [each for each in entries if each.kind is HistoryKind.ERROR]
    errors.sort(key=lambda each: each.end_ns or 0, reverse=True)
    return [
        {
            "error": each.subject,
            "count": each.count,
            "first": iso(each.start_ns),
            "last": iso(each.end_ns or each.start_ns),
        }
        for each in errors[:MAX_ERRORS]
    ]


def _history(entries: Sequence[HistoryEntry]) -> Iterable[dict[str, str]]:
    before: dict[tuple[HistoryKind, str], Mapping[str, Any]] = {}
    for entry in entries:
        key = (entry.kind, entry.subject)
        if entry.kind not in {HistoryKind.ERROR, HistoryKind.WATCH}:
            yield {"time": iso(entry.start_ns), "kind": entry.kind.value, "text": in_words(entry, before.get(key))}
            before[key] = entry.value


def in_words(entry: HistoryEntry, before: Mapping[str, Any] | None) -> str:
    """Return an entry as a person reads it; `before` is the value of the one before."""
    value = entry.value
    match entry.kind:
        case HistoryKind.IDENTITY:
            text = _identity(value, before)
        case HistoryKind.CAPABILITIES:
            text = f"has {', '.join(value['names'])}"
        case HistoryKind.CLOCK:
            text = f"clock {clock_in_words(value['offset'])}"
        case HistoryKind.STREAM:
            audio = "".join(f", {name}" for name in value["audio"])
            text = f"{entry.subject} is {value['video']} {value['width']}x{value['height']}{audio}"
        case HistoryKind.CREDENTIALS:
            text = "login set" if before is None else "login changed"
        case HistoryKind.OUTAGE:
            return _outage(entry)
        case _:
            text = entry.subject
    return text if entry.count == 1 else f"{text} ({entry.count} changes)"


def clock_in_words(offset: float) -> str:
    """Return by how much a clock is off."""
    return "right" if abs(offset) <= 1.0 else f"{abs(offset):.1f} s {'ahead' if offset > 0 else 'behind'}"


def _identity(value: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    if before is None:
        return "is " + ", ".join(f"{name} {text}" for name, text in value.items() if text)
    changed = (f"{name} {value[name]!r} instead of {before.get(name, '')!r}" for name in value)
    return ", ".join(text for name, text in zip(value, changed, strict=True) if value[name] != before.get(name))


def _outage(entry: HistoryEntry) -> str:
    why = f": {entry.value['why']}" if entry.value["why"] else ""
    times = "" if entry.count == 1 else f" {entry.count} times"
    if entry.end_ns is None:
        return f"lost{times}, and still away{why}"
    until = "" if entry.count == 1 else f" until {iso(entry.end_ns)}"
    return f"lost{times}{until}, for {entry.value['down']:.0f} s{why}"
