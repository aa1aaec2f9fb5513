"""Replaying what a camera has recorded: all frames, as fast as they are taken (ONVIF Streaming §6)."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, TypeAlias

from gateway.domain.media import AccessUnit, StreamDescription
from gateway.protocols.rtp.onvif_extension import capture_time
from gateway.rtsp_client.player import PlayerOptions, following
from gateway.rtsp_client.session import Asked, EndedError, Session
from gateway.rtsp_client.signalling import SessionOptions
from gateway.rtsp_client.url import CameraUrl
from gateway.sdk.clock import Clock

Item: TypeAlias = StreamDescription | AccessUnit

_HIGH: Final = 8 * 1024 * 1024
_LOW: Final = 2 * 1024 * 1024
"""Bytes in waiting at which nothing more is read, and at which reading goes on."""
_REPLAY: Final = {"Require": "onvif-replay"}
_NS: Final = 1_000_000_000


async def replay(
    camera: CameraUrl, options: PlayerOptions, clock: Clock, start_ns: int, end_ns: int
) -> AsyncGenerator[Item, None]:
    """Yield the tracks and units of a recorded time, with the capture times that the camera says. Raises GatewayError.

    It comes by TCP, whatever the options say: a datagram would be lost for good.
    """
    play = {**_REPLAY, "Range": f"clock={_clock(start_ns)}-{_clock(end_ns)}", "Rate-Control": "no"}
    inbox = _Inbox()

    async def attempt(where: CameraUrl, how: SessionOptions) -> None:
        inbox.session = session = Session(where, how, clock, inbox, Asked(play, _REPLAY))
        await session.run()

    by_tcp = replace(options, transport="tcp") if options.transport == "udp" else options
    running = asyncio.ensure_future(following(camera, by_tcp, attempt))
    running.add_done_callback(lambda _: inbox.arrived.set())
    try:
        while True:
            while (item := inbox.take()) is not None:
                yield item
            if running.done():
                break
            inbox.arrived.clear()
            await inbox.arrived.wait()
        with suppress(EndedError):
            running.result()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class _Inbox:
    """Takes what comes (`MediaSink`), until it is fetched; the camera waits when that is too much."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.session: Session | None = None
        self._items: deque[Item] = deque()
        self._size = 0
        self._paused = False
        self._rates: tuple[int, ...] = ()
        self._times: dict[int, tuple[int, int]] = {}
        """Timestamp and capture time of each track's last frame that said it."""

    def describe(self, description: StreamDescription) -> None:
        """Take the tracks."""
        self._rates = tuple(track.clock_rate for track in description.tracks)
        self._items.append(description)
        self.arrived.set()

    def deliver(self, unit: AccessUnit) -> None:
        """Take a unit; one of which nobody says when it was taken is of no use."""
        taken_ns = capture_time(unit.packets)
        if taken_ns is not None:
            self._times[unit.track] = unit.rtp_time, taken_ns
        elif unit.track in self._times:  # a later part of a large frame
            rtp_time, known_ns = self._times[unit.track]
            taken_ns = known_ns + (unit.rtp_time - rtp_time) * _NS // self._rates[unit.track]
        else:
            return
        self._items.append(replace(unit, utc_ns=taken_ns))
        self._size += len(unit.packets.data)
        self.arrived.set()
        self._flow()

    def take(self) -> Item | None:
        """Return the next, None when there is none yet."""
        if not self._items:
            return None
        item = self._items.popleft()
        if isinstance(item, AccessUnit):
            self._size -= len(item.packets.data)
            self._flow()
        return item

    def _flow(self) -> None:
        paused = self._size > (_LOW if self._paused else _HIGH)
        if paused != self._paused and self.session is not None:
            self._paused = paused
            self.session.pause(paused=paused)


def _clock(utc_ns: int) -> str:
    """Return a time as RTSP writes it (RFC 2326 §3.7)."""
    moment = datetime.fromtimestamp(utc_ns // _NS, UTC)
    return f"{moment:%Y%m%dT%H%M%S}.{utc_ns % _NS // 1_000_000:03}Z"
