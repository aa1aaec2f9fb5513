"""One reader per live stream, however many viewers: it frames each unit once and hands it to the senders."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.domain.media import AccessUnit, MediaKind, StreamDescription, TrackDescription
from gateway.protocols import websocket
from gateway.protocols.rtp import block, ntp, rtcp
from gateway.protocols.rtp.packetize import Part
from gateway.protocols.rtsp.parser import InterleavedFrame, serialize_frame
from gateway.protocols.rtsp.transport import PortPair
from gateway.sdk.clock import Clock
from gateway.servers.rtsp_continuation import Continuation
from gateway.servers.rtsp_gso import Datagrams
from gateway.servers.rtsp_refragment import Refragmenter
from gateway.servers.rtsp_sender_tcp import Lane, TcpSender
from gateway.servers.rtsp_sender_udp import UdpFanout, UdpViewer
from gateway.services.streams import LiveStream

REPORT_NS: Final = 5_000_000_000
"""Time between the sender reports of a track."""
EARLY_REPORT_NS: Final = 1_000_000_000
"""The same at key frames, where late viewers resume."""

Count = tuple[int, int, int, bool]
"""Of a frame: its track, its packets, their bytes without headers, and whether it is a key frame."""

_Route = tuple[Lane, "Framing", bool]
"""A lane as seen from one track: whether the packets need no other frame headers than the ones they have."""

_SSRC: Final = slice(12, 16)
"""Where the first packet of a block has its SSRC, behind the interleaved header."""
_HEADERS: Final = 16
"""Bytes before each payload: interleaved and RTP header."""


@dataclass(frozen=True, slots=True)
class Framing:
    """How a viewer wants its packets: RTP and RTCP channel by track (None: not wanted), in WebSocket frames or not."""

    channels: tuple[PortPair | None, ...]
    websocket: bool = False

    def frame(self, unit: AccessUnit, report: bytes) -> bytes:
        """Return a unit of a wanted track as it is sent, behind its sender report if there is one."""
        pair = self.channels[unit.track]
        assert pair is not None  # noqa: S101 - the caller asks only for wanted tracks
        packets = unit.packets if pair[0] == 2 * unit.track else block.on_channel(unit.packets, pair[0])
        data = packets.data
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
    packets: int = 0
    size: int = 0
    """Their bytes, with headers."""
    ssrc: int | None = None
    """As of the last report."""
    reported_ns: int = 0
    """Capture time of the unit that carried the last report."""
    due_ns: int = 0
    """When the next report is due; 0 asks for one with the next unit."""
    last: AccessUnit | None = None
    """As it was sent."""

    def report(self, unit: AccessUnit) -> bytes:
        """Return a sender report that ties the unit's timestamp to its capture time (RFC 3550 §6.4.1)."""
        self.ssrc = int.from_bytes(unit.packets.data[_SSRC], "big")
        time = ntp.from_utc_ns(unit.utc_ns)
        octets = self.size - _HEADERS * self.packets
        report = rtcp.SenderReport(self.ssrc, time, unit.rtp_time & 0xFFFFFFFF, self.packets, octets)
        return rtcp.serialize((report, rtcp.SourceDescription(self.ssrc, "gateway")))


