"""One reader per live stream, however many viewers: it frames each unit once and hands it to the senders."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from gateway.domain.media import AccessUnit, MediaKind, StreamDescription, TrackDescription
from gateway.protocols import websocket
from gateway.protocols.rtp import ntp, rtcp
from gateway.protocols.rtsp.parser import InterleavedFrame, serialize_frame
from gateway.protocols.rtsp.transport import PortPair
from gateway.sdk.clock import Clock
from gateway.servers.rtsp_sender_tcp import Lane, TcpSender
from gateway.servers.rtsp_sender_udp import UdpFanout, UdpViewer
from gateway.services.streams import LiveStream

REPORT_SECONDS: Final = 5.0
"""Time between the sender reports of a track."""
EARLY_REPORT_SECONDS: Final = 1.0
"""At a key frame, where late viewers resume, a report is sent when the last one is older than this."""

_SSRC: Final = slice(12, 16)
"""Where the first packet of a block has its SSRC, behind the interleaved header."""
_HEADERS: Final = 16
"""Bytes before each payload: interleaved and RTP header."""


@dataclass(frozen=True, slots=True)
class Framing:
    """How a viewer wants its packets: RTP and RTCP channel by track (None: not wanted), in WebSocket frames or not."""

    channels: tuple[PortPair | None, ...]
    websocket: bool = False

    def frame(self, unit: AccessUnit, report: bytes) -> bytes | None:
        """Return a unit as it is sent, behind its sender report if there is one; None for an unwanted track."""
        pair = self.channels[unit.track]
        if pair is None:
            return None
        data = unit.packets.data
        if pair[0] != 2 * unit.track:
            patched = bytearray(data)
            for offset in unit.packets.offsets:
                patched[offset + 1] = pair[0]
            data = bytes(patched)
        if report:
            data = serialize_frame(InterleavedFrame(pair[1], report)) + data
        return websocket.binary((data,)) if self.websocket else data

    def frame_rtcp(self, track: int, packet: bytes) -> bytes | None:
        """Return an RTCP packet about a track as it is sent."""
        pair = self.channels[track]
        if pair is None:
            return None
        data = serialize_frame(InterleavedFrame(pair[1], packet))
        return websocket.binary((data,)) if self.websocket else data


@dataclass(frozen=True, slots=True)
class Start:
    """What a viewer will get first: the GOP in memory, or nothing until the next key frame."""

    units: tuple[AccessUnit, ...]
    waiting: bool

    def first(self, track: int) -> AccessUnit | None:
        """Return the first unit of a track."""
        return next((unit for unit in self.units if unit.track == track), None)


@dataclass(slots=True)
class _TrackState:
    ssrc: bytes = b""
    packets: int = 0
    octets: int = 0
    reported: float = float("-inf")

    def report(self, unit: AccessUnit) -> bytes:
        """Return a sender report that ties the unit's timestamp to its capture time (RFC 3550 §6.4.1)."""
        ssrc = int.from_bytes(unit.packets.data[_SSRC], "big")
        time = ntp.from_utc_ns(unit.utc_ns)
        report = rtcp.SenderReport(ssrc, time, unit.rtp_time & 0xFFFFFFFF, self.packets, self.octets)
        return rtcp.serialize((report, rtcp.SourceDescription(ssrc, "gateway")))


