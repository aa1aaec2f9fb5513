"""Posts each event to a URL, and takes a status of 2xx for the acknowledgement."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from gateway.domain.access import Secret
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.sdk.sink import EventSink, RetryLaterError, SinkContext, SinkEntry
from gateway_webhook.message import body, headers, retry_after, signing_key

_LONGEST_TIMEOUT = 60.0
_OK, _REDIRECT, _CLIENT_ERROR, _SERVER_ERROR = 200, 300, 400, 500
_PATIENT = (408, 429)
"""Client errors that a retry may help against."""
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """`[sink.settings]` of a webhook."""

    url: str
    secret: Secret | None = None
    """Signs what is sent (HMAC-SHA256)."""
    authorization: Secret | None = None
    """The header Authorization, such as `Bearer …`."""
    certificates: Path | None = None
    """PEM file of the certificates that are trusted, in place of the system's."""
    timeout: float = 10.0
    """Seconds for one attempt."""

    def __post_init__(self) -> None:
        """Check what types can't say. Raises ValueError."""
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"url: {self.url!r} must be http://… or https://…")
        if not 1 <= self.timeout <= _LONGEST_TIMEOUT:
            raise ValueError(f"timeout: must be from 1 to {_LONGEST_TIMEOUT:g} seconds, not {self.timeout:g}")
        if self.authorization is not None and not self.authorization.reveal().isprintable():
            raise ValueError("authorization: must be one line of printable characters")


class WebhookSink(EventSink):
    """One URL, with one connection that is kept between events."""

    Settings = WebhookSettings
    settings: WebhookSettings

    def __init__(self, settings: WebhookSettings, context: SinkContext) -> None:
        super().__init__(settings, context)
        self._session: aiohttp.ClientSession | None = None
        try:
            self._key = signing_key(settings.secret.reveal()) if settings.secret is not None else None
            self._tls = ssl.create_default_context(cafile=settings.certificates)
        except ValueError as error:
            raise GatewayError(ErrorKind.INVALID, str(error)) from None
        except OSError as error:  # also what is no certificate
            reason = f"certificates: {str(settings.certificates)!r} can't be used: {error.strerror or error}"
            raise GatewayError(ErrorKind.INVALID, reason) from None

    async def open(self) -> None:
        """Make the pool of the one connection."""
        fixed = {"Content-Type": "application/json", "User-Agent": "onvif-vms-gateway"}
        if self.settings.authorization is not None:
            fixed["Authorization"] = self.settings.authorization.reveal()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=1, ssl=self._tls),
            timeout=aiohttp.ClientTimeout(total=self.settings.timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=fixed,
        )

    async def send(self, entry: SinkEntry) -> None:
        """Post an event; of the answer only the head is read.

        Raises GatewayError UNAVAILABLE, or INVALID for an event that the service does not take.
        """
        if self._session is None:
            raise GatewayError(ErrorKind.UNAVAILABLE, "nothing is sent before the start")
        content = body(entry, self.context)
        signed = headers(entry.id, self.context.clock.utc_ns() // _NS, content, self._key)
        try:
            async with self._session.post(
                self.settings.url, data=content, headers=signed, allow_redirects=False
            ) as answer:
                self._judge(answer)
        except TimeoutError:
            raise self._unavailable(f"no answer within {self.settings.timeout:g} seconds") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._unavailable(f"{type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _judge(self, answer: aiohttp.ClientResponse) -> None:
        """Raise unless the service has acknowledged."""
        status = answer.status
        if _OK <= status < _REDIRECT:
            return
        reason = f"it answered with status {status}"
        if _CLIENT_ERROR <= status < _SERVER_ERROR and status not in _PATIENT:
            raise GatewayError(ErrorKind.INVALID, f"{self._host} refuses it: {reason}")
        seconds = retry_after(answer.headers.get("Retry-After", ""), self.context.clock.utc_ns())
        if seconds is not None:
            raise RetryLaterError(f"{self._host}: {reason}", seconds)
        raise self._unavailable(reason)

    def _unavailable(self, reason: str) -> GatewayError:
        return GatewayError(ErrorKind.UNAVAILABLE, f"{self._host}: {reason}")

    @property
    def _host(self) -> str:
        """The URL without its path and query, which may hold a secret."""
        parts = urlsplit(self.settings.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
