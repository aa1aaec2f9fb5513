"""The gatekeeper: one door for HTTP and RTSP, with the same accounts, nonces and limits behind it."""

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from urllib.parse import unquote

from gateway.domain.access import Account, Secret, UserLevel
from gateway.protocols.http_auth import DigestServer, Outcome
from gateway.sdk.clock import Clock
from gateway.services.accounts import Accounts
from gateway.services.limiter import FailureLimiter, parse_address

VIEWER = Account("(anonymous)", UserLevel.USER, Secret(""))
"""Whoever views without a login from a network that may; no account can have this name."""

_ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is not let in, with the WWW-Authenticate values of its answer."""

    challenges: tuple[str, ...]
    blocked: bool
    """The address has failed too often and must wait; no credentials were looked at."""


class Gatekeeper:
    """Decides whose request it is."""

    def __init__(
        self,
        accounts: Accounts,
        digest: DigestServer,
        limiter: FailureLimiter,
        clock: Clock,
        anonymous_networks: Iterable[IPv4Network | IPv6Network] = (),
    ) -> None:
        self._accounts = accounts
        self._digest = digest
        self._limiter = limiter
        self._clock = clock
        self._networks = tuple(anonymous_networks)

    def admit(self, address: str, method: str, authorization: str | None, uri: str = "") -> Account | Refusal:
        """Return the account that a request's Authorization value proves, or why there is none.

        `address` is the peer's. The URI that an HTTP client signed must be that of its request, `uri`; an RTSP
        client may sign its session's base address instead, so only an HTTP address or path is compared.
        """
        if authorization is None:
            return self.anonymous(address) or Refusal(self.challenges(), blocked=False)
        if self.blocked(address):
            return Refusal((), blocked=True)
        now = self._clock.monotonic()
        verdict = self._digest.verify(authorization, method, self._password, now)
        account = self.find(verdict.username)
        if verdict.outcome is Outcome.ACCEPTED and account is not None and _same_resource(verdict.uri, uri):
            self._limiter.succeeded(address)
            return account
        if verdict.outcome is Outcome.REFUSED and verdict.username:
            self.failed(address)
        return Refusal(self._digest.challenges(now, stale=verdict.outcome is Outcome.STALE), blocked=False)

    def challenges(self) -> tuple[str, ...]:
        """Return fresh WWW-Authenticate values, one header each."""
        return self._digest.challenges(self._clock.monotonic())

    def find(self, name: str) -> Account | None:
        """Return the account with this name."""
        return self._accounts.find(name)

    def failed(self, address: str) -> None:
        """Count a wrong password given in another way, such as in a UsernameToken."""
        if self._limiter.failed(address, self._clock.monotonic()):
            _log.warning("%s has failed to log in too often and must wait", address)

    def blocked(self, address: str) -> bool:
        """Tell whether an address has failed too often of late."""
        return self._limiter.blocked(address, self._clock.monotonic())

    def anonymous(self, address: str) -> Account | None:
        """Return the viewer's account if an address's network may view without a login."""
        parsed = parse_address(address)
        allowed = parsed is not None and any(parsed in network for network in self._networks)
        return VIEWER if allowed else None

    def _password(self, name: str) -> Secret | None:
        account = self._accounts.find(name)
        return None if account is None else account.password


def _same_resource(signed: str, requested: str) -> bool:
    """Compare two HTTP addresses leniently: origin, query, escapes and a last `/` don't count."""
    if not requested.lower().startswith(("/", "http")):
        return True
    first, second = (unquote(_ORIGIN.sub("", address).partition("?")[0]).rstrip("/") for address in (signed, requested))
    return first == second
