"""Talking to a camera by RTSP (ONVIF Streaming §5.3): a session of its own, open only while somebody talks."""

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import MediaKind, TrackDescription
from gateway.protocols import sdp
from gateway.protocols.rtp import rtcp
from gateway.protocols.rtp.restamp import Restamper
from gateway.rtsp_client import description, replies, url
from gateway.rtsp_client.player import PlayerOptions, following
from gateway.rtsp_client.signalling import Signalling
from gateway.rtsp_client.udp import UdpPair
from gateway.rtsp_client.url import CameraUrl
from gateway.sdk.clock import Clock

MAX_TRACKS: Final = 8
_REQUIRE: Final = {"Require": "www.onvif.org/ver20/backchannel"}

_Send = Callable[[bytes], None]


async def find_backchannel(camera: CameraUrl, options: PlayerOptions, clock: Clock) -> "RtspBackchannel | None":
    """Ask a camera whether it can be talked to, on a connection of its own. Raises GatewayError.

    A camera that does not know the question refuses it (551, or whatever it likes), and what it plays is not disturbed.
    """
    tracks = await following(camera, options, lambda where, how: _TalkSession(where, how, clock).tracks())
    return RtspBackchannel(camera, options, clock, tracks) if tracks else None


@dataclass(frozen=True, slots=True)
class RtspBackchannel:
    """As `gateway.sdk.controls.AudioBackchannel`."""

    camera: CameraUrl
    options: PlayerOptions
    clock: Clock
    tracks: tuple[TrackDescription, ...]

    async def talk(self, track: TrackDescription, packets: AsyncIterator[bytes]) -> None:
        """Send what is said until there is no more."""
        if track not in self.tracks:
            raise GatewayError(ErrorKind.INVALID, f"camera {self.camera.name} takes no {track.encoding!r}")
        await following(
            self.camera, self.options, lambda where, how: _TalkSession(where, how, self.clock).talk(track, packets)
        )


class _TalkSession(Signalling):
    async def tracks(self) -> tuple[TrackDescription, ...]:
        """Return what the camera takes, nothing when it can't be talked to."""
        try:
            await self._connection.prepare()
            return tuple(map(description.track, await self._offered()))
        finally:
            await self._leave()

    async def talk(self, track: TrackDescription, packets: AsyncIterator[bytes]) -> None:
        udp = None
        try:
            await self._connection.prepare()
            media = next((each for each in await self._offered() if description.track(each) == track), None)
            if media is None:
                self._fail(f"takes no {track.encoding} any more")
            udp = UdpPair(self._connection.local_address()) if self._options.udp else None
            send, report = await self._set_up(media, udp)
            self._check(await self._request("PLAY", self._base, _REQUIRE), "PLAY")
            await self._first_of(self._keep_alive(), _speak(track, packets, send, report))
        finally:
            if udp is not None:
                udp.close()
            await self._leave()

    async def _offered(self) -> list[sdp.Media]:
        headers = {"Accept": "application/sdp"} | _REQUIRE
        reply = await self._request("DESCRIBE", self._camera.target, headers)
        if not reply.ok:
            return []
        medias = self._described(reply).medias
        return [media for media in medias if media.kind is MediaKind.AUDIO and "sendonly" in media.attributes][
            :MAX_TRACKS
        ]

    async def _set_up(self, media: sdp.Media, udp: UdpPair | None) -> tuple[_Send, _Send]:
        """Set up the media; return what sends RTP and what sends RTCP."""
        offer = f"RTP/AVP;unicast;client_port={udp.ports[0]}-{udp.ports[1]}" if udp else ""
        headers = {"Transport": offer or "RTP/AVP/TCP;unicast;interleaved=0-1"} | _REQUIRE
        reply = await self._request("SETUP", url.control_url(self._base, media.control), headers)
        self._check(reply, "SETUP")
        self._opened(reply)
        granted = replies.transport(reply.headers.get("transport", ""))
        if udp is None:
            rtp, rtcp_channel = granted.channels or (0, 1)
            return lambda data: self._interleaved(rtp, data), lambda data: self._interleaved(rtcp_channel, data)
        if granted.server_ports is None:
            self._fail("tells no port to talk to")
        peer = self._connection.peer_address()  # never where the camera might point us
        rtp, rtcp_port = granted.server_ports
        return lambda data: udp.send(data, (peer, rtp)), lambda data: udp.send(data, (peer, rtcp_port))

    def _interleaved(self, channel: int, data: bytes) -> None:
        """Send a packet, unless the camera takes none: what is late is of no use to it."""
        if not self._connection.congested:
            self._connection.write_frame(channel, data)


async def _speak(track: TrackDescription, packets: AsyncIterator[bytes], send: _Send, report: _Send) -> None:
    source = Restamper(track.payload_type, secrets.randbits(32), secrets.randbits(16), secrets.randbits(32))
    async for data in packets:
        packet = source.packet(data)
        if packet is not None:
            send(packet)
    ssrc = source.ssrc
    report(rtcp.serialize((rtcp.ReceiverReport(ssrc), rtcp.SourceDescription(ssrc, "gateway"), rtcp.Bye((ssrc,)))))
