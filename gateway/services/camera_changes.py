"""What a camera is: which news of it are changes that are worth an entry."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from gateway.domain.camera import CameraInfo
from gateway.domain.camera_history import HistoryEntry, HistoryKind, kept_text
from gateway.domain.media import MediaKind, StreamDescription

CLOCK_STEP: Final = 2.0
"""Seconds that a clock must move by; cameras tell whole seconds."""
MAX_CHANGES: Final = 10
"""Of one subject in an hour that are entries of their own; the last of more takes the place of the one before."""
_IDENTITY: Final = ("manufacturer", "model", "firmware", "serial", "hardware")
_HOUR_NS: Final = 3600 * 1_000_000_000


class Changes:
    """One subject of one camera, as it was and is."""

    def __init__(self, camera: str, kind: HistoryKind, subject: str, last: HistoryEntry | None) -> None:
        self._camera = camera
        self._kind = kind
        self._subject = subject
        self.last = last
        self._starts: list[int] = []
        """Of the last hour."""

    def told(self, now_ns: int, value: Mapping[str, Any]) -> HistoryEntry | None:
        """Return the entry that is to be kept of what the camera is now; None when that is no news."""
        last = self.last
        if not is_change(self._kind, None if last is None else last.value, value):
            return None
        self._starts = [start for start in self._starts if 0 <= now_ns - start < _HOUR_NS]
        if last is not None and len(self._starts) >= MAX_CHANGES:
            self.last = replace(last, count=last.count + 1, value=dict(value))
        else:
            self._starts.append(now_ns)
            self.last = HistoryEntry(self._camera, self._kind, now_ns, self._subject, value=dict(value))
        return self.last


def is_change(kind: HistoryKind, old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> bool:
    """Tell whether something new differs from what was known. What is empty tells nothing."""
    if kind is HistoryKind.CLOCK:
        return old is None or abs(new["offset"] - old["offset"]) >= CLOCK_STEP
    return any(new.values()) and new != old


def of_info(info: CameraInfo) -> dict[str, Any]:
    """Return the value of an entry of kind IDENTITY."""
    return {name: kept_text(getattr(info, name)) for name in _IDENTITY}


def info_of(value: Mapping[str, Any]) -> CameraInfo:
    """Return what an entry of kind IDENTITY says."""
    return CameraInfo(*(str(value.get(name, "")) for name in _IDENTITY))


def of_capabilities(names: Sequence[str]) -> dict[str, Any]:
    """Return the value of an entry of kind CAPABILITIES."""
    return {"names": sorted(map(kept_text, names))}


def of_clock(offset: float) -> dict[str, Any]:
    """Return the value of an entry of kind CLOCK."""
    return {"offset": round(offset, 1)}


def of_stream(description: StreamDescription) -> dict[str, Any]:
    """Return the value of an entry of kind STREAM: not what varies while it plays, such as rates."""
    track = description.first(MediaKind.VIDEO)
    video = None if track is None else track.video
    return {
        "video": "" if track is None else kept_text(track.encoding),
        "width": 0 if video is None else video.width,
        "height": 0 if video is None else video.height,
        "audio": [kept_text(each.encoding) for each in description.tracks if each.kind is MediaKind.AUDIO],
    }
