"""SOAP over HTTP to one camera: deadlines, size limits, and the way of logging in that the camera takes.

A request goes out without credentials first, and the refusal says which way the camera takes: a Digest challenge, or a
SOAP fault for a UsernameToken. So a wrong password costs one failed login, and after it none is tried any more.
"""

import copy
import secrets
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from types import TracebackType
from typing import Final, NoReturn, Self

import aiohttp

from gateway.domain.access import Secret
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.protocols.http_auth import DigestClient
from gateway.protocols.soap.answers import MAX_ANSWER_BYTES, Element, SoapFault, parse_answer
from gateway.protocols.soap.envelope import EnvelopeError, SoapVersion
from gateway.protocols.soap.wsse import security_header
from gateway.sdk.clock import Clock
from gateway_onvif.address import name_of
from gateway_onvif.messages import NAMESPACES

_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _REDIRECTION = 401, 403, 404, 300
_REFUSALS: Final = {"NotAuthorized", "FailedAuthentication", "InvalidSecurity", "SenderNotAuthorized", "Unauthorized"}
_NONCE_BYTES: Final = 16
_CHUNK: Final = 65_536
_LONGEST_REASON: Final = 200
CLOCK_TOLERANCE: Final = 5.0
"""Seconds that a camera's clock may differ without a word about it."""


class Login(StrEnum):
    """How a camera is logged in to."""

    NONE = "none"
    DIGEST = "HTTP Digest"
    TOKEN = "WS-UsernameToken"  # noqa: S105 - ONVIF's name of a way to log in