class StreamHub:
    """The RTSP server's reader of one live stream."""

    __slots__ = (
        "_changed",
        "_clock",
        "_continued",
        "_has_udp",
        "_key_interval_ns",
        "_lanes",
        "_refragmenter",
        "_routes",
        "_states",
        "_udp",
        "_video",
        "description",
        "reporting",
        "stream",
        "users",
    )

    def __init__(
        self,
        stream: LiveStream,
        description: StreamDescription,
        clock: Clock,
        changed: Callable[["StreamHub", StreamDescription], None],
    ) -> None:
        self.stream = stream
        self.description = description
        self.reporting = True
        """Whether sender reports are sent: what is replayed out of its time has no use for them."""
        self.users: set[object] = set()
        """Who needs it; the last one to leave closes it."""
        self._clock = clock
        self._changed = changed
        self._lanes: dict[Framing, Lane] = {}
        self._udp = UdpFanout()
        self._has_udp = False
        self._refragmenter = Refragmenter(description.tracks)
        video = description.first(MediaKind.VIDEO)
        self._video = -1 if video is None else description.tracks.index(video)
        self._states = [_TrackState() for _ in description.tracks]
        self._continued: tuple[Continuation, ...] = ()
        """By track, once the source has begun anew."""
        self._key_interval_ns = EARLY_REPORT_NS
        """A key frame carries a report when the last one is older than this; 0 while somebody waits for one."""
        self._routes: list[tuple[_Route, ...]] = [() for _ in description.tracks]
        """By track, who gets it."""
        stream.attach(self)

    def close(self) -> None:
        """Stop reading the stream."""
        self.stream.detach(self)

    def described(self, description: StreamDescription) -> None:
        """Carry on from the next key frame if the tracks are what viewers were told; else have their sessions ended.

        A driver announces its tracks whenever it has connected: packets to come do not continue those before.
        """
        if not is_same(self.description, description):
            self._changed(self, description)
            return
        self.description = description
        self._continued = self._continued or tuple(Continuation(track.clock_rate) for track in description.tracks)
        for continuation, state in zip(self._continued, self._states, strict=True):
            continuation.after(state.last)
        for lane in self._lanes.values():
            lane.resynchronise()
        self._udp.resynchronise()
        self._key_interval_ns = 0

    def deliver(self, unit: AccessUnit) -> None:
        """Send one unit to all viewers. This runs for every frame of every camera: few steps, few objects."""
        track = unit.track
        if self._continued:
            unit = self._continued[track].next(unit)
        data = unit.packets.data
        state = self._states[track]
        state.last = unit
        state.packets += unit.packets.count
        state.size += len(data)
        key = unit.keyframe and track == self._video
        report = b""
        if key or not state.reported_ns <= unit.utc_ns < state.due_ns:
            report = self._report(state, unit, key=key)
        for lane, framing, as_is in self._routes[track]:
            lane.deliver(data if as_is and not report else framing.frame(unit, report), key)
        if self._has_udp:
            if report:
                self._udp.report(track, report)
            self._udp.deliver(track, self._refragmenter.datagrams(unit), start=key)

    def deliver_burst(self, units: Sequence[AccessUnit]) -> None:
        """Send units that are there all at once: without reports, by one send for each TCP viewer."""
        if self.reporting or self._has_udp or len(units) <= 1:
            for unit in units:
                self.deliver(unit)
            return
        for unit in units:
            self._states[unit.track].packets += unit.packets.count
            self._states[unit.track].size += len(unit.packets.data)
        for framing, lane in self._lanes.items():
            wanted = [unit for unit in units if framing.channels[unit.track] is not None]
            key = any(unit.keyframe and unit.track == self._video for unit in wanted)
            lane.deliver(b"".join([framing.frame(unit, b"") for unit in wanted]), key)

    def direct(self) -> Framing | None:
        """Return how packets must be framed to be sent as plain bytes; None when they must be access units.

        Bytes will do for viewers over TCP whose packets are framed alike, when no reports are sent.
        """
        if self.reporting or self._has_udp or len(self._lanes) != 1:
            return None
        [framing] = self._lanes
        return None if framing.websocket else framing

    def deliver_packets(self, parts: Sequence[Part], counts: Sequence[Count]) -> None:
        """Send the packets of several frames, framed as `direct` says, by one send for each viewer."""
        start = False
        for track, packets, octets, keyframe in counts:
            self._states[track].packets += packets
            self._states[track].size += octets + _HEADERS * packets
            start = start or (keyframe and track == self._video)
        for lane in self._lanes.values():
            lane.deliver(b"".join(parts), start)

    def start(self, tracks: Mapping[int, object], after_ns: int = 0, *, udp: bool = False) -> Start:
        """Return what a viewer of some tracks would get first, captured later than `after_ns`.

        Viewers without video begin with whatever comes next. The GOP in memory is of no use to a UDP viewer of a
        camera with large packets, since packets made anew are numbered as they are sent.
        """
        if self._video not in tracks:
            return Start((), waiting=False)
        gop = self.stream.gop
        if not gop or gop[0].utc_ns <= after_ns or (udp and self._refragmenter.needed(gop)):
            return Start((), waiting=True)
        units = (self._continued[unit.track].told(unit) if self._continued else unit for unit in gop)
        return Start(tuple(unit for unit in units if unit.track in tracks), waiting=False)

    def newest_ns(self) -> int:
        """Return the capture time of the newest unit in memory, 0 when there is none."""
        return max((unit.utc_ns for unit in self.stream.gop), default=0)

    def add_tcp(self, sender: TcpSender, framing: Framing, start: Start) -> None:
        """Begin to send to a TCP viewer."""
        lane = self._lanes.get(framing)
        if lane is None:
            has_video = self._video >= 0 and framing.channels[self._video] is not None
            lane = self._lanes[framing] = Lane(self._clock.monotonic, needs_key=has_video)
            self._lay_routes()
        self._report_soon(start)
        units = [
            framing.frame(unit, self._states[unit.track].report(unit) if unit is start.first(unit.track) else b"")
            for unit in start.units
        ]
        lane.add(sender, units, waiting=start.waiting)

    def remove_tcp(self, sender: TcpSender, framing: Framing) -> None:
        """Stop sending to a TCP viewer."""
        lane = self._lanes.get(framing)
        if lane is not None:
            lane.remove(sender)
            if not lane:
                del self._lanes[framing]
                self._lay_routes()

    def add_udp(self, viewer: UdpViewer, start: Start) -> None:
        """Begin to send to a UDP viewer or a multicast group."""
        self._report_soon(start)
        viewer.needs_key = self._video in viewer.rtp
        viewer.waiting = start.waiting and viewer.needs_key
        viewer.backlog.extend((unit.track, Datagrams(unit.packets)) for unit in start.units)
        for track, address in viewer.rtcp.items():
            first = start.first(track)
            if first is not None:
                viewer.ports.send_rtcp(self._states[track].report(first), address)
        self._udp.add(viewer)
        self._has_udp = True

    def remove_udp(self, viewer: UdpViewer) -> None:
        """Stop sending to a UDP viewer."""
        self._udp.remove(viewer)
        self._has_udp = bool(self._udp)

    def sends(self, track: int, ssrc: int) -> None:
        """Learn the SSRC of a track that is sent without reports, for its BYE."""
        self._states[track].ssrc = ssrc

    def bye(self, track: int) -> bytes:
        """Return the RTCP compound that ends a track (RFC 3550 §6.6); empty when nothing was sent yet."""
        ssrc = self._states[track].ssrc
        if ssrc is None:
            return b""
        return rtcp.serialize((rtcp.ReceiverReport(ssrc), rtcp.SourceDescription(ssrc, "gateway"), rtcp.Bye((ssrc,))))

    def _report(self, state: _TrackState, unit: AccessUnit, *, key: bool) -> bytes:
        """Return a track's report if it is time; that of a key frame is followed by those of all other tracks."""
        early = key and state.due_ns and 0 <= unit.utc_ns - state.reported_ns < self._key_interval_ns
        if early or not self.reporting:
            return b""
        if key:
            self._key_interval_ns = EARLY_REPORT_NS
            for other in self._states:
                other.due_ns = 0
        state.reported_ns, state.due_ns = unit.utc_ns, unit.utc_ns + REPORT_NS
        return state.report(unit)

    def _report_soon(self, start: Start) -> None:
        """Have a new viewer's first packets come with reports, unless it gets them with the GOP in memory."""
        if start.waiting:
            self._key_interval_ns = 0
        elif not start.units:
            for state in self._states:
                state.due_ns = 0

    def _lay_routes(self) -> None:
        for track in range(len(self._routes)):
            self._routes[track] = tuple(
                (lane, framing, pair[0] == 2 * track and not framing.websocket)
                for framing, lane in self._lanes.items()
                if (pair := framing.channels[track]) is not None
            )


def is_same(told: StreamDescription, new: StreamDescription) -> bool:
    """Tell whether viewers who were told one description can go on with the other.

    The parameter sets of video travel in band, so that its fmtp may change.
    """
    return len(told.tracks) == len(new.tracks) and all(map(_is_same_track, told.tracks, new.tracks))


def _is_same_track(told: TrackDescription, new: TrackDescription) -> bool:
    ignored = replace(new, video=told.video, audio=told.audio)
    return told == (replace(ignored, fmtp=told.fmtp) if told.kind is MediaKind.VIDEO else ignored)
