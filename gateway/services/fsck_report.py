"""What a check of the archive found."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

MOST_LISTED = 10_000
"""Findings that are kept; the others are only counted."""


class What(StrEnum):
    """What can be wrong."""

    MISSING = "the file is missing"
    ORPHAN = "the catalogue does not know the file"
    TWIN = "another file holds the same time of the same recording"
    TORN = "the file ends in the middle of a fragment"
    EMPTY = "the file has no whole fragment"
    UNREADABLE = "the file can't be read"
    DIFFERS = "the catalogue says something else than the file"
    DAMAGED = "the file is damaged"
    OVERLAPS = "the file covers time that the one before covers too"
    AWAY = "the storage is not there"


HARMLESS = frozenset({What.OVERLAPS})
"""What a clock that was set back leaves behind: nothing is to be done about it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    what: What
    storage: str
    name: str
    detail: str = ""
    repaired: bool = False


@dataclass(slots=True)
class Report:
    """What a check found."""

    files: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)
    """In the order of their discovery, at most `MOST_LISTED`."""
    counts: Counter[What] = field(default_factory=Counter)
    """How many there are of each kind, the unlisted ones too."""
    wrong: int = 0
    """How many are not repaired, and not harmless."""
    mended: int = 0
    """How many are repaired."""

    @property
    def clean(self) -> bool:
        """Tell whether nothing is wrong, or everything was repaired."""
        return not self.wrong

    def add(self, finding: Finding) -> None:
        """Take a finding."""
        self.counts[finding.what] += 1
        self.mended += finding.repaired
        self.wrong += not finding.repaired and finding.what not in HARMLESS
        if len(self.findings) < MOST_LISTED:
            self.findings.append(finding)