class SoapClient:
    """Requests to one camera, as an asynchronous context. Every failure is a GatewayError in plain words, or SoapFault.

    UNAVAILABLE: not reached, or no answer; UNAUTHENTICATED: the login; UNSUPPORTED: what answers is no ONVIF.
    """

    def __init__(
        self,
        device: str,
        username: str,
        password: Secret | None,
        clock: Clock,
        *,
        timeout: float = 5.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.device = device
        """URL of the Device service."""
        self.name = name_of(device)
        self.login = Login.NONE
        self.offset: float | None = None
        """Seconds that the camera's clock is ahead of ours; None while it is not known."""
        self._username = username
        self._password = password
        self._clock = clock
        self._timeout = timeout
        self._tls = tls
        self._digest = DigestClient(username, password or Secret(""))
        self._refused = ""
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open it."""
        # A connection for every request: cameras that close one without a word would cost a retry each time.
        connector = aiohttp.TCPConnector(force_close=True, ssl=self._tls or True)
        self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Close it."""
        if self._session is not None:
            await self._session.close()

    def again(self) -> Self:
        """Return a client of the same camera that need not find out again how to log in, as a context of its own."""
        other = copy.copy(self)
        other._session = None  # noqa: SLF001 - its own
        return other

    async def call(
        self, url: str, body: str, *, headers: str = "", action: str = "", wait: float = 0.0, anonymous: bool = False
    ) -> Element:
        """Send a request and return what the Body of the answer holds. Raises GatewayError or SoapFault.

        `headers` are further header blocks, `wait` the seconds that the camera may take on top of the time-out.
        `anonymous` requests are never repeated with credentials.
        """
        try:
            return await self._attempt(url, body, headers, action, wait)
        except _Refused as refused:
            if anonymous:
                self._refuse("asks for a user and password")
            self._choose_login(refused)
        try:
            return await self._attempt(url, body, headers, action, wait)
        except _Refused as refused:
            if self.login is Login.DIGEST and self._digest.challenged(refused.challenges):  # an old nonce
                return await self._last_attempt(url, body, headers, action, wait)
            self._wrong_password()

    async def _last_attempt(self, url: str, body: str, headers: str, action: str, wait: float) -> Element:
        try:
            return await self._attempt(url, body, headers, action, wait)
        except _Refused:
            self._wrong_password()

    def _choose_login(self, refused: "_Refused") -> None:
        """Find out from a refusal how to log in. A refusal of what was sent is final, but for old nonces."""
        if self._refused:
            self._refuse(self._refused)
        if self._password is None and not self._username:
            self._refuse("asks for a user and password; none is set")
        if self.login is Login.TOKEN:
            self._wrong_password()
        # Not Basic, which ONVIF does not know: it would give the password away to whoever listens.
        if self._digest.challenged([value for value in refused.challenges if "digest" in value.lower()]):
            self.login = Login.DIGEST
        elif self.login is Login.DIGEST:
            self._wrong_password()
        else:
            self.login = Login.TOKEN

    async def _attempt(self, url: str, body: str, headers: str, action: str, wait: float) -> Element:
        if self._refused:
            self._refuse(self._refused)
        data = self._envelope(body, headers)
        sent = {"Content-Type": SoapVersion.V12.content_type + (f'; action="{action}"' if action else "")}
        path = url.partition("://")[2].partition("/")[2]
        if self.login is Login.DIGEST and (value := self._digest.authorization("POST", f"/{path}")):
            sent["Authorization"] = value
        status, challenges, content = await self._exchange(url, data, sent, wait)
        if status == _UNAUTHORIZED:
            raise _Refused(challenges)
        return self._read(url, status, content)

    async def _exchange(
        self, url: str, data: bytes, headers: dict[str, str], wait: float
    ) -> tuple[int, list[str], bytes]:
        if self._session is None:
            raise RuntimeError("the client is used outside of its context")
        timeout = aiohttp.ClientTimeout(total=self._timeout + wait, sock_connect=self._timeout)
        try:
            async with self._session.post(
                url, data=data, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                content = await self._content(answer)
                if self.offset is None and (date := answer.headers.get("Date")):
                    self._take_date(date)
                if _REDIRECTION <= answer.status < _UNAUTHORIZED - 1:
                    location = answer.headers.get("Location", "nowhere")
                    self._fail(ErrorKind.UNSUPPORTED, f"sends us to {location[:_LONGEST_REASON]}; use that address")
                return answer.status, answer.headers.getall("WWW-Authenticate", []), content
        except TimeoutError:
            self._fail(ErrorKind.UNAVAILABLE, f"does not answer within {self._timeout + wait:g} s")
        except aiohttp.ClientConnectorCertificateError as error:
            self._fail(ErrorKind.UNAVAILABLE, "has a certificate that can't be verified", error)
        except aiohttp.ClientConnectorError as error:
            reason = error.os_error.strerror or str(error.os_error)
            self._fail(ErrorKind.UNAVAILABLE, f"can't be reached: {reason}", error)
        except (aiohttp.ClientResponseError, ValueError) as error:
            self._fail(ErrorKind.UNSUPPORTED, "does not answer in HTTP: is this the port of ONVIF?", error)
        except (aiohttp.ClientError, OSError) as error:
            self._fail(ErrorKind.UNAVAILABLE, "closed the connection without a whole answer", error)

    async def _content(self, answer: aiohttp.ClientResponse) -> bytes:
        content = bytearray()
        async for chunk in answer.content.iter_chunked(_CHUNK):
            content += chunk
            if len(content) > MAX_ANSWER_BYTES:
                self._fail(ErrorKind.UNSUPPORTED, f"answers with more than {MAX_ANSWER_BYTES} bytes")
        return bytes(content)

    def _read(self, url: str, status: int, content: bytes) -> Element:
        try:
            return parse_answer(content)
        except SoapFault as fault:
            if _REFUSALS & set(fault.codes) or (status == _FORBIDDEN and not fault.codes):
                raise _Refused([]) from None
            raise
        except EnvelopeError as error:
            if status == _FORBIDDEN:
                self._fail(ErrorKind.UNAUTHENTICATED, f"forbids user {self._username!r} to ask at {url}")
            if status == _NOT_FOUND:
                self._fail(ErrorKind.UNSUPPORTED, f"knows no ONVIF service at {url}", error)
            what = f"answers with HTTP status {status} and no SOAP at {url}: it speaks no ONVIF there"
            self._fail(ErrorKind.UNSUPPORTED, what, error)

    def _envelope(self, body: str, headers: str) -> bytes:
        declared = {"env": SoapVersion.V12.namespace, **NAMESPACES}
        declarations = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in declared.items())
        security = self._token() if self.login is Login.TOKEN else ""
        header = f"<env:Header>{security}{headers}</env:Header>" if security or headers else ""
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<env:Envelope{declarations}>{header}'
            f"<env:Body>{body}</env:Body></env:Envelope>"
        ).encode()

    def _token(self) -> str:
        """Return the token in the camera's own time: it refuses one that is minutes old or from the future."""
        now = datetime.fromtimestamp(self._clock.utc_ns() / 1e9, UTC) + timedelta(seconds=self.offset or 0.0)
        created = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return security_header(self._username, self._password or Secret(""), nonce, created)

    def _take_date(self, date: str) -> None:
        """Know the camera's time from HTTP, until it tells it by ONVIF."""
        try:
            told = parsedate_to_datetime(date).timestamp()
        except (ValueError, TypeError, OverflowError):
            return
        self.offset = told - self._clock.utc_ns() / 1e9

    def _wrong_password(self) -> NoReturn:
        what = f"refuses user {self._username!r} or the password"
        if self.offset is not None and abs(self.offset) > CLOCK_TOLERANCE:
            what += f"; its clock is off by {self.offset:.0f} s"
        self._refuse(what)

    def _refuse(self, what: str) -> NoReturn:
        self._refused = self._refused or (what if self.login is not Login.NONE else "")
        self._fail(ErrorKind.UNAUTHENTICATED, what)

    def _fail(self, kind: ErrorKind, what: str, cause: Exception | None = None) -> NoReturn:
        raise GatewayError(kind, f"camera {self.name} {what}") from cause


class _Refused(Exception):  # noqa: N818 - one step of logging in
    def __init__(self, challenges: list[str]) -> None:
        super().__init__("refused")
        self.challenges = challenges
