"""One RTSP session with a camera, from OPTIONS to TEARDOWN (RFC 2326)."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import MediaKind
from gateway.protocols import sdp
from gateway.rtsp_client import description, replies, url
from gateway.rtsp_client.description import Description
from gateway.rtsp_client.media import FLUSH_NS, SessionMedia
from gateway.rtsp_client.replies import Reply
from gateway.rtsp_client.signalling import SessionOptions, Signalling
from gateway.rtsp_client.udp import Peer, UdpPair
from gateway.rtsp_client.url import CameraUrl
from gateway.sdk.clock import Clock
from gateway.sdk.driver import MediaSink

MAX_TRACKS: Final = 8
FIRST_MEDIA_SECONDS: Final = 10.0
"""A camera may need so long to start its encoder."""
_REPORT_SECONDS: Final = 5.0
_CHECKS: Final = 5
"""How often silence is looked for within the time-out."""
_NS: Final = 1_000_000_000
_ID_BITS: Final = 32


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be played, in the headers that say so."""

    play: Mapping[str, str]
    setup: Mapping[str, str]


LIVE: Final = Asked({"Range": "npt=0.000-"}, {})


class EndedError(GatewayError):
    """There are no more media: the end of a replay."""


@dataclass(slots=True)
class _Setup:
    """One track that was set up."""

    media: sdp.Media
    transport: replies.SetupTransport
    channels: tuple[int, int]
    udp: UdpPair | None


class Session(Signalling):
    """Plays one URL into a sink. `run` ends only by an exception: GatewayError or Redirected."""

    def __init__(
        self, camera: CameraUrl, options: SessionOptions, clock: Clock, sink: MediaSink, asked: Asked = LIVE
    ) -> None:
        super().__init__(camera, options, clock)
        self._asked = asked
        self._sink = sink
        self._setups: list[_Setup] = []
        self._media: SessionMedia | None = None
        self._ssrc = secrets.randbits(_ID_BITS)
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> NoReturn:
        """Connect, play and stay until the camera is lost."""
        try:
            await self._connection.prepare()
            media = await self._start()
            await self._first_of(self._keep_alive(), self._watch(media), self._report(media))
        finally:
            await self._close()
        raise AssertionError("a session ends by an exception")

    def pause(self, *, paused: bool) -> None:
        """Let the camera wait with what it sends, or go on."""
        self._connection.pause(paused=paused)

    async def _start(self) -> SessionMedia:
        options = await self._request("OPTIONS", self._camera.target)
        self._methods = replies.methods(options.headers.get("public", "")) if options.ok else frozenset()
        await self._set_up(await self._describe())
        media = self._media = self._wire_up()
        reply = await self._request("PLAY", self._base, self._asked.play)
        self._check(reply, "PLAY")
        return media

    async def _set_up(self, found: sdp.SessionDescription) -> None:
        """Set up every media that we can receive; the first video, or else the first media, must succeed."""
        medias = [media for media in found.medias if "sendonly" not in media.attributes][:MAX_TRACKS]
        if not medias:
            self._fail("offers no media to receive")
        main = next((media for media in medias if media.kind is MediaKind.VIDEO), medias[0])
        for media in medias:
            reply = await self._set_up_one(media)
            if media is main:
                self._check(reply, "SETUP")

    async def _set_up_one(self, media: sdp.Media) -> Reply:
        udp = UdpPair(self._connection.local_address()) if self._options.udp else None
        wanted = 2 * len(self._setups)
        if udp:
            offer = f"RTP/AVP;unicast;client_port={udp.ports[0]}-{udp.ports[1]}"
        else:
            offer = f"RTP/AVP/TCP;unicast;interleaved={wanted}-{wanted + 1}"
        try:
            reply = await self._request(
                "SETUP", url.control_url(self._base, media.control), {"Transport": offer, **self._asked.setup}
            )
        except BaseException:
            if udp:
                udp.close()
            raise
        if not reply.ok:
            if udp:
                udp.close()
            return reply
        self._opened(reply)
        transport = replies.transport(reply.headers.get("transport", ""))
        self._setups.append(_Setup(media, transport, transport.channels or (wanted, wanted + 1), udp))
        return reply

    def _wire_up(self) -> SessionMedia:
        """Lead the packets of every track to its assembler."""
        tracks = tuple(description.track(setup.media) for setup in self._setups)
        rates = tuple(description.declared_frame_rate(setup.media) for setup in self._setups)
        media = SessionMedia(Description(tracks, rates), self._sink)
        stream = self._connection.stream
        for setup in self._setups:
            if setup.udp:
                track = media.add(setup.udp.buffer.buffer)
                setup.udp.start(track, self._peer(setup.transport), self._clock, self._after_media)
            else:
                track = media.add(stream.buffer)
                stream.holders.append(track.assembler)
                stream.receivers[setup.channels[0]] = track.assembler.take
                stream.receivers[setup.channels[1]] = track.rtcp_frame
        if not self._options.udp:
            self._connection.stream.after_read = self._after_media
        return media

    def _peer(self, transport: replies.SetupTransport) -> Peer:
        address = self._connection.peer_address()
        hosts = frozenset({address, transport.source or address})
        return Peer(hosts, (address, transport.server_ports[1]) if transport.server_ports else None)

    def _after_media(self) -> None:
        """Start the timer that ends frames which their camera does not mark."""
        if self._timer is not None or self._media is None:
            return
        if self._media.needs_timer():
            self._timer = asyncio.get_running_loop().call_later(FLUSH_NS / _NS, self._flush)
        elif self._media.all_marked():
            self._connection.stream.after_read = None  # one call less for every read

    def _flush(self) -> None:
        self._timer = None
        if self._media is not None:
            self._media.flush(self._clock.utc_ns())
            self._after_media()

    async def _watch(self, media: SessionMedia) -> None:
        """Notice when the media stop."""
        step = self._options.media_timeout / _CHECKS
        seen, silent, waited = 0, 0.0, 0.0
        while True:
            await self._clock.sleep(step)
            if media.ended:
                raise self._over("ended the stream with RTCP BYE")
            silent = 0.0 if media.newest_ns != seen or self._connection.paused else silent + step
            seen = media.newest_ns
            if silent >= (self._options.media_timeout if seen else FIRST_MEDIA_SECONDS) - step / 2:
                raise self._over(f"has sent no media for {silent:g} s")
            waited += step
            if seen and not media.described and waited >= FIRST_MEDIA_SECONDS:
                media.describe()  # no parameter sets came with the media: better an incomplete description than none

    def _over(self, why: str) -> EndedError:
        return EndedError(ErrorKind.UNAVAILABLE, f"camera {self._camera.name} {why}")

    async def _report(self, media: SessionMedia) -> None:
        """Send a receiver report for every track; some cameras take silence for absence."""
        while True:
            now_ns = self._clock.utc_ns()
            for setup, track in zip(self._setups, media.inputs, strict=True):
                report = track.receiver_report(self._ssrc, now_ns)
                if setup.udp:
                    setup.udp.send_report(report)
                else:
                    self._connection.write_frame(setup.channels[1], report)
            await self._clock.sleep(_REPORT_SECONDS)

    async def _close(self) -> None:
        """Tell the camera, but not for long, and close everything."""
        if self._timer is not None:
            self._timer.cancel()
        self._media = None
        self._connection.stream.receivers.clear()
        self._connection.stream.holders.clear()
        self._connection.stream.after_read = None
        _close_all([setup.udp for setup in self._setups])
        await self._leave()


def _close_all(pairs: Sequence[UdpPair | None]) -> None:
    for pair in pairs:
        if pair:
            pair.close()
