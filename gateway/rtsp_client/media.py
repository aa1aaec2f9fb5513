"""The media of one session: from the receive buffers, through the assemblers, to the sink."""

from collections.abc import Callable
from typing import Final

from gateway.domain.media import AccessUnit, MediaKind, TrackDescription
from gateway.protocols.rtp import rtcp
from gateway.protocols.rtp.assembler import Assembler
from gateway.protocols.rtp.timeline import CameraClock, Timeline
from gateway.rtsp_client.description import Description
from gateway.sdk.driver import MediaSink

FLUSH_NS: Final = 5_000_000
"""How long a frame may wait for its end when its camera does not mark it."""

_CNAME: Final = "gateway"
_FRAME_HEADER: Final = 4


class TrackInput:
    """One track: its RTP and RTCP."""

    def __init__(
        self,
        index: int,
        track: TrackDescription,
        buffer: bytearray,
        clock: CameraClock,
        deliver: Callable[[AccessUnit], None],
    ) -> None:
        self.timeline = Timeline(track.clock_rate, clock)
        self.assembler = Assembler(index, track, buffer, self.timeline, deliver)
        self.timed = track.kind is MediaKind.VIDEO
        self.ended = False
        """Whether the camera has said BYE."""
        self._view = memoryview(buffer)

    def rtcp_frame(self, position: int, end: int, now_ns: int) -> int:
        """Take an RTCP packet that lies in the buffer as an interleaved frame (`FrameReceiver`)."""
        begin = position + _FRAME_HEADER
        stop = begin + (self._view[position + 2] << 8 | self._view[position + 3])
        if stop > end:
            return position
        self.rtcp(self._view[begin:stop], now_ns)
        return stop

    def rtcp(self, data: bytes | memoryview, now_ns: int) -> None:
        """Take an RTCP packet."""
        for packet in rtcp.parse(data):
            if isinstance(packet, rtcp.SenderReport):
                self.timeline.sender_report(packet.ntp, packet.rtp_time, now_ns)
                self.assembler.reception.sender_report(packet.ntp, now_ns)
            elif isinstance(packet, rtcp.Bye):
                self.ended = True

    def receiver_report(self, ssrc: int, now_ns: int) -> bytes:
        """Return what we tell the camera of this track."""
        self.assembler.count()
        report = self.assembler.reception.report(now_ns)
        blocks = (report,) if report else ()
        return rtcp.serialize([rtcp.ReceiverReport(ssrc, blocks), rtcp.SourceDescription(ssrc, _CNAME)])


class SessionMedia:
    """All tracks of one session. Nothing reaches the sink before it can be told what it is."""

    def __init__(self, description: Description, sink: MediaSink) -> None:
        self.inputs: list[TrackInput] = []
        self._description = description
        self._sink = sink
        self._clock = CameraClock()
        self._described = False
        tracks = description.current.tracks
        kinds = [track.kind for track in tracks]
        self._main = kinds.index(MediaKind.VIDEO) if MediaKind.VIDEO in kinds else 0

    def add(self, buffer: bytearray) -> TrackInput:
        """Make the input of the next track, whose packets arrive in `buffer`."""
        index = len(self.inputs)
        made = TrackInput(index, self._description.current.tracks[index], buffer, self._clock, self._deliver)
        self.inputs.append(made)
        return made

    def describe(self) -> None:
        """Describe the stream as far as it is known."""
        self._described = True
        self._sink.describe(self._description.current)

    @property
    def described(self) -> bool:
        """Whether the sink knows what it gets."""
        return self._described

    @property
    def ended(self) -> bool:
        """Whether the camera has ended the main track."""
        return self.inputs[self._main].ended

    @property
    def newest_ns(self) -> int:
        """When the newest unit of the main track arrived; 0 before the first."""
        return self.inputs[self._main].assembler.newest_ns

    def all_marked(self) -> bool:
        """Tell whether all ends of frames are marked, so that the timer will never be needed."""
        return all(track.assembler.marks for track in self.inputs if track.timed)

    def needs_timer(self) -> bool:
        """Tell whether `flush` must be called after `FLUSH_NS`."""
        for track in self.inputs:  # noqa: SIM110 - after every read, where a generator costs more
            if track.timed and track.assembler.needs_timer:
                return True
        return False

    def flush(self, now_ns: int) -> None:
        """Hand on the frames whose end is not marked and that have waited long enough."""
        for track in self.inputs:
            if track.timed and track.assembler.needs_timer and now_ns - track.assembler.waiting_since_ns >= FLUSH_NS:
                track.assembler.flush()

    def _deliver(self, unit: AccessUnit) -> None:
        """Take a unit: every one until the stream is described, then the key frames, which may change what it is."""
        changed = unit.track == self._main and unit.keyframe and self._description.learn(unit)
        if (changed and self._described) or (not self._described and self._description.complete):
            self.describe()
        if self._described:
            self._sink.deliver(unit)
            self.inputs[unit.track].assembler.deliver = self._sink.deliver
