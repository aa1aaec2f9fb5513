"""Sends messages to consumers over HTTP: bounded in time, in connections and in what is read of an answer."""

import errno
import socket
from functools import partial
from types import TracebackType
from typing import Self

import aiohttp
from aiohappyeyeballs import AddrInfoType

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.reach import Reach

POST_SECONDS = 8.0
_OK, _REDIRECTION = 200, 300
_CONNECTIONS = 64
_CONNECTIONS_PER_HOST = 8


_CLIENTS = 64
"""Clients on the gateway's own host or link-local that have connections of their own."""
_ELSEWHERE = ""


class HttpPoster:
    """Pools of connections to consumers, as an asynchronous context. Certificates of consumers are not checked.

    They are the VMS's own, made by nobody that a recorder in a closed network could know. Where a consumer may be is
    checked of the address that a connection is made to, whatever its name stood for before. Who may reach more than
    others, being on the gateway's own host, shares no connections with them.
    """

    def __init__(self, content_type: str, reach: Reach | None = None) -> None:
        self._headers = {"Content-Type": content_type, "User-Agent": "onvif-vms-gateway"}
        self._reach = reach or Reach()
        self._sessions: dict[str, aiohttp.ClientSession] | None = None

    async def __aenter__(self) -> Self:
        self._sessions = {}
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        sessions, self._sessions = self._sessions or {}, None
        for session in sessions.values():
            await session.close()

    async def post(self, url: str, data: bytes, client: str) -> None:
        """Return when the consumer has answered with 2xx; `client` is the address of who asked for the message.

        Raises GatewayError UNAVAILABLE when it has not in time.
        """
        session = self._session(client)
        try:
            async with session.post(url, data=data, allow_redirects=False) as answer:
                if not _OK <= answer.status < _REDIRECTION:
                    raise GatewayError(ErrorKind.UNAVAILABLE, f"it answered with status {answer.status}")
        except TimeoutError:
            raise GatewayError(ErrorKind.UNAVAILABLE, f"no answer within {POST_SECONDS:g} seconds") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise GatewayError(ErrorKind.UNAVAILABLE, f"{type(error).__name__}: {error}") from error

    def _session(self, client: str) -> aiohttp.ClientSession:
        if self._sessions is None:
            raise GatewayError(ErrorKind.UNAVAILABLE, "nothing is sent before the start and after the end")
        key = client if self._reach.is_near(client) else _ELSEWHERE
        if key not in self._sessions and len(self._sessions) >= _CLIENTS:
            key = _ELSEWHERE
        if key not in self._sessions:
            self._sessions[key] = self._opened(key)
        return self._sessions[key]

    def _opened(self, client: str) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=_CONNECTIONS,
            limit_per_host=_CONNECTIONS_PER_HOST,
            ssl=False,
            socket_factory=partial(self._socket, client),
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=POST_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
        )

    def _socket(self, client: str, found: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = found
        if not self._reach.permits(str(address[0]), client):
            raise PermissionError(errno.EACCES, f"nothing may be sent to {address[0]}")
        return socket.socket(family, kind, protocol)
