"""Sends messages to consumers over HTTP: bounded in time, in connections and in what is read of an answer."""

from types import TracebackType
from typing import Self

import aiohttp

from gateway.domain.errors import ErrorKind, GatewayError

POST_SECONDS = 8.0
_OK, _REDIRECTION = 200, 300
_CONNECTIONS = 64
_CONNECTIONS_PER_HOST = 8


class HttpPoster:
    """A pool of connections to consumers, as an asynchronous context. Certificates of consumers are not checked.

    They are the VMS's own, made by nobody that a recorder in a closed network could know.
    """

    def __init__(self, content_type: str) -> None:
        self._headers = {"Content-Type": content_type, "User-Agent": "onvif-vms-gateway"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=_CONNECTIONS, limit_per_host=_CONNECTIONS_PER_HOST, ssl=False)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=POST_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
        )
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def post(self, url: str, data: bytes) -> None:
        """Return when the consumer has answered with 2xx. Raises GatewayError UNAVAILABLE when it has not in time."""
        if self._session is None:
            raise GatewayError(ErrorKind.UNAVAILABLE, "nothing is sent before the start and after the end")
        try:
            async with self._session.post(url, data=data, allow_redirects=False) as answer:
                if not _OK <= answer.status < _REDIRECTION:
                    raise GatewayError(ErrorKind.UNAVAILABLE, f"it answered with status {answer.status}")
        except TimeoutError:
            raise GatewayError(ErrorKind.UNAVAILABLE, f"no answer within {POST_SECONDS:g} seconds") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise GatewayError(ErrorKind.UNAVAILABLE, f"{type(error).__name__}: {error}") from error
