"""WS-Security UsernameToken (OASIS WSS UsernameToken Profile 1.0)."""

import hmac
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from hashlib import sha1

from lxml import etree

from gateway.domain.access import Secret
from gateway.protocols.soap.envelope import WSSE, escape

WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss"
_TOKEN_PROFILE = f"{_OASIS}-username-token-profile-1.0"
_BASE64 = f"{_OASIS}-soap-message-security-1.0#Base64Binary"
WINDOW = 300.0
"""Seconds that Created may differ from our clock; the profile asks for at least five minutes."""

_CREATED = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:[.,]\d+)?)?\s*(?:([zZ])|([+-])(\d\d):?(\d\d))?", re.ASCII
)
_MAX_FIELD = 1024


class Outcome(Enum):
    """What became of a token."""

    ACCEPTED = "accepted"
    WRONG = "the user name or password is wrong"
    REPLAYED = "the nonce was used before"
    OUT_OF_TIME = "Created lies more than five minutes from the device's time"
    TEXT_REFUSED = "a password in clear text is not accepted"
    INCOMPLETE = "Username, Password, Nonce and Created are all needed"


@dataclass(frozen=True, slots=True)
class UsernameToken:
    """A token as it was sent; empty where absent."""

    username: str
    password: str
    """The digest in base64, or a clear password."""
    text: bool
    """Whether the password's Type says clear text."""
    nonce: str
    """In base64, as sent."""
    created: str
    """Verbatim: it is part of the digest."""


def find_token(security: etree._Element | None) -> UsernameToken | None:
    """Return the UsernameToken of a wsse:Security header, or None; a digest needs neither Type nor EncodingType."""
    token = None if security is None else security.find(f"{{{WSSE}}}UsernameToken")
    if token is None:
        return None
    password = token.find(f"{{{WSSE}}}Password")
    kind = "" if password is None else password.get("Type", "")
    return UsernameToken(
        username=_text(token, f"{{{WSSE}}}Username"),
        password=_text(token, f"{{{WSSE}}}Password"),
        text=kind.endswith("PasswordText"),
        nonce=_text(token, f"{{{WSSE}}}Nonce").strip(),
        created=_text(token, f"{{{WSU}}}Created"),
    )


def digest(nonce: bytes, created: str, password: Secret) -> str:
    """Return `Base64(SHA1(nonce + created + password))` (profile §3.1)."""
    sent = nonce + created.encode() + password.reveal().encode()
    return b64encode(sha1(sent, usedforsecurity=False).digest()).decode()


def security_header(username: str, password: Secret, nonce: bytes, created: str) -> str:
    """Return a Security header block with the token of a client, its password as digest; `created` is UTC text."""
    return (
        f'<wsse:Security xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}" env:mustUnderstand="1"><wsse:UsernameToken>'
        f"<wsse:Username>{escape(username)}</wsse:Username>"
        f'<wsse:Password Type="{_TOKEN_PROFILE}#PasswordDigest">{digest(nonce, created, password)}</wsse:Password>'
        f'<wsse:Nonce EncodingType="{_BASE64}">{b64encode(nonce).decode()}</wsse:Nonce>'
        f"<wsu:Created>{created}</wsu:Created></wsse:UsernameToken></wsse:Security>"
    )


def created_at(text: str) -> float | None:
    """Return Created as seconds since the epoch, or None. No zone means UTC; fractions do not matter here."""
    match = _CREATED.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    offset = timedelta(hours=int(match[9] or 0), minutes=int(match[10] or 0))
    try:
        zone = timezone(-offset if match[8] == "-" else offset)
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone).timestamp()
    except (ValueError, OverflowError):
        return None


class TokenVerifier:
    """Verifies tokens once each. Keeps nonces with their Created, as clients use one nonce with several Created."""

    def __init__(self, *, allow_text: bool = False, window: float = WINDOW, memory: int = 50_000) -> None:
        self._allow_text = allow_text
        self._window = window
        self._memory = memory
        self._seen: OrderedDict[tuple[str, str], float] = OrderedDict()

    def verify(self, token: UsernameToken, password: Secret | None, now: float) -> Outcome:
        """Check a token against the user's password, None for an unknown user; `now` is UTC in seconds."""
        if token.text:
            return self._verify_text(token, password)
        if not (token.username and token.password and token.nonce and token.created):
            return Outcome.INCOMPLETE
        if max(len(token.nonce), len(token.created), len(token.password)) > _MAX_FIELD:
            return Outcome.WRONG
        try:
            nonce = b64decode(token.nonce)
        except (Base64Error, ValueError):
            return Outcome.WRONG
        expected = digest(nonce, token.created, password or Secret(""))
        if not hmac.compare_digest(expected.encode(), token.password.strip().encode()) or password is None:
            return Outcome.WRONG
        return self._admit(token, now)

    def _verify_text(self, token: UsernameToken, password: Secret | None) -> Outcome:
        if not self._allow_text:
            return Outcome.TEXT_REFUSED
        expected = (password or Secret("")).reveal().encode()
        same = hmac.compare_digest(expected, token.password.encode())
        return Outcome.ACCEPTED if same and password is not None else Outcome.WRONG

    def _admit(self, token: UsernameToken, now: float) -> Outcome:
        created = created_at(token.created)
        if created is None or abs(created - now) > self._window:
            return Outcome.OUT_OF_TIME
        self._forget(now)
        key = (token.nonce, token.created)
        if key in self._seen:
            return Outcome.REPLAYED
        self._seen[key] = created + self._window
        return Outcome.ACCEPTED

    def _forget(self, now: float) -> None:
        """Drop tokens that are out of time anyway, and the oldest when there are too many."""
        while self._seen and (len(self._seen) >= self._memory or next(iter(self._seen.values())) < now):
            self._seen.popitem(last=False)


def _text(token: etree._Element, tag: str) -> str:
    node = token.find(tag)
    return "" if node is None else node.text or ""
