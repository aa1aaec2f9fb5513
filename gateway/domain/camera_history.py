"""What is kept of a camera over time: what it was, how well it was reached, and what went wrong."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

LONGEST_TEXT: Final = 255
"""Characters of a subject, and of each text in a value."""


class HistoryKind(StrEnum):
    """What an entry is about; a closed set."""

    WATCH = "watch"
    """A stretch of time in which a gateway ran with this camera, in `count` starts."""
    OUTAGE = "outage"
    """A stretch with losses of the camera, `count` of them, open while it is away.

    Value: `why`, words of the last loss; `down`, seconds of those that are over; `since_ns`, when the last one began.
    """
    ERROR = "error"
    """A stretch in which the same error, the subject, came `count` times."""
    IDENTITY = "identity"
    """What the camera is from now on: `manufacturer`, `model`, `firmware`, `serial`, `hardware`."""
    CAPABILITIES = "capabilities"
    """What it has from now on: `names`."""
    CLOCK = "clock"
    """Seconds by which its clock is ahead from now on: `offset`."""
    STREAM = "stream"
    """What a profile, the subject, is from now on: `video`, `width`, `height`, `audio`."""
    CREDENTIALS = "credentials"
    """It is logged in to otherwise from now on: `fingerprint` tells that, but not how."""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One thing that was so from some time on, or for a stretch of time."""

    camera: str
    kind: HistoryKind
    start_ns: int
    subject: str = ""
    end_ns: int | None = None
    """Of a stretch: when it was over, or was last known to go on; None for one that goes on."""
    count: int = 1
    value: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def key(self) -> tuple[str, HistoryKind, int, str]:
        """Return what no other entry has."""
        return (self.camera, self.kind, self.start_ns, self.subject)


def kept_text(told: object) -> str:
    """Return a text of a camera as it is kept: short, and without what a database does not take."""
    return "".join(each if each.isprintable() else "?" for each in str(told)[:LONGEST_TEXT])
