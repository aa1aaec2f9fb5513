"""The recorder: follows what is to be recorded, one supervised task per recording."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo

from gateway.domain.event import Event, PropertyOperation
from gateway.domain.recording import Assignment, JobState
from gateway.services.recorder_ports import Assignments, Events, RecorderPorts
from gateway.services.recorder_task import RecordingTask

TICK_SECONDS = 1.0
STOP_SECONDS = 5.0
"""In which all files are closed when the recorder stops."""
_CLOSE_NS = 30_000_000_000
"""An event whose time is farther than this from ours is taken to be of now."""
_FALSE = {"false", "0", "inactive"}
_TRUE = {"true", "1", "active"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecordingCounters:
    """What one recording has done since its job began."""

    bytes: int
    """Written."""
    fragments: int
    dropped: int
    """GOPs given up because the disk was slow or no storage could be written to."""
    left_out: int
    """GOPs that could not be stored."""
    skipped: int
    """Units without a key frame before them."""


class Recorder:
    """Records what `assignments` say, for as long as `run` runs. All calls are made on the event loop."""

    def __init__(
        self,
        ports: RecorderPorts,
        assignments: Assignments,
        events: Events,
        zone: tzinfo,
        concerns: Callable[[Event, str], bool] = lambda _event, _path: True,
    ) -> None:
        """`zone` is that of the schedules; `concerns` tells whether an event is about the source of a stream's path."""
        self._ports = ports
        self._assignments = assignments
        self._events = events
        self._zone = zone
        self._concerns = concerns
        self._recordings: dict[str, RecordingTask] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, tuple[JobState, str]] = {}
        self._watchers: list[Callable[[str], None]] = []
        self._running = False

    def watch(self, watcher: Callable[[str], None]) -> None:
        """Have a function called with a recording's token once for every change of its state."""
        self._watchers.append(watcher)

    def state(self, recording: str) -> tuple[JobState, str]:
        """Return what the job of a recording really does, with the error in a sentence."""
        task = self._recordings.get(recording)
        return (JobState.IDLE, "") if task is None else task.state

    def track_state(self, recording: str, track: str) -> tuple[JobState, str]:
        """Return the same of one track of a recording, by its token."""
        task = self._recordings.get(recording)
        return (JobState.IDLE, "") if task is None else task.track_state(track)

    def counters(self) -> dict[str, RecordingCounters]:
        """Return the counters of every recording that has a job."""
        return {
            token: RecordingCounters(
                task.writer.bytes, task.writer.fragments, task.backlog.dropped, task.left_out, task.collector.skipped
            )
            for token, task in self._recordings.items()
        }

    async def stopped(self, recording: str) -> None:
        """Wait until the last picture is written of a recording that has no job any more."""
        while (task := self._tasks.get(recording)) is not None:
            await asyncio.wait([task])

    async def run(self) -> None:
        """Record until cancelled; then the open GOPs are written and the files closed, within `STOP_SECONDS`."""
        self._running = True
        self._assignments.subscribe(self._follow)
        self._events.attach(self)
        try:
            self._follow()
            while True:
                await self._ports.clock.sleep(TICK_SECONDS)
                for task in tuple(self._recordings.values()):
                    self._tick(task)
        finally:
            self._running = False
            self._events.detach(self)
            await self._stop()

    def deliver(self, event: Event) -> None:
        """Take an event of the bus (`EventReader`)."""
        for task in tuple(self._recordings.values()):
            if task.assignment is not None and self._waits_for(task.assignment, event):
                self._tell(task, event)

    def _tick(self, task: RecordingTask) -> None:
        try:
            task.tick()
        except Exception:  # noqa: BLE001 - the supervisor of all recordings
            _log.exception("recording %s failed; the others go on", task.recording)

    def _follow(self) -> None:
        """Take the assignments as they are now."""
        if not self._running:
            return
        wanted = {assignment.recording: assignment for assignment in self._assignments.assignments()}
        for token, task in tuple(self._recordings.items()):
            if token not in wanted and task.assignment is not None:
                task.assign(None)
        for token, assignment in wanted.items():
            task = self._recordings.get(token) or self._make(token)
            before = task.assignment
            if before == assignment:
                continue
            task.assign(assignment)
            if before is None or before.trigger != assignment.trigger or before.path != assignment.path:
                for event in self._events.properties() if assignment.trigger.topics else ():
                    if self._waits_for(assignment, event):
                        self._tell(task, event)
            if token not in self._tasks:
                self._start(task)

    def _make(self, token: str) -> RecordingTask:
        made = RecordingTask(token, self._ports, self._zone, lambda: self._look_at(token))
        self._recordings[token] = made
        return made

    def _start(self, task: RecordingTask) -> None:
        running = asyncio.create_task(task.run(), name=f"recording {task.recording}")
        self._tasks[task.recording] = running
        running.add_done_callback(lambda _: self._ended(task))

    def _ended(self, task: RecordingTask) -> None:
        """Forget a recording whose job is gone; one that has got another meanwhile goes on."""
        ended = self._tasks.pop(task.recording)
        if not ended.cancelled() and (error := ended.exception()) is not None:
            _log.error("%s failed: %r", ended.get_name(), error)
        if task.assignment is not None and self._running:
            self._start(task)
            return
        del self._recordings[task.recording]
        self._look_at(task.recording)

    def _look_at(self, recording: str) -> None:
        """Tell the watchers when a state has changed."""
        state = self.state(recording)
        if state != self._told.get(recording, (JobState.IDLE, "")):
            self._told[recording] = state
            for watcher in self._watchers:
                watcher(recording)
        if recording not in self._recordings:
            self._told.pop(recording, None)

    def _waits_for(self, assignment: Assignment, event: Event) -> bool:
        return any(
            event.topic == topic or event.topic.startswith(f"{topic}/") for topic in assignment.trigger.topics
        ) and self._concerns(event, assignment.path)

    def _tell(self, task: RecordingTask, event: Event) -> None:
        """Tell a recording of a state, or of a moment: an event without a state lasts for none."""
        now = self._ports.clock.utc_ns()
        utc_ns = event.utc_ns if abs(event.utc_ns - now) <= _CLOSE_NS else now
        value = event.data[0][1].lower() if event.data else ""
        if event.operation is None:
            if value not in _FALSE:
                task.told(event.property_key, utc_ns, true=True)
                task.told(event.property_key, utc_ns, true=False)
            return
        gone = event.operation is PropertyOperation.DELETED
        task.told(event.property_key, utc_ns, true=value in _TRUE and not gone)

    async def _stop(self) -> None:
        """Close all files; what hangs is given up."""
        for task in tuple(self._recordings.values()):
            if task.assignment is not None:
                task.assign(None)
        running = set(self._tasks.values())
        if not running:
            return
        _, hanging = await asyncio.wait(running, timeout=STOP_SECONDS)
        for late in hanging:
            _log.error("%s could not be closed within %g s", late.get_name(), STOP_SECONDS)
            late.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
