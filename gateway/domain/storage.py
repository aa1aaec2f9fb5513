"""Storages in values."""

from dataclasses import dataclass
from enum import StrEnum


class StorageState(StrEnum):
    """Where a storage stands, in the words its owner reads."""

    OK = "ok"
    ERROR = "error"
    FORMATTING_REQUIRED = "formatting-required"
    """It is there, and empty or not ours: nothing is written to it before it was formatted."""
    FORMATTING = "formatting"
    NOT_INSTALLED = "not-installed"
    """Its directory or medium is missing, or another one is in its place."""


@dataclass(frozen=True, slots=True)
class StorageStatus:
    """A storage's state with its cause; sizes in bytes, 0 while they can't be known."""

    state: StorageState
    cause: str = ""
    """One sentence with what to do, empty when all is well."""
    capacity: int = 0
    free: int = 0


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A file or object as a storage lists it."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Volume:
    """One configured storage."""

    id: str
    backend: str
    limit: int | None = None
    """Bytes that the archive may use of it; None: all but a reserve."""
    priority: int = 0
    """The highest that works is written to; equals share by free space."""
