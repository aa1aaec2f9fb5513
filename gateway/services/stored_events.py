"""Stored events as searches find them: with the recordings that they belong to (Recording Search §5.5)."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.domain.event import Event, Items, PropertyKey, PropertyOperation
from gateway.domain.event_history import EventPage, Place
from gateway.domain.recording import Recording, Span

PAGE = 200
"""Events that are read at once."""

_GENERATED = "tns1:RecordingHistory/"
"""Topics that are made of the archive itself; as they were told they are left out."""

_TRACKS = ("TrackToken", "Track")


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """An event of a recording."""

    recording: str
    track: str
    """Empty where it belongs to no track."""
    event: Event
    start_state: bool = False
    """A virtual event: the state at an end of the search."""


class StoredEvents(Protocol):
    """Where past events are looked up. Properties, and kinds of messages, have numbers."""

    def extent(self) -> Span | None:
        """Return the times of the first and the last event, None when there is none."""
        ...

    def subjects(self, names: Collection[str]) -> Mapping[int, PropertyKey]:
        """Return the properties and kinds of messages, by number, whose source has one of these values."""
        ...

    async def page(self, wanted: Collection[int], place: Place, end_ns: int, *, reverse: bool, limit: int) -> EventPage:
        """Return events of some subjects from a place up to and with a time, about so many. Raises GatewayError."""
        ...

    async def states(self, wanted: Collection[int], time_ns: int) -> Sequence[tuple[int, Event]]:
        """Return the last event of each of some subjects up to and with a time. Raises GatewayError."""
        ...


class RecordingEvents:
    """The stored events of some recordings, of some topics."""

    def __init__(self, stored: StoredEvents, owners: Mapping[int, Sequence[tuple[str, str]]]) -> None:
        """`owners` are the recordings and tracks that subjects belong to."""
        self._stored = stored
        self._owners = owners

    @classmethod
    def of(
        cls,
        stored: StoredEvents,
        recordings: Iterable[Recording],
        names: Callable[[Recording], Collection[str]],
        takes: Callable[[str], bool],
    ) -> "RecordingEvents":
        """Look up what belongs to recordings; `names` are what events call one by, `takes` tests topics."""
        owners: dict[int, list[tuple[str, str]]] = defaultdict(list)
        for recording in recordings:
            for number, (topic, source, _) in stored.subjects(names(recording)).items():
                if takes(topic) and not topic.startswith(_GENERATED):
                    owners[number].append((recording.token, _track(source)))
        return cls(stored, owners)

    def extent(self) -> Span | None:
        """Return what there is to search, ends included."""
        return self._stored.extent() if self._owners else None

    async def page(self, place: Place, end_ns: int, *, reverse: bool) -> tuple[list[FoundEvent], Place | None]:
        """Return some events from a place up to and with a time, and where to go on."""
        if not self._owners:
            return [], None
        page = await self._stored.page(self._owners.keys(), place, end_ns, reverse=reverse, limit=PAGE)
        found = [each for number, event in page.found for each in self._of(number, event, reverse=reverse)]
        return found, page.rest

    async def states(self, time_ns: int) -> list[FoundEvent]:
        """Return the states of properties at a time, as virtual events; one that was deleted has none."""
        if not self._owners:
            return []
        return [
            FoundEvent(recording, track, event.told(PropertyOperation.INITIALIZED, time_ns), start_state=True)
            for number, event in await self._stored.states(self._owners.keys(), time_ns)
            if event.operation not in (None, PropertyOperation.DELETED)
            for recording, track in self._owners[number]
        ]

    def _of(self, number: int, event: Event, *, reverse: bool) -> list[FoundEvent]:
        owners = self._owners[number]
        return [FoundEvent(*owner, event) for owner in (reversed(owners) if reverse else owners)]


class NoEvents:
    """StoredEvents of nothing."""

    def extent(self) -> Span | None:
        """Return None."""
        return None

    def subjects(self, _names: Collection[str]) -> Mapping[int, PropertyKey]:
        """Return nothing."""
        return {}

    async def page(
        self,
        wanted: Collection[int],  # noqa: ARG002 - the names are part of the port
        place: Place,  # noqa: ARG002
        end_ns: int,  # noqa: ARG002
        *,
        reverse: bool,  # noqa: ARG002
        limit: int,  # noqa: ARG002
    ) -> EventPage:
        """Return an empty page."""
        return EventPage((), None)

    async def states(self, _wanted: Collection[int], _time_ns: int) -> Sequence[tuple[int, Event]]:
        """Return nothing."""
        return ()


def _track(source: Items) -> str:
    return next((value for name, value in source if name in _TRACKS), "")
