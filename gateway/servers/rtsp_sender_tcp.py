"""TCP viewers: one send per viewer and access unit, and a bounded backlog for those that are late."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.servers.rtsp_wire import Data, Send, Wire

MAX_AGE: Final = 5.0
"""Seconds that a unit may wait for a late viewer; then it is skipped with all behind it up to a key frame."""
MAX_BYTES: Final = 16 * 1024 * 1024
MAX_GOPS: Final = 2
MAX_REPLIES: Final = 256 * 1024
"""Bytes of replies that a client may leave unread."""
STALL: Final = 10.0
"""Seconds without a single byte taken, after which a viewer is given up."""


@dataclass(slots=True)
class Tally:
    """What happened to slow viewers since the server began."""

    skipped_units: int = 0
    stalled_viewers: int = 0


class TcpSender:
    """Everything that goes out on one connection: whole units, with replies between them."""

    __slots__ = (
        "_keys",
        "_late",
        "_loop",
        "_lost",
        "_now",
        "_patient",
        "_queue",
        "_queued",
        "_replies",
        "_rest",
        "_tally",
        "_wire",
        "_writing",
        "dead",
        "lane",
        "moved",
        "send",
        "waiting",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        wire: Wire,
        now: Callable[[], float],
        lost: Callable[[str], None],
        tally: Tally,
    ) -> None:
        self.send = wire.send
        self.lane: Lane | None = None
        self.waiting = False
        """Skips units until the next key frame."""
        self.dead = False
        self.moved = 0.0
        """When the peer last took something; only kept while it is late."""
        self._patient = False
        self._loop, self._wire, self._now, self._lost, self._tally = loop, wire, now, lost, tally
        self._rest: Data = b""
        """What is left of the unit or reply that was cut short: it must go first, or the framing breaks."""
        self._replies: deque[bytes] = deque()
        self._queue: deque[tuple[Data, float, bool]] = deque()
        """Whole units with the time they came and whether they begin a GOP."""
        self._queued = 0
        self._keys = 0
        self._late = False
        """Waits because it was too slow, not because it has just come."""
        self._writing = False

    def reply(self, data: bytes) -> None:
        """Send an RTSP response or RTCP packet, before any unit that waits."""
        if self.dead:
            return
        self._replies.append(data)
        if sum(map(len, self._replies)) > MAX_REPLIES:
            self.fail("does not read its replies")
        elif not self._writing:
            self._push()

    def begin(self, units: Sequence[bytes], *, waiting: bool) -> None:
        """Queue the GOP that a new viewer starts with; `waiting` leaves out what follows up to a key frame."""
        now = self._now()
        self.waiting = waiting
        for index, data in enumerate(units):
            self._enqueue(data, now, start=index == 0)
        self._push()

    def offer(self, data: bytes, now: float, *, start: bool) -> None:
        """Take one more unit for a viewer that is late or waits; `start` tells that a viewer may begin with it."""
        if self.waiting:
            if not start:
                self._tally.skipped_units += self._late
                return
            self.waiting = self._late = False
        elif self._queue and self._is_late(len(data), now, start=start):
            self._tally.skipped_units += len(self._queue)
            self.clear()
            if not start:
                self.waiting = self._late = True
                self._tally.skipped_units += 1
                return
        self._enqueue(data, now, start=start)
        if not self._writing:
            self._push()

    def be_patient(self, *, patient: bool) -> None:
        """Let the peer take nothing for as long as it likes, if it replays a recording: nobody waits for it."""
        self._patient = patient
        self._wire.be_patient(patient=patient)

    def hold(self, rest: Data) -> None:
        """Keep what is left of a unit that was cut short."""
        self._rest = rest
        self._watch()

    def clear(self) -> None:
        """Forget the units that wait; one that is partly sent will be finished."""
        self._queue.clear()
        self._queued = self._keys = 0

    def fail(self, reason: str) -> None:
        """Give the connection up; its owner is told from the event loop, never from within a delivery."""
        if not self.dead:
            self.dead = True
            self._loop.call_soon(self._lost, reason)

    def check(self, now: float) -> None:
        """Give up on a peer that has taken nothing for too long."""
        if self._writing and not self._patient and now - self.moved > STALL:
            self._tally.stalled_viewers += 1
            self.fail(f"has taken no data for {STALL:.0f} s")

    def stop(self) -> None:
        """Stop watching the socket, which is about to be closed."""
        self.dead = True
        if self._writing:
            self._loop.remove_writer(self._wire.fileno())
            self._writing = False

    @property
    def idle(self) -> bool:
        """Whether everything has been sent."""
        return not (self._rest or self._replies or self._queue)

    def _is_late(self, size: int, now: float, *, start: bool) -> bool:
        return (
            now - self._queue[0][1] > MAX_AGE or self._queued + size > MAX_BYTES or (start and self._keys >= MAX_GOPS)
        )

    def _enqueue(self, data: bytes, now: float, *, start: bool) -> None:
        self._queue.append((data, now, start))
        self._queued += len(data)
        self._keys += start

    def _push(self) -> None:
        """Send what goes now, and the rest when the socket is writable."""
        if not self._pump():
            self._watch()
        elif self.lane is not None:
            self.lane.caught_up(self)

    def _watch(self) -> None:
        if self.dead or self._writing:
            return
        self._writing = True
        self.moved = self._now()
        self._loop.add_writer(self._wire.fileno(), self._on_writable)
        if self.lane is not None:
            self.lane.fell_behind(self)

    def _on_writable(self) -> None:
        if self._pump() and self._writing:
            self._writing = False
            self._loop.remove_writer(self._wire.fileno())
            if self.lane is not None:
                self.lane.caught_up(self)

    def _pump(self) -> bool:
        """Send in order: the cut unit's rest, replies, units. Tell whether all of it went."""
        try:
            while not self.dead:
                if self._rest:
                    sent = self.send(self._rest)
                    self.moved = self._now()
                    self._rest = memoryview(self._rest)[sent:] if sent < len(self._rest) else b""
                elif self._replies:
                    self._rest = self._replies.popleft()
                elif self._queue:
                    self._rest, _, start = self._queue.popleft()
                    self._queued -= len(self._rest)
                    self._keys -= start
                else:
                    return True
        except BlockingIOError:
            pass
        except OSError as error:
            self.fail(f"is lost: {error.strerror or error}")
        return False


