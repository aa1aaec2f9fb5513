"""UDP sockets of one track: RTP on an even port, RTCP on the next (RFC 3550 §11)."""

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.protocols.rtp.datagrams import DatagramBuffer
from gateway.rtsp_client.media import TrackInput
from gateway.rtsp_client.poll import add_reader
from gateway.sdk.clock import Clock

_RECEIVE_BUFFER: Final = 2 * 1024 * 1024
"""Asked of the kernel, which gives what it allows: a key frame comes in one burst."""
_ATTEMPTS: Final = 64
_BURST: Final = 128
"""Datagrams read at one go before other cameras have their turn."""
_LARGEST: Final = 65_535


@dataclass(frozen=True, slots=True)
class Peer:
    """The camera's side."""

    hosts: frozenset[str]
    """Addresses that its packets may come from."""
    reports: tuple[str, int] | None
    """Where receiver reports go, when the camera told a port."""


class UdpPair:
    """The two sockets. Datagrams from other hosts than the camera are thrown away."""

    def __init__(self, local_address: str) -> None:
        self.buffer = DatagramBuffer()
        self._rtp, self._rtcp = _open_pair(local_address)
        self.ports: tuple[int, int] = self._rtp.getsockname()[1], self._rtcp.getsockname()[1]
        self._peer = Peer(frozenset(), None)
        self._stop: Callable[[], None] = lambda: None

    def start(self, track: TrackInput, peer: Peer, clock: Clock, after_media: Callable[[], None]) -> None:
        """Receive for a track on the running loop; `after_media` is called after each burst."""
        self._peer = peer
        self.buffer.receiver = track.assembler.take
        self.buffer.holder = track.assembler
        rtp = add_reader(self._rtp.fileno(), lambda: self._read_rtp(clock, after_media))
        rtcp = add_reader(self._rtcp.fileno(), lambda: self._read_rtcp(track, clock))

        def stop() -> None:
            rtp()
            rtcp()

        self._stop = stop

    def send_report(self, data: bytes) -> None:
        """Send an RTCP packet to the camera; one that can't be sent is lost like any other."""
        if self._peer.reports:
            with contextlib.suppress(OSError):
                self._rtcp.sendto(data, self._peer.reports)

    def send(self, data: bytes, address: tuple[str, int]) -> None:
        """Send an RTP packet; one that can't be sent is lost like any other."""
        with contextlib.suppress(OSError):
            self._rtp.sendto(data, address)

    def close(self) -> None:
        """Stop receiving and close both sockets."""
        self._stop()
        self._rtp.close()
        self._rtcp.close()

    def _read_rtp(self, clock: Clock, after_media: Callable[[], None]) -> None:
        now_ns = clock.utc_ns()
        buffer, hosts, receive = self.buffer, self._peer.hosts, self._rtp.recvfrom_into
        with contextlib.suppress(OSError):  # nothing left to read, or the camera's port is closed
            for _ in range(_BURST):
                size, address = receive(buffer.room())
                if address[0] in hosts:
                    buffer.received(size, now_ns)
        after_media()

    def _read_rtcp(self, track: TrackInput, clock: Clock) -> None:
        with contextlib.suppress(OSError):
            data, address = self._rtcp.recvfrom(_LARGEST)
            if address[0] in self._peer.hosts:
                track.rtcp(data, clock.utc_ns())


def _open_pair(local_address: str) -> tuple[socket.socket, socket.socket]:
    """Bind an even port and the one after it. Raises GatewayError (UNAVAILABLE)."""
    family = socket.AF_INET6 if ":" in local_address else socket.AF_INET
    for _ in range(_ATTEMPTS):
        rtp, rtcp = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_DGRAM)
        try:
            rtp.bind((local_address, 0))
            port = rtp.getsockname()[1]
            if port % 2 == 0:
                rtcp.bind((local_address, port + 1))
                for sock in (rtp, rtcp):
                    sock.setblocking(False)  # noqa: FBT003 - the socket module's way
                rtp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
                return rtp, rtcp
        except OSError:
            pass
        rtp.close()
        rtcp.close()
    raise GatewayError(ErrorKind.UNAVAILABLE, f"no pair of UDP ports is free on {local_address}")
