"""One recording: reads the live stream of its job, decides which GOPs are wanted, and has them written."""

import logging
from collections.abc import Callable, Hashable, Sequence
from datetime import tzinfo

from gateway.domain.media import AccessUnit, MediaKind, StreamDescription
from gateway.domain.recording import Assignment, JobState, Trigger
from gateway.services.recorder_backlog import Backlog, Mark
from gateway.services.recorder_gate import Gate
from gateway.services.recorder_gops import Gop, GopCollector
from gateway.services.recorder_ports import RecorderPorts
from gateway.services.recorder_writer import FormatError, NoStorageError, RecordingWriter, recorded_tracks
from gateway.services.schedule import Schedule
from gateway.services.streams import LiveStream

IDLE_SECONDS, LONGEST_IDLE_SECONDS = 5, 60
"""A file is closed when no picture has come for so long, or for three times the usual time between them."""
RETRY_SECONDS = 1.0
"""Until storages are tried again when none can be written to."""

_NS = 1_000_000_000
_log = logging.getLogger(__name__)


class RecordingTask:
    """A recording with its job; lives while it has one, and until the last GOP of it is written."""

    def __init__(self, recording: str, ports: RecorderPorts, zone: tzinfo, changed: Callable[[], None]) -> None:
        self.recording = recording
        self.assignment: Assignment | None = None
        self.writer = RecordingWriter(recording, ports)
        self.backlog = Backlog()
        self.collector = GopCollector()
        self.left_out = 0
        """GOPs that could not be stored."""
        self._ports = ports
        self._zone = zone
        self._changed = changed
        self._job: Assignment | None = None
        """The last assignment there was."""
        self._gate = Gate(Trigger(), None)
        self._stream: LiveStream | None = None
        self._description = StreamDescription(())
        self._stored: frozenset[int] = frozenset()
        """Tracks of the stream that can be stored, the first of each kind."""
        self._source_fault = ""
        self._write_fault = ""
        self._passing = False
        """Whether the last GOP was wanted."""
        self._passed_ns = 0
        """End of the last GOP that was."""
        self._frames = 0
        self._silence = 0
        """Seconds without a picture."""
        self._dropped = 0
        """GOPs that the backlog had given up when it was last looked at."""
        self._losing = False
        """Whether GOPs were given up since the backlog was last empty."""

    # What it does

    @property
    def state(self) -> tuple[JobState, str]:
        """Return what the job really does, with the error in a sentence."""
        if error := self._write_fault or self._source_fault or self._format_fault:
            return JobState.ERROR, error
        if not self.writer.open:
            return JobState.IDLE, ""
        partial = any(index not in self._stored for index in self._wanted)
        return (JobState.PARTIALLY_ACTIVE if partial else JobState.ACTIVE), ""

    def track_state(self, token: str) -> tuple[JobState, str]:
        """Return what happens to one of the job's tracks: Idle when the stream has no such medium."""
        state, error = self.state
        index = next((index for index, name in self._wanted.items() if name == token), None)
        if state in {JobState.ERROR, JobState.IDLE} or index is None:
            return (state, error) if state is JobState.ERROR else (JobState.IDLE, "")
        if index not in self._stored:
            return JobState.ERROR, f"{self._description.tracks[index].encoding} can't be recorded"
        return JobState.ACTIVE, ""

    @property
    def _wanted(self) -> dict[int, str]:
        return {} if self._job is None else recorded_tracks(self._description, self._job)

    @property
    def _format_fault(self) -> str:
        if not self._description.tracks or any(index in self._stored for index in self._wanted):
            return ""
        encodings = ", ".join(track.encoding for track in self._description.tracks)
        path = self._job.path if self._job else ""
        return f"{path} has nothing for this job that can be recorded: {encodings}"

    # What it is told

    def assign(self, assignment: Assignment | None) -> None:
        """Take the job to do from now on; the same source goes on without a gap."""
        before, self.assignment = self.assignment, assignment
        if assignment is None:
            self._detach()
            self.backlog.put(Mark.CLOSE)
            return
        if before is not None and before.path != assignment.path:
            self._detach()
        if before is None or before.trigger != assignment.trigger:
            schedule = assignment.trigger.schedule
            self._gate = Gate(assignment.trigger, Schedule(schedule, self._zone) if schedule else None)
        self._job = assignment
        self._look()

    def told(self, state: Hashable, utc_ns: int, *, true: bool) -> None:
        """Take that a state which the job waits for became true or false."""
        self._put(self._gate.told(state, utc_ns, true=true))

    def tick(self) -> None:
        """Do what time asks for; called every second."""
        self._look()
        if self._frames != self.collector.frames:
            self._frames, self._silence = self.collector.frames, 0
            self._set_source_fault("")
            return
        self._silence += 1
        usual = self.collector.longest_ns // _NS
        if self._stream is not None and self._silence == max(IDLE_SECONDS, min(3 * usual, LONGEST_IDLE_SECONDS)):
            self._pass(self.collector.flush())
            self._close()
            self._set_source_fault(f"nothing comes from {self._stream.path}")

    def _look(self) -> None:
        """Attach to the stream of the job, which may have come or gone."""
        if self.assignment is None:
            return
        stream = self._ports.streams(self.assignment.path)
        if stream is None:
            self._set_source_fault(f"there is no stream {self.assignment.path}")
        if stream is self._stream:
            return
        self._detach()
        if stream is None:
            self._close()
            return
        self._stream = stream
        self._set_source_fault("")
        if stream.description is not None:
            self.described(stream.description)
        if stream.gop and stream.gop[0].utc_ns >= self._recorded_ns():
            for unit in stream.gop:
                self.deliver(unit)
        stream.attach(self)

    def _recorded_ns(self) -> int:
        """Return up to when this recording has data, so that a job which comes back records nothing twice."""
        extent = self._ports.archive.extent(self.recording)
        return max(self._passed_ns, 0 if extent is None else extent.span.end_ns)

    def _detach(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.detach(self)
        self._pass(self.collector.interrupted())

    # StreamReader

    def described(self, description: StreamDescription) -> None:
        """Take what the stream is from now on."""
        stored: dict[MediaKind, int] = {}
        for index in self._ports.muxer(description, {}, 0).tracks:
            stored.setdefault(description.tracks[index].kind, index)
        self._description, self._stored = description, frozenset(stored.values())
        self._pass(self.collector.described(description, self._stored))
        self._changed()

    def deliver(self, unit: AccessUnit) -> None:
        """Take a unit of the stream."""
        gop = self.collector.deliver(unit)
        if gop is not None:
            self._pass(gop)

    # From the source to the disk

    def _pass(self, gop: Gop | None) -> None:
        """Hand on what is wanted now that a GOP is complete."""
        if gop is None:
            return
        wanted = self._gate.take(gop)
        if wanted is None:
            self._close()
        else:
            self._put(wanted)

    def _put(self, gops: Sequence[Gop]) -> None:
        for gop in gops:
            self._passing = True
            self._passed_ns = gop.end_ns
            self.backlog.put(gop)
        if self.backlog.dropped != self._dropped and not self._losing:
            self._losing = True
            _log.warning("recording %s: GOPs come faster than they are written, the oldest are dropped", self.recording)
        self._dropped = self.backlog.dropped

    def _close(self) -> None:
        if self._passing:
            self._passing = False
            self.backlog.put(Mark.CLOSE)

    async def run(self) -> None:
        """Write what is wanted until there is no job and nothing left to write."""
        while self.assignment is not None or len(self.backlog):
            item = await self.backlog.take()
            try:
                if isinstance(item, Gop):
                    await self._write(item)
                else:
                    await self.writer.close()
            except Exception:  # noqa: BLE001 - one bad GOP must not end the recording
                _log.exception("recording %s: a GOP could not be written", self.recording)
                await self.writer.abandon()
                self._set_write_fault("a GOP could not be written, the log says why")
            self._changed()

    async def _write(self, gop: Gop) -> None:
        if self._job is None:
            return
        try:
            written = await self.writer.write(gop, self._job)
        except FormatError as error:
            self.left_out += 1
            self._set_write_fault(f"a GOP could not be stored: {error}")
        except NoStorageError as error:
            self._set_write_fault(str(error))
            self._changed()
            await self._wait_with(gop)
        else:
            self.left_out += not written
            self.backlog.starving = False
            self._set_write_fault("")
            if self._losing and not len(self.backlog):
                self._losing = False
                _log.warning("recording %s: %d GOPs were dropped so far", self.recording, self.backlog.dropped)

    async def _wait_with(self, gop: Gop) -> None:
        """Keep a GOP, and the newest after it, until storages may be tried again."""
        if self.assignment is None:
            self.backlog.dropped += 1
            return
        self.backlog.starving = True
        self.backlog.put_back(gop)
        await self._ports.clock.sleep(RETRY_SECONDS)

    def _set_source_fault(self, sentence: str) -> None:
        if sentence != self._source_fault:
            self._source_fault = sentence
            self._changed()

    def _set_write_fault(self, sentence: str) -> None:
        if sentence != self._write_fault:
            self._write_fault = sentence
            if sentence:
                _log.error("recording %s: %s", self.recording, sentence)
            else:
                _log.info("recording %s is written again", self.recording)