class StreamHub:
    """The RTSP server's reader of one live stream."""

    def __init__(
        self, stream: LiveStream, description: StreamDescription, clock: Clock, changed: Callable[["StreamHub"], None]
    ) -> None:
        self.stream = stream
        self.description = description
        self.sessions: set[str] = set()
        """Ids of the sessions that need it."""
        self._clock = clock
        self._changed = changed
        self._lanes: dict[Framing, Lane] = {}
        self._udp = UdpFanout()
        self._begin(description)
        stream.attach(self)

    def close(self) -> None:
        """Stop reading the stream."""
        self.stream.detach(self)

    def described(self, description: StreamDescription) -> None:
        """Carry on when the tracks are what the viewers were told; else have their sessions ended."""
        if not is_same(self.description, description):
            self._changed(self)
            return
        self.description = description

    def deliver(self, unit: AccessUnit) -> None:
        """Send one unit to all viewers."""
        block = unit.packets
        if block.data[_SSRC] != self._states[unit.track].ssrc:
            self._new_source(unit.track, block.data[_SSRC])
        state = self._states[unit.track]
        state.packets += len(block.offsets)
        state.octets += len(block.data) - _HEADERS * len(block.offsets)
        if not (self._lanes or self._udp):
            return
        now = self._clock.monotonic()
        key = unit.keyframe and unit.track == self._video
        report = b""
        if now - state.reported >= (EARLY_REPORT_SECONDS if key else REPORT_SECONDS):
            state.reported = now
            report = state.report(unit)
        for framing, lane in self._lanes.items():
            data = framing.frame(unit, report)
            if data is not None:
                lane.deliver(data, now, start=key or not self._waits_for_video(framing))
        if self._udp:
            if report:
                self._udp.report(unit.track, report)
            self._udp.deliver(unit, start=key)

    def start(self, tracks: Mapping[int, object], after_ns: int = 0) -> Start:
        """Return what a viewer of some tracks would get first, captured later than `after_ns`.

        Viewers without video begin with whatever comes next.
        """
        if self._video not in tracks:
            return Start((), waiting=False)
        gop = self.stream.gop
        if not gop or gop[0].utc_ns <= after_ns:
            return Start((), waiting=True)
        return Start(tuple(unit for unit in gop if unit.track in tracks), waiting=False)

    def newest_ns(self) -> int:
        """Return the capture time of the newest unit in memory, 0 when there is none."""
        return max((unit.utc_ns for unit in self.stream.gop), default=0)

    def add_tcp(self, sender: TcpSender, framing: Framing, start: Start) -> None:
        """Begin to send to a TCP viewer."""
        lane = self._lanes.setdefault(framing, Lane())
        self._report_soon(start)
        units = []
        for unit in start.units:
            report = self._states[unit.track].report(unit) if unit is start.first(unit.track) else b""
            data = framing.frame(unit, report)
            if data is not None:
                units.append(data)
        lane.add(sender, units, waiting=start.waiting)

    def remove_tcp(self, sender: TcpSender, framing: Framing) -> None:
        """Stop sending to a TCP viewer."""
        lane = self._lanes.get(framing)
        if lane is not None:
            lane.remove(sender)
            if not lane:
                del self._lanes[framing]

    def add_udp(self, viewer: UdpViewer, start: Start) -> None:
        """Begin to send to a UDP viewer or a multicast group."""
        self._report_soon(start)
        viewer.waiting = start.waiting
        viewer.needs_key = self._video in viewer.rtp
        viewer.backlog.extend(start.units)
        for track, address in viewer.rtcp.items():
            first = start.first(track)
            if first is not None:
                viewer.ports.send_rtcp(self._states[track].report(first), address)
        self._udp.add(viewer)

    def remove_udp(self, viewer: UdpViewer) -> None:
        """Stop sending to a UDP viewer."""
        self._udp.remove(viewer)

    def bye(self, track: int) -> bytes:
        """Return the RTCP compound that ends a track (RFC 3550 §6.6); empty when nothing was sent yet."""
        if not self._states[track].ssrc:
            return b""
        ssrc = int.from_bytes(self._states[track].ssrc, "big")
        return rtcp.serialize((rtcp.ReceiverReport(ssrc), rtcp.SourceDescription(ssrc, "gateway"), rtcp.Bye((ssrc,))))

    def _begin(self, description: StreamDescription) -> None:
        video = description.first(MediaKind.VIDEO)
        self._video = -1 if video is None else description.tracks.index(video)
        self._states = [_TrackState() for _ in description.tracks]

    def _report_soon(self, start: Start) -> None:
        """Have the next unit of every track carry a report, unless the viewer gets one with its first units."""
        for track, state in enumerate(self._states):
            if start.first(track) is None:
                state.reported = float("-inf")

    def _waits_for_video(self, framing: Framing) -> bool:
        return self._video >= 0 and framing.channels[self._video] is not None

    def _new_source(self, track: int, ssrc: bytes) -> None:
        """Learn a track's SSRC; a changed one means that packets no longer continue those before."""
        if self._states[track].ssrc:
            for lane in self._lanes.values():
                lane.resynchronise()
            self._udp.resynchronise()
            self._begin(self.description)
        self._states[track].ssrc = ssrc


def is_same(told: StreamDescription, new: StreamDescription) -> bool:
    """Tell whether viewers who were told one description can go on with the other.

    The parameter sets of video travel in band, so that its fmtp may change.
    """
    return len(told.tracks) == len(new.tracks) and all(map(_is_same_track, told.tracks, new.tracks))


def _is_same_track(told: TrackDescription, new: TrackDescription) -> bool:
    ignored = replace(new, video=told.video, audio=told.audio)
    return told == (replace(ignored, fmtp=told.fmtp) if told.kind is MediaKind.VIDEO else ignored)
