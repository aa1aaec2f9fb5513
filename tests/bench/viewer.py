"""One viewer: an RTSP client that plays over TCP or UDP and checks what it gets."""

import re
import socket
import struct
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from video import MARK, MARK_AT, STAMP, is_key_packet

TIMEOUT = 20.0
_FRAME = struct.Struct("!BBHBBH")
_RTP = struct.Struct("!BBH")
_BUFFER = bytearray(4 << 20)
_VIEW = memoryview(_BUFFER)
_STAMP_END = MARK_AT + STAMP.size


class ViewerError(Exception):
    """A viewer could not begin to play."""


@dataclass(slots=True)
class Counts:
    """What one viewer has seen."""

    bytes: int = 0
    frames: int = 0
    gaps: int = 0
    """Jumps of the RTP sequence number."""
    lost: int = 0
    """Packets missing in those jumps."""
    gaps_not_at_key: int = 0
    """Jumps after which the stream did not go on with a key frame."""
    framing_errors: int = 0
    latencies: list[int] = field(default_factory=list)
    """Nanoseconds from the camera's send of a frame to the arrival of its last packet here."""


class Viewer:
    """The RTSP side of a viewer, and the checks of its packets. `on_readable` is called when a socket has data."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.counts = Counts()
        self.alive = True
        self._cseq = 0
        self._session = ""
        self._sequence = -1
        parts = urlsplit(url)
        self.sock = socket.create_connection((parts.hostname or "", parts.port or 554), timeout=TIMEOUT)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._inbox = b""

    def sockets(self) -> tuple[socket.socket, ...]:
        """Return the sockets to wait for."""
        return (self.sock,)

    def set_up(self) -> None:
        """Send everything before PLAY. Raises ViewerError."""
        description = self._request("DESCRIBE", self.url, "Accept: application/sdp\r\n")
        base = re.search(r"(?im)^content-base:\s*(\S+)", description)
        video = description.partition("m=video")[2]
        control = re.search(r"(?m)^a=control:\s*(\S+)", video)
        track = control[1] if control else ""
        url = track if "://" in track else f"{(base[1] if base else self.url).rstrip('/')}/{track}"
        reply = self._request("SETUP", url, f"Transport: {self._transport()}\r\n")
        session = re.search(r"(?im)^session:\s*([^;\s]+)", reply)
        self._session = session[1] if session else ""

    def play(self) -> None:
        """Begin to play; from then on `on_readable` takes over. Raises ViewerError."""
        self._send("PLAY", self.url, "Range: npt=0-\r\n")

    def keep_alive(self) -> None:
        """Tell the server that this viewer still watches."""
        if self.alive:
            try:
                self._send("GET_PARAMETER", self.url, "")
            except OSError:
                self.alive = False

    def close(self) -> None:
        """Vanish, as a viewer that crashes."""
        for sock in self.sockets():
            sock.close()

    def on_readable(self, sock: socket.socket, limit: int = len(_BUFFER) // 2) -> int:
        """Take what has arrived; returns the number of bytes."""
        raise NotImplementedError

    def _transport(self) -> str:
        raise NotImplementedError

    def _send(self, method: str, url: str, extra: str) -> None:
        self._cseq += 1
        session = f"Session: {self._session}\r\n" if self._session else ""
        self.sock.sendall(f"{method} {url} RTSP/1.0\r\nCSeq: {self._cseq}\r\n{session}{extra}\r\n".encode())

    def _request(self, method: str, url: str, extra: str) -> str:
        self._send(method, url, extra)
        while b"\r\n\r\n" not in self._inbox:
            self._more(method)
        head, _, rest = self._inbox.partition(b"\r\n\r\n")
        length = re.search(rb"(?im)^content-length:\s*(\d+)", head)
        wanted = int(length[1]) if length else 0
        while len(rest) < wanted:
            self._more(method)
            rest = self._inbox.partition(b"\r\n\r\n")[2]
        self._inbox = rest[wanted:]
        if not head.startswith(b"RTSP/1.0 200"):
            raise ViewerError(f"{method} {url}: {head.splitlines()[0].decode('latin-1')}")
        return (head + b"\r\n\r\n" + rest[:wanted]).decode("utf-8", "replace")

    def _more(self, method: str) -> None:
        data = self.sock.recv(65_536)
        if not data:
            raise ViewerError(f"{method} {self.url}: the server closed the connection")
        self._inbox += data

    def _jump(self, data: bytearray, start: int, sequence: int) -> None:
        """Note that a packet is not the one that was due."""
        if self._sequence >= 0:
            self.counts.gaps += 1
            self.counts.lost += (sequence - self._sequence) & 0xFFFF
            self.counts.gaps_not_at_key += not is_key_packet(data, start)

    def _frame_end(self, data: bytearray, start: int) -> None:
        """Note that the last packet of a frame has come."""
        self.counts.frames += 1
        mark = data[start + MARK_AT : start + _STAMP_END]
        if mark.startswith(MARK):
            self.counts.latencies.append(time.monotonic_ns() - int(mark[len(MARK) :], 16))


class TcpViewer(Viewer):
    """Plays over the RTSP connection."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._rest = b""

    def _transport(self) -> str:
        return "RTP/AVP/TCP;unicast;interleaved=0-1"

    def on_readable(self, sock: socket.socket, limit: int = len(_BUFFER) // 2) -> int:
        rest = len(self._rest)
        _BUFFER[:rest] = self._rest
        try:
            received = sock.recv_into(_VIEW[rest : rest + limit])
        except BlockingIOError:
            return 0
        except OSError:
            received = 0
        if not received:
            self.alive = False
            return 0
        self.counts.bytes += received
        end = rest + received
        self._rest = bytes(_VIEW[self._take(end) : end])
        return received

    def _take(self, end: int) -> int:
        """Take the whole frames in the buffer; returns where the rest begins."""
        data, position, expected = _BUFFER, 0, self._sequence
        unpack = _FRAME.unpack_from
        while end - position >= 8:
            dollar, channel, length, _, second, sequence = unpack(data, position)
            if dollar != 0x24:
                stop = self._text(position, end)
                if stop < 0:
                    break
                position = stop
                continue
            stop = position + 4 + length
            if stop > end:
                break
            if channel == 0:
                if sequence != expected:
                    self._sequence = expected
                    self._jump(data, position + 4, sequence)
                expected = (sequence + 1) & 0xFFFF
                if second & 0x80:
                    self._frame_end(data, position + 4)
            position = stop
        self._sequence = expected
        return position

    def _text(self, position: int, end: int) -> int:
        """Skip an RTSP reply between the frames; returns where it ends, or -1 when it is not all there."""
        if _BUFFER[position : position + 8] == b"RTSP/1.0":
            found = _BUFFER.find(b"\r\n\r\n", position, end)
            return found + 4 if found >= 0 else -1
        self.counts.framing_errors += 1
        return position + 1


class UdpViewer(Viewer):
    """Plays over a pair of UDP sockets."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._media, self._control = _port_pair()

    def sockets(self) -> tuple[socket.socket, ...]:
        return (self.sock, self._media, self._control)

    def _transport(self) -> str:
        port = self._media.getsockname()[1]
        return f"RTP/AVP;unicast;client_port={port}-{port + 1}"

    def on_readable(self, sock: socket.socket, limit: int = len(_BUFFER) // 2) -> int:
        total = 0
        data, unpack, expected = _BUFFER, _RTP.unpack_from, self._sequence
        try:
            while total < limit:
                received = sock.recv_into(_VIEW)
                if sock is not self._media:
                    self.alive = self.alive and (received > 0 or sock is self._control)
                    return received
                if received < 12:
                    self.counts.framing_errors += 1
                    continue
                total += received
                _, second, sequence = unpack(data)
                if sequence != expected:
                    self._sequence = expected
                    self._jump(data, 0, sequence)
                expected = (sequence + 1) & 0xFFFF
                if second & 0x80:
                    self._frame_end(data, 0)
        except BlockingIOError:
            pass
        except OSError:
            self.alive = False
        self._sequence = expected
        self.counts.bytes += total
        return total


def _port_pair() -> tuple[socket.socket, socket.socket]:
    """Bind two neighbouring ports, the first one even."""
    for _ in range(200):
        media, control = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        media.bind(("127.0.0.1", 0))
        port = media.getsockname()[1]
        try:
            if port % 2 == 0:
                control.bind(("127.0.0.1", port + 1))
                for sock in (media, control):
                    sock.settimeout(0)
                media.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
                return media, control
        except OSError:
            pass
        media.close()
        control.close()
    raise ViewerError("no two neighbouring UDP ports are free")