class Lane:
    """The viewers of a stream whose packets are framed alike, so that one buffer serves them all."""

    __slots__ = ("_active", "_needs_key", "_now", "_sends", "behind")

    def __init__(self, now: Callable[[], float], *, needs_key: bool) -> None:
        """`needs_key`: its viewers have video, so that they can begin only with a key frame."""
        self._now = now
        self._needs_key = needs_key
        self._active: list[TcpSender] = []
        """They get every unit by one direct send."""
        self._sends: list[Send] = []
        """What their wires send with, in the same order."""
        self.behind: list[TcpSender] = []
        """They have a backlog or wait for a key frame."""

    def __bool__(self) -> bool:
        return bool(self._active or self.behind)

    def add(self, sender: TcpSender, units: Sequence[bytes], *, waiting: bool) -> None:
        """Add a viewer that starts with these units."""
        sender.lane = self
        self.behind.append(sender)
        sender.begin(units, waiting=waiting)

    def remove(self, sender: TcpSender) -> None:
        """Remove a viewer; what it has not begun to receive is dropped."""
        sender.lane = None
        sender.waiting = False
        sender.clear()
        self._deactivate(sender)
        if sender in self.behind:
            self.behind.remove(sender)

    def deliver(self, data: bytes, key: bool) -> None:  # noqa: FBT001 - for every frame; a keyword costs more
        """Send one unit to every viewer; `key` tells that it begins with a key frame of video.

        Never blocks, and no viewer's trouble reaches another.
        """
        size = len(data)
        cut = None
        behind = tuple(self.behind) if self.behind else None
        for number, send in enumerate(self._sends):
            try:
                sent = send(data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self._active[number].fail(f"is lost: {error.strerror or error}")
                continue
            if sent != size:
                cut = cut or []
                cut.append((self._active[number], sent))
        for sender, sent in cut or ():
            sender.hold(memoryview(data)[sent:])
        if behind:
            now = self._now()
            for sender in behind:
                sender.offer(data, now, start=key or not self._needs_key)

    def resynchronise(self) -> None:
        """Let every viewer wait for a key frame: the packets to come do not continue those before."""
        self.behind += self._active
        self._active, self._sends = [], []
        for sender in self.behind:
            sender.waiting = True

    def fell_behind(self, sender: TcpSender) -> None:
        """Take a viewer out of the direct sends."""
        if self._deactivate(sender):
            self.behind.append(sender)

    def caught_up(self, sender: TcpSender) -> None:
        """Put a viewer among the direct sends, unless it waits for a key frame."""
        if not sender.waiting and sender in self.behind:
            self.behind.remove(sender)
            self._active.append(sender)
            self._sends.append(sender.send)

    def _deactivate(self, sender: TcpSender) -> bool:
        if sender not in self._active:
            return False
        number = self._active.index(sender)
        del self._active[number], self._sends[number]
        return True
