"""Asking given addresses whether an ONVIF device is there, where multicast does not reach (WS-Discovery §4.2.1)."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

from gateway.protocols.discovery import PORT, Message, Probe, ProbeMatches, parse, serialize
from gateway.protocols.discovery_search import reached_at
from gateway.servers.probe import FoundCamera, found_camera

MAX_ADDRESSES: Final = 1024
MAX_ANSWERS: Final = 4 * MAX_ADDRESSES
REPEAT_SECONDS: Final = 0.5
"""Between the two times that each is asked: a datagram may be lost."""


async def probe_addresses(hosts: Sequence[str], seconds: float, *, port: int = PORT) -> list[FoundCamera]:
    """Ask hosts, and return those that answered within so many seconds, sorted by address.

    It ends as soon as all have answered, or have no such port. A host without an address is one that does not answer.
    """
    answers = _Answers(len(hosts[:MAX_ADDRESSES]))
    asking = [asyncio.create_task(_ask(host, port, answers)) for host in hosts[:MAX_ADDRESSES]]
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await answers.complete.wait()
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    return sorted(answers.found.values(), key=lambda camera: (camera.xaddrs, camera.endpoint))


async def endpoint_at(url: str, seconds: float = 1.0, *, port: int = PORT) -> str:
    """Return the endpoint reference of the ONVIF device that has a service at a URL; empty where that is not known.

    Several devices may share a host, behind a router: it is the one that announces the URL's port.
    """
    parts = urlsplit(url)
    for camera in await probe_addresses([parts.hostname or ""], seconds, port=port):
        if any(_port(xaddr) == _port(url) for xaddr in camera.xaddrs):
            return camera.endpoint
    return ""


def _port(url: str) -> int:
    parts = urlsplit(url)
    with contextlib.suppress(ValueError):
        return parts.port or (443 if parts.scheme == "https" else 80)
    return 0


class _Answers:
    """What was found, by endpoint."""

    def __init__(self, awaited: int) -> None:
        self.found: dict[str, FoundCamera] = {}
        self.complete = asyncio.Event()
        self._awaited = awaited
        self.done()

    def done(self, count: int = 0) -> None:
        """Note that one more has answered, or never will."""
        self._awaited -= count
        if self._awaited <= 0:
            self.complete.set()


class _Asked(asyncio.DatagramProtocol):
    """One host."""

    def __init__(self, message_id: str, answers: _Answers) -> None:
        self._id = message_id
        self._answers = answers
        self._over = False

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        try:
            message = parse(data)
            if not isinstance(message.body, ProbeMatches) or message.relates_to != self._id:
                return
            targets = [reached_at(target, str(addr[0])) for target in message.body.targets]
        except ValueError:
            return
        for target in targets:
            camera = found_camera(target.endpoint, target.types, target.scopes, target.xaddrs)
            if camera is not None and len(self._answers.found) < MAX_ANSWERS:
                self._answers.found[camera.endpoint] = camera
        self._end()

    def error_received(self, exc: Exception) -> None:  # noqa: ARG002 - nobody listens there
        self._end()

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._answers.done(1)


async def _ask(host: str, port: int, answers: _Answers) -> None:
    # Without types: devices of every kind must answer, and what they are is seen in the answer.
    message = Message(Probe(), message_id=uuid4().urn)
    try:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Asked(message.message_id, answers), remote_addr=(host, port)
        )
    except (OSError, UnicodeError):
        answers.done(1)
        return
    try:
        for _ in range(2):
            transport.sendto(serialize(message))
            await asyncio.sleep(REPEAT_SECONDS)
        await answers.complete.wait()
    finally:
        transport.close()
