"""What the results of successive pictures amount to: motion in each zone that begins and ends, and tampering."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gateway.domain.motion import MotionResult, Tampering
from gateway.domain.motion_rules import MotionRule

Subject: TypeAlias = tuple[Literal["motion", "rule", "tampering"], str]
"""What a state is of: motion anywhere, a rule by its name, or a kind of tampering."""

ANYWHERE: Subject = ("motion", "")

MAX_MARKS = 4096
"""Pictures with motion that are remembered for the archive."""
STRONGEST = 255
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Change:
    """A state from some moment on."""

    subject: Subject
    on: bool
    utc_ns: int


class MotionStates:
    """The states of one camera. None is known before the first picture."""

    def __init__(self, rules: Iterable[MotionRule], tampering: Iterable[Tampering]) -> None:
        self._holds = {rule.name: round(rule.hold * _NS) for rule in rules}
        self._kinds = sorted(tampering)
        self._seen: dict[str, int] = {}
        """When motion was last seen, by the names of the rules in which it lasts."""
        self._told: dict[Subject, bool] = {}

    def take(self, result: MotionResult) -> list[Change]:
        """Take what the next picture shows; returns what changes."""
        now = result.utc_ns
        for name, seen in list(self._seen.items()):
            if name not in result.zones and not 0 <= now - seen < self._holds[name]:
                del self._seen[name]
        for name in result.zones & self._holds.keys():
            self._seen[name] = now
        return self._changes(now, frozenset(result.tampering))

    def end(self, utc_ns: int) -> list[Change]:
        """End all motion, as no pictures come; tampering stays as it was last seen."""
        self._seen.clear()
        return self._changes(utc_ns, None) if self._told else []

    def _changes(self, utc_ns: int, tampering: frozenset[Tampering] | None) -> list[Change]:
        states = {ANYWHERE: bool(self._seen)}
        states |= {("rule", name): name in self._seen for name in self._holds}
        if tampering is not None:
            states |= {("tampering", kind): kind in tampering for kind in self._kinds}
        changed = [Change(subject, on, utc_ns) for subject, on in states.items() if self._told.get(subject) != on]
        self._told |= states
        return changed


class MotionMarks:
    """How strong motion lately was in one camera's pictures, for the archive."""

    def __init__(self) -> None:
        self._marks: deque[tuple[int, int]] = deque(maxlen=MAX_MARKS)

    def take(self, result: MotionResult) -> None:
        """Remember a picture in which something moves."""
        if result.zones:
            self._marks.append((result.utc_ns, strength(result)))

    def strongest(self, start_ns: int, end_ns: int) -> int:
        """Return the strongest motion in a stretch of time, 0 to 255."""
        found = 0
        for utc_ns, level in reversed(self._marks):
            if utc_ns < start_ns:
                break
            if utc_ns < end_ns:
                found = max(found, level)
        return found


def strength(result: MotionResult) -> int:
    """Return 0 without motion, else 1 to 255 by the share of the picture that its regions cover."""
    counting = [region for region in result.regions if region.zones]
    if not result.zones:
        return 0
    share = sum((region.right - region.left) * (region.bottom - region.top) for region in counting)
    return max(1, min(STRONGEST, round(share * STRONGEST)))
