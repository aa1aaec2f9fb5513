"""One question to a receiver and its answer, over TCP or UDP. A connection is made for every exchange."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

MOST_ANSWER = 4096
"""Bytes of answers that are read in one exchange."""

_LAST_PORT = 65535
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ReceiverSettings:
    """`[[sink.settings.receivers]]`: one receiver of the station."""

    host: str
    port: int
    transport: Literal["tcp", "udp"] = "tcp"

    def __post_init__(self) -> None:
        """Raise ValueError for what is no address."""
        if not self.host or not self.host.isprintable() or " " in self.host:
            raise ValueError(f"host: {self.host!r} is no address")
        if not 1 <= self.port <= _LAST_PORT:
            raise ValueError(f"port: must be from 1 to {_LAST_PORT}, not {self.port}")

    def __str__(self) -> str:
        """Return it as messages name it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}://{host}:{self.port}"


class NotConnectedError(Exception):
    """There is no way to the receiver, so that trying again at once makes no sense."""

    def __init__(self, error: OSError) -> None:
        number = error.errno or 0  # negative where a name is not known
        super().__init__(os.strerror(number) if number > 0 else error.strerror or str(error))


async def ask(to: ReceiverSettings, question: bytes, read: Callable[[bytes], _T | None], seconds: float) -> _T:
    """Send a frame and return the first answer of which `read` makes something.

    Raises TimeoutError, NotConnectedError, and OSError when the receiver hangs up.
    """
    async with asyncio.timeout(seconds):
        return await (_ask_udp if to.transport == "udp" else _ask_tcp)(to, question, read)


async def _ask_tcp(to: ReceiverSettings, question: bytes, read: Callable[[bytes], _T | None]) -> _T:
    try:
        reader, writer = await asyncio.open_connection(to.host, to.port, limit=MOST_ANSWER)
    except OSError as error:
        raise NotConnectedError(error) from error
    try:
        writer.write(question)
        for _ in range(MOST_ANSWER):
            answer = read(await reader.readuntil(b"\r"))
            if answer is not None:
                return answer
        raise ConnectionResetError("it answers nonsense")
    except asyncio.IncompleteReadError:
        raise ConnectionResetError("it hung up without an answer") from None
    except asyncio.LimitOverrunError:
        raise ConnectionResetError(f"its answer is longer than {MOST_ANSWER} bytes") from None
    finally:
        writer.transport.abort()


async def _ask_udp(to: ReceiverSettings, question: bytes, read: Callable[[bytes], _T | None]) -> _T:
    loop = asyncio.get_running_loop()
    try:
        transport, answers = await loop.create_datagram_endpoint(_Answers, remote_addr=(to.host, to.port))
    except OSError as error:
        raise NotConnectedError(error) from error
    try:
        transport.sendto(question)
        while True:
            received = await answers.queue.get()
            if isinstance(received, OSError):
                raise NotConnectedError(received)
            answer = read(received)
            if answer is not None:
                return answer
    finally:
        transport.abort()


class _Answers(asyncio.DatagramProtocol):
    """A few datagrams, or the error that came instead; more are not waited for."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes | OSError] = asyncio.Queue(16)

    def datagram_received(self, data: bytes, _: tuple[str, int]) -> None:
        self._put(data[:MOST_ANSWER])

    def error_received(self, error: Exception) -> None:
        self._put(error if isinstance(error, OSError) else OSError(str(error)))

    def _put(self, received: bytes | OSError) -> None:
        if not self.queue.full():
            self.queue.put_nowait(received)
