"""Many datagrams with one system call: `sendmmsg` with UDP_SEGMENT (GSO) through ctypes, with plain fall-backs."""

import ctypes
import errno
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.domain.media import PacketBlock

UDP_SEGMENT: Final = 103
MAX_SEGMENT: Final = 1452
"""Payload bytes that fit an Ethernet frame over IPv6 and IPv4; larger packets are left to IP's fragmentation."""
_MAX_SEGMENTS: Final = 60
_MAX_RUN: Final = 65_000
_RUNS: Final = 8
"""Runs handed over by one call."""
_UNSUPPORTED: Final = frozenset((errno.EINVAL, errno.EIO, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOPROTOOPT))
_VECTOR = struct.Struct("@PN")
"""A struct iovec: address and length."""
_CONTROL = struct.Struct("@NiiH6x")
"""A struct cmsghdr with the 16-bit segment size of UDP_SEGMENT."""
_CONTROL_HEADER: Final = 18
_SOL_UDP: Final = int(socket.IPPROTO_UDP)
_FRAME_HEADER: Final = 4
_MSG_DONTWAIT: Final = int(socket.MSG_DONTWAIT)

Address = tuple[Any, ...]
"""What a socket takes as address: (host, port), or with flow and scope for IPv6."""


class _MsgHdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("namelen", ctypes.c_uint32),
        ("iov", ctypes.c_void_p),
        ("iovlen", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("controllen", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _MMsgHdr(ctypes.Structure):
    _fields_ = (("header", _MsgHdr), ("length", ctypes.c_uint))


_MESSAGE_SIZE: Final = ctypes.sizeof(_MMsgHdr)


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive packets of one size, the last one perhaps shorter; a segment of 0 is a single large packet."""

    start: int
    end: int
    segment: int


class Datagrams:
    """The packets of one access unit without their interleaved headers, in runs that GSO can cut."""

    __slots__ = ("data", "largest", "runs")

    def __init__(self, block: PacketBlock) -> None:
        view, starts = memoryview(block.data), block.offsets
        spans = list(zip(starts, (*starts[1:], len(view)), strict=True))
        sizes = [end - start - _FRAME_HEADER for start, end in spans]
        self.data = b"".join([view[start + _FRAME_HEADER : end] for start, end in spans])
        self.largest = max(sizes, default=0)
        """Bytes of the largest packet."""
        self.runs = _runs(sizes, len(self.data))


def _runs(sizes: Sequence[int], total: int) -> list[Run]:
    segment = sizes[0] if sizes else 0
    alike = sizes.count(segment) >= len(sizes) - 1 and bool(sizes) and sizes[-1] <= segment <= MAX_SEGMENT
    if alike and len(sizes) <= _MAX_SEGMENTS and total <= _MAX_RUN:
        return [Run(0, total, segment)]
    return _uneven_runs(sizes)


def _uneven_runs(sizes: Sequence[int]) -> list[Run]:
    runs = []
    start = position = segment = count = 0
    closed = True
    for size in sizes:
        if closed or size > segment or count == _MAX_SEGMENTS or position - start + size > _MAX_RUN:
            if position > start:
                runs.append(Run(start, position, segment))
            start, segment, count = position, size if size <= MAX_SEGMENT else 0, 0
        position += size
        count += 1
        closed = size < segment or not segment
    if position > start:
        runs.append(Run(start, position, segment))
    return runs


class Destinations:
    """The addresses that a unit goes to, laid out once for sendmmsg; make a new one when they change."""

    def __init__(self, family: socket.AddressFamily, addresses: Sequence[Address]) -> None:
        self.addresses = tuple(addresses)
        names = [_name(family, address) for address in addresses]
        size = len(names[0]) if names else 0
        self._names = ctypes.create_string_buffer(b"".join(names))
        self._vectors = ctypes.create_string_buffer(_RUNS * _VECTOR.size)
        self._controls = ctypes.create_string_buffer(_RUNS * _CONTROL.size)
        self._messages = (_MMsgHdr * (_RUNS * len(names)))()
        self.start = ctypes.addressof(self._messages)
        """Address of the first message."""
        for run in range(_RUNS):
            for index in range(len(names)):
                header = self._messages[run * len(names) + index].header
                header.name = ctypes.addressof(self._names) + index * size
                header.namelen = size
                header.iov = ctypes.addressof(self._vectors) + run * _VECTOR.size
                header.iovlen = 1
                header.control = ctypes.addressof(self._controls) + run * _CONTROL.size
                header.controllen = _CONTROL.size

    def point(self, base: int, runs: Sequence[Run]) -> int:
        """Point the messages at the runs of a buffer at address `base`; return how many messages they are."""
        for index, run in enumerate(runs):
            _VECTOR.pack_into(self._vectors, index * _VECTOR.size, base + run.start, run.end - run.start)
            _CONTROL.pack_into(
                self._controls, index * _CONTROL.size, _CONTROL_HEADER, _SOL_UDP, UDP_SEGMENT, run.segment
            )
        return len(runs) * len(self.addresses)


def _name(family: socket.AddressFamily, address: Address) -> bytes:
    """Return a sockaddr_in or sockaddr_in6."""
    host, port, flow, scope = (*address, 0, 0)[:4]
    head = struct.pack("@H", family) + struct.pack("!H", port)
    if family == socket.AF_INET:
        return head + socket.inet_aton(host) + bytes(8)
    return head + struct.pack("!I", flow) + socket.inet_pton(family, host) + struct.pack("@I", scope)


class GsoSender:
    """Sends units to many destinations on one UDP socket in the cheapest way that the system knows."""

    def __init__(self, sock: socket.socket) -> None:
        self.dropped = 0
        """Messages that the system did not take: UDP viewers lose them."""
        self._sock = sock
        self._descriptor = sock.fileno()
        self._sendmmsg = _load_sendmmsg()
        self._segments = _has_gso(sock)

    def send(self, datagrams: Datagrams, destinations: Destinations) -> None:
        """Send one unit to every destination; what does not go at once is lost, as UDP may."""
        if not destinations.addresses:
            return
        if self._sendmmsg is None or not self._segments:
            self._send_singly(datagrams, destinations.addresses)
            return
        base = ctypes.c_void_p.from_buffer(ctypes.c_char_p(datagrams.data)).value or 0
        runs = datagrams.runs
        while runs:
            self._send_many(destinations, destinations.point(base, runs[:_RUNS]))
            runs = runs[_RUNS:]

    def _send_many(self, destinations: Destinations, total: int) -> None:
        done = 0
        while done < total:
            at = destinations.start + done * _MESSAGE_SIZE
            sent = self._sendmmsg(self._descriptor, at, total - done, _MSG_DONTWAIT)
            if sent <= 0:
                self._refused(ctypes.get_errno())
                sent = 1
            done += sent

    def _refused(self, number: int) -> None:
        self.dropped += 1
        if number in _UNSUPPORTED:
            self._segments = False

    def _send_singly(self, datagrams: Datagrams, addresses: Sequence[Address]) -> None:
        view = memoryview(datagrams.data)
        for run in datagrams.runs:
            for address in addresses:
                if self._segments:
                    self._send_run(view[run.start : run.end], run.segment, address)
                else:
                    step = run.segment or run.end - run.start
                    for start in range(run.start, run.end, step):
                        self._send_one(view[start : min(start + step, run.end)], address)

    def _send_run(self, data: memoryview, segment: int, address: Address) -> None:
        control = [(socket.IPPROTO_UDP, UDP_SEGMENT, segment.to_bytes(2, "little"))] if segment else []
        try:
            self._sock.sendmsg([data], control, 0, address)
        except OSError as error:
            self._refused(error.errno or 0)

    def _send_one(self, data: memoryview, address: Address) -> None:
        try:
            self._sock.sendto(data, address)
        except OSError:
            self.dropped += 1


def _load_sendmmsg() -> Any:  # noqa: ANN401 - a C function, or None where the C library has none
    try:
        function = ctypes.CDLL(None, use_errno=True).sendmmsg
    except (OSError, AttributeError):
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
    function.restype = ctypes.c_int
    return function


def _has_gso(sock: socket.socket) -> bool:
    try:
        sock.getsockopt(socket.IPPROTO_UDP, UDP_SEGMENT)
    except OSError:
        return False
    return True
