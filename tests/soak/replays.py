"""Replays recordings again and again, as fast as it goes, and says which frames came."""

import re
import socket
import struct
import threading
from collections.abc import Callable

from soak.cameras import NUMBER

_TIMEOUT = 20.0
_BYE = 203
"""RTCP packet type (RFC 3550 §6.6)."""


class Replays:
    """Players in threads of their own; each takes the recordings in turn, over TCP."""

    def __init__(self, base: str, recordings: list[str], players: int, found: Callable[[str, list[int]], None]) -> None:
        """`found` is told the numbers of the frames of every replay, in the order in which they came."""
        self.problems: list[str] = []
        self._over = threading.Event()
        self._found = found
        turns = [recordings[index:] + recordings[:index] for index in range(players)]
        self._threads = [threading.Thread(target=self._play, args=(base, turn)) for turn in turns]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let every player finish the replay that it is at."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _play(self, base: str, turn: list[str]) -> None:
        while not self._over.is_set():
            for recording in turn:
                try:
                    self._found(recording, replay(f"{base}/replay/{recording}"))
                except (OSError, EOFError, ValueError) as error:
                    self.problems.append(f"the replay of {recording}: {error}")
                if self._over.is_set():
                    return


def is_recorded(url: str) -> bool:
    """Tell whether there is anything of a recording to replay."""
    with _connected(url) as connection:
        connection.sendall(f"DESCRIBE {url} RTSP/1.0\r\nCSeq: 0\r\n\r\n".encode())
        return "a=range:clock=" in _answer(connection.makefile("rb"))


def replay(url: str) -> list[int]:
    """Replay what there is of a recording now, and return its frames' numbers.

    Raises OSError, EOFError or ValueError when that does not go well.
    """
    with _connected(url) as connection:
        reader = connection.makefile("rb")
        session, frames = "", []
        for number, (method, extra) in enumerate(
            (
                ("DESCRIBE", ""),
                ("SETUP", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"),
                ("PLAY", "Range: {range}\r\nRate-Control: no\r\n"),
            )
        ):
            target = f"{url}/trackID=0" if method == "SETUP" else url
            head = f"{method} {target} RTSP/1.0\r\nCSeq: {number}\r\n{session}"
            connection.sendall(f"{head}{extra.format(range=frames[0] if frames else '')}\r\n".encode())
            answer = _answer(reader)
            if not answer.startswith("RTSP/1.0 200"):
                raise ValueError(f"{method} is answered with {answer.splitlines()[0]!r}")
            frames += re.findall(r"a=range:(clock=\S+-\S+)", answer)
            session = "".join(f"Session: {found}\r\n" for found in re.findall(r"Session: ([^;\r]+)", answer))
        return _numbers(reader)


def _connected(url: str) -> socket.socket:
    [(host, port)] = re.findall(r"//([^:/]+):(\d+)/", url)
    return socket.create_connection((host, int(port)), _TIMEOUT)


def _answer(reader) -> str:  # noqa: ANN001 - what `makefile` returns
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline()
        if not line:
            raise EOFError("the server hung up")
        head += line
    size = re.search(rb"(?i)content-length: (\d+)", head)
    return (head + (reader.read(int(size[1])) if size else b"")).decode()


def _numbers(reader) -> list[int]:  # noqa: ANN001
    """Read interleaved frames up to the BYE."""
    numbers: list[int] = []
    while True:
        head = reader.read(4)
        if len(head) < 4:
            raise EOFError(f"the server hung up after {len(numbers)} frames")
        channel, size = struct.unpack(">xBH", head)
        data = reader.read(size)
        if channel == 0:
            numbers += [int(number) for number in NUMBER.findall(data)]
        elif channel == 1 and _says_bye(data):
            return numbers


def _says_bye(data: bytes) -> bool:
    while len(data) >= 4:
        if data[1] == _BYE:
            return True
        data = data[4 * (int.from_bytes(data[2:4], "big") + 1) :]
    return False
