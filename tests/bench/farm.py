"""A farm of RTSP cameras in one process: `/cam0`, `/cam1`, …, without a password.

`python tests/bench/farm.py --port 9554 --cameras 16` prints `ready` and serves until it is ended.
"""

import argparse
import contextlib
import os
import re
import selectors
import socket
import time
from dataclasses import dataclass, field

from video import CLOCK, FPS, SDP, gop

_PENDING = 4_000_000
"""Bytes that wait for a reader that is slow; then whole frames are dropped, as cameras do."""


@dataclass(slots=True, eq=False)
class Reader:
    """One connection: requests in, media out."""

    sock: socket.socket
    inbox: bytearray = field(default_factory=bytearray)
    outbox: bytearray = field(default_factory=bytearray)
    camera: int = -1
    playing: bool = False


@dataclass(slots=True, eq=False)
class Camera:
    """Where one camera's stream stands."""

    number: int
    due: float
    frame: int
    sequence: int
    timestamp: int
    readers: list[Reader] = field(default_factory=list)


class Farm:
    """All cameras, their frames spread evenly over the frame time and their key frames over the GOP."""

    def __init__(self, cameras: int, port: int) -> None:
        self.dropped = 0
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self._listener.settimeout(0)
        self._selector.register(self._listener, selectors.EVENT_READ)
        begin = time.monotonic()
        self._cameras = [
            Camera(
                number, begin + number / FPS / cameras, number * len(gop()) // cameras, 1000 * number, 12345 * number
            )
            for number in range(cameras)
        ]

    @property
    def port(self) -> int:
        """The port that was given, or found."""
        return int(self._listener.getsockname()[1])

    def run(self, until: float = float("inf")) -> None:
        """Serve until a time of the monotonic clock."""
        while (now := time.monotonic()) < until:
            for camera in self._cameras:
                while camera.due <= now:
                    self._emit(camera)
            due = min(camera.due for camera in self._cameras)
            for key, events in self._selector.select(max(0.0, min(due, until) - time.monotonic())):
                if key.data is None:
                    self._accept()
                else:
                    self._serve(key.data, events)

    def _emit(self, camera: Camera) -> None:
        frame = gop()[camera.frame]
        if camera.readers:
            data = frame.stamped(camera.sequence, camera.timestamp, 0xCA000000 + camera.number)
            for reader in tuple(camera.readers):
                self._send(reader, data)
        camera.sequence = (camera.sequence + len(frame.offsets)) & 0xFFFF
        camera.timestamp += CLOCK // FPS
        camera.frame = (camera.frame + 1) % len(gop())
        camera.due += 1 / FPS

    def _send(self, reader: Reader, data: bytes | bytearray) -> None:
        if len(reader.outbox) > _PENDING:
            self.dropped += 1
            return
        if not reader.outbox:
            try:
                sent = reader.sock.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._close(reader)
                return
            if sent == len(data):
                return
            data = data[sent:]
        reader.outbox += data
        with contextlib.suppress(KeyError, ValueError):
            self._selector.modify(reader.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, reader)

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 << 20)
        self._selector.register(sock, selectors.EVENT_READ, Reader(sock))

    def _serve(self, reader: Reader, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE and reader.outbox:
                del reader.outbox[: reader.sock.send(reader.outbox)]
                if not reader.outbox:
                    self._selector.modify(reader.sock, selectors.EVENT_READ, reader)
            received = reader.sock.recv(65_536) if events & selectors.EVENT_READ else None
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if received == b"":
            self._close(reader)
        elif received:
            reader.inbox += received
            self._requests(reader)

    def _requests(self, reader: Reader) -> None:
        inbox = reader.inbox
        while inbox:
            if inbox[0] == 0x24:
                if len(inbox) < 4 or len(inbox) < (end := 4 + (inbox[2] << 8 | inbox[3])):
                    return
                del inbox[:end]
                continue
            end = inbox.find(b"\r\n\r\n") + 4
            if end < 4:
                return
            head = inbox[:end].decode("latin-1")
            length = re.search(r"(?im)^content-length:\s*(\d+)", head)
            end += int(length[1]) if length else 0
            if len(inbox) < end:
                return
            del inbox[:end]
            self._answer(reader, head)

    def _answer(self, reader: Reader, head: str) -> None:
        method, url = head.split(" ", 2)[:2]
        cseq = re.search(r"(?im)^cseq:\s*(\S+)", head)
        number = re.search(r"/cam(\d+)", url)
        extra, body = "", ""
        status = "200 OK"
        match method:
            case "OPTIONS":
                extra = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n"
            case _ if number is None or int(number[1]) >= len(self._cameras):
                status = "404 Not Found"
            case "DESCRIBE":
                body = SDP
                extra = f"Content-Type: application/sdp\r\nContent-Base: {url}/\r\nContent-Length: {len(body)}\r\n"
            case "SETUP" if "RTP/AVP/TCP" in head:
                reader.camera = int(number[1])
                extra = f"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: {id(reader)};timeout=60\r\n"
            case "SETUP":
                status = "461 Unsupported Transport"
            case "PLAY":
                extra = f"Session: {id(reader)}\r\nRange: npt=0-\r\n"
            case _:
                extra = f"Session: {id(reader)}\r\n"
        reply = f"RTSP/1.0 {status}\r\nCSeq: {cseq[1] if cseq else 0}\r\n{extra}\r\n{body}"
        self._send(reader, reply.encode())
        if method == "PLAY" and reader.camera >= 0 and not reader.playing:
            reader.playing = True
            self._cameras[reader.camera].readers.append(reader)
        elif method == "TEARDOWN":
            self._close(reader)

    def _close(self, reader: Reader) -> None:
        if reader.playing:
            self._cameras[reader.camera].readers.remove(reader)
            reader.playing = False
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(reader.sock)
        reader.sock.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cameras", type=int, default=16)
    parser.add_argument("--cpu", type=int)
    options = parser.parse_args()
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    farm = Farm(options.cameras, options.port)
    print(f"ready {farm.port}", flush=True)
    farm.run()


if __name__ == "__main__":
    main()
