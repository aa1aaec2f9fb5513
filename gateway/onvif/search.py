"""The RecordingSearch service: which recordings there are, what they hold, and what happened in them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from datetime import timedelta
from typing import Any, ClassVar

from gateway.domain.event import Event, TopicDescription
from gateway.domain.media import StreamDescription
from gateway.domain.recording import Recording, Segment, Span
from gateway.onvif import search_schema as schema
from gateway.onvif.capabilities import SEARCH
from gateway.onvif.codec import Codec
from gateway.onvif.context import Context
from gateway.onvif.contract import Contract
from gateway.onvif.events_message import EventMessages
from gateway.onvif.recording_faults import faulting
from gateway.onvif.recording_schema import Plain, moment, nanoseconds
from gateway.onvif.search_filters import event_filter, filtered
from gateway.sdk.clock import Clock
from gateway.services.archive import LATEST_NS
from gateway.services.history import find_events
from gateway.services.recordings import Recordings
from gateway.services.recordings_errors import Reason, RecordingError
from gateway.services.searches import Searches, SearchKind, Step
from gateway.services.searches_scope import (
    Archive,
    Around,
    Information,
    find_recordings,
    find_runs,
    included,
    information,
)
from gateway.services.stored_events import NoEvents, RecordingEvents, StoredEvents

Describe = Callable[[Segment], Awaitable[StreamDescription | None]]
"""Reads what a segment's tracks are; None while that is not possible."""


