"""Relays and digital inputs of a camera (ONVIF Device IO Service Specification)."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.ranges import Range


class RelayMode(StrEnum):
    """Whether a relay stays as it is set, or returns to idle after its delay."""

    BISTABLE = "Bistable"
    MONOSTABLE = "Monostable"


class IdleState(StrEnum):
    """The electrical state that counts as inactive."""

    CLOSED = "closed"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class RelayOutput:
    """A relay with its settings."""

    token: str
    mode: RelayMode
    delay: float
    """Seconds until a monostable relay returns to idle."""
    idle_state: IdleState


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """What a relay can be set to."""

    modes: tuple[RelayMode, ...]
    delay: Range | None = None
    """Seconds."""
    delays: tuple[float, ...] = ()
    """Instead, where only some delays are possible."""


@dataclass(frozen=True, slots=True)
class DigitalInput:
    """A digital input; its state comes as a `DeviceEvent` of kind DIGITAL_INPUT whose name is its token."""

    token: str
    idle_state: IdleState | None = None
    """None where it can't be set."""