class SearchService:
    """Operations of the recording search service (Recording Search Service Specification)."""

    namespace: ClassVar[str] = SEARCH
    path: ClassVar[str] = "/onvif/search_service"

    def __init__(
        self,
        recordings: Recordings,
        archive: Archive,
        searches: Searches,
        contract: Contract,
        codec: Codec,
        clock: Clock,
        describe: Describe,
        *,
        stored: StoredEvents | None = None,
        names: Callable[[Recording], Collection[str]] = lambda recording: (recording.token, recording.source.source_id),
        topics: Callable[[], tuple[TopicDescription, ...]] = tuple,
        by_run: bool = False,
    ) -> None:
        """With `by_run`, FindRecordings answers one RecordingInformation for each gap-free stretch of a recording.

        `names` are what stored events call a recording by; `topics` describe them.
        """
        self._recordings = recordings
        self._archive = archive
        self._searches = searches
        self._codec = codec
        self._prefixes = contract.prefixes
        self._clock = clock
        self._describe = describe
        self._stored = stored or NoEvents()
        self._names = names
        self._messages = EventMessages(codec, topics)
        self._by_run = by_run

    def capabilities(self) -> Plain:
        """Return what is announced: neither metadata nor pictures are searched."""
        return {"MetadataSearch": False, "GeneralStartEvents": False}

    async def GetRecordingSummary(self, _request: Plain, _context: Context) -> Plain:
        """Tell the extent of all recordings together."""
        return {"Summary": schema.summary(self._all(), self._clock.utc_ns())}

    @faulting
    async def GetRecordingInformation(self, request: Plain, _context: Context) -> Plain:
        """Tell what a recording holds."""
        found = information(self._recordings, self._recording(request["RecordingToken"]))
        return {"RecordingInformation": schema.recording_information(found)}

    @faulting
    async def GetMediaAttributes(self, request: Plain, _context: Context) -> Plain:
        """Tell what the tracks of recordings are like at a time."""
        tokens = request.get("RecordingTokens") or [recording.token for recording in self._recordings.all()]
        recordings = [self._recording(token) for token in tokens]
        time_ns = nanoseconds(request["Time"])
        attributes = [await self._attributes(information(self._recordings, each), time_ns) for each in recordings]
        return {"MediaAttributes": attributes}

    @faulting
    async def FindRecordings(self, request: Plain, context: Context) -> Plain:
        """Begin a search for recordings."""
        found, around = self._scope(request["Scope"])
        if self._by_run or around is not None:
            steps = find_runs(found, self._archive, around)
        else:
            steps = find_recordings(found)
        return self._begin(SearchKind.RECORDINGS, request, context, steps, self._clock.utc_ns())

    @faulting
    async def GetRecordingSearchResults(self, request: Plain, context: Context) -> Plain:
        """Return recordings that were found since the last time."""
        state, found = await self._results(SearchKind.RECORDINGS, request, context)
        listed = [schema.recording_information(each) for each in found]
        return {"ResultList": {"SearchState": state, "RecordingInformation": listed}}

    @faulting
    async def FindEvents(self, request: Plain, context: Context) -> Plain:
        """Begin a search for events of recordings."""
        found, _ = self._scope(request["Scope"])
        wanted = event_filter(request["SearchFilter"].get("_any", ()), self._prefixes)
        start_ns = nanoseconds(request["StartPoint"])
        end_ns = nanoseconds(request["EndPoint"]) if "EndPoint" in request else LATEST_NS
        recordings = [each.recording for each in found]
        steps = find_events(
            recordings,
            self._archive,
            RecordingEvents.of(self._stored, recordings, self._names, wanted.takes),
            start_ns,
            end_ns,
            start_states=request["IncludeStartState"],
            takes=wanted.takes,
        )
        return self._begin(SearchKind.EVENTS, request, context, _passing(steps, wanted.passes), start_ns)

    @faulting
    async def GetEventSearchResults(self, request: Plain, context: Context) -> Plain:
        """Return events that were found since the last time."""
        state, found = await self._results(SearchKind.EVENTS, request, context)
        listed = [schema.event_result(each, self._codec, self._messages.elements(each.event)) for each in found]
        return {"ResultList": {"SearchState": state, "Result": listed}}

    @faulting
    async def GetSearchState(self, request: Plain, context: Context) -> Plain:
        """Tell where a search stands."""
        return {"State": str(self._searches.state(context.account.name, request["SearchToken"]))}

    @faulting
    async def EndSearch(self, request: Plain, context: Context) -> Plain:
        """End a search, and tell how far it had come."""
        return {"Endpoint": moment(self._searches.end(context.account.name, request["SearchToken"]))}

    def _all(self) -> list[Information]:
        return [information(self._recordings, recording) for recording in self._recordings.all()]

    def _recording(self, token: str) -> Recording:
        found = self._recordings.resolve(token)
        if found is None:
            raise RecordingError(Reason.NO_SESSION, f"recording token {token!r} does not exist")
        return found

    async def _attributes(self, found: Information, time_ns: int) -> Plain:
        at = Span(time_ns, time_ns + 1)
        segments = await self._archive.segments(found.recording.token, at, limit=1)
        if not segments:
            return schema.media_attributes(found, None, Span(time_ns, time_ns))
        held = [(track, span) for track, span in found.tracks if track.token in segments[0].tracks]
        present = Information(found.recording, found.status, tuple(held))
        description = await self._describe(segments[0])
        span = segments[0].span if description is not None else Span(time_ns, time_ns)
        return schema.media_attributes(present, description, span)

    def _scope(self, scope: Plain) -> tuple[list[Information], Around | None]:
        """Return the recordings that a `tt:SearchScope` takes in, and the window that its filter asks for."""
        sources = [source["Token"] for source in scope.get("IncludedSources", ())]
        recordings = included(self._recordings, sources, scope.get("IncludedRecordings", ()))
        found = [information(self._recordings, recording) for recording in recordings]
        text = scope.get("RecordingInformationFilter", "")
        return filtered(found, text) if text.strip() else (found, None)

    def _begin(
        self, kind: SearchKind, request: Plain, context: Context, steps: AsyncIterator[Step], start_ns: int
    ) -> Plain:
        keep_alive: timedelta = request["KeepAliveTime"]
        matches: int | None = request.get("MaxMatches")
        owner = context.account.name
        return {"SearchToken": self._searches.begin(kind, owner, keep_alive.total_seconds(), matches, steps, start_ns)}

    async def _results(self, kind: SearchKind, request: Plain, context: Context) -> tuple[str, list[Any]]:
        wait: timedelta | None = request.get("WaitTime")
        state, found = await self._searches.results(
            kind,
            context.account.name,
            request["SearchToken"],
            request.get("MinResults"),
            request.get("MaxResults"),
            None if wait is None else wait.total_seconds(),
        )
        return str(state), found


async def _passing(steps: AsyncIterator[Step], passes: Callable[[Event], bool]) -> AsyncIterator[Step]:
    async for step in steps:
        yield Step(tuple(each for each in step.results if passes(each.event)), step.position_ns)
