"""Who is calling: HTTP Digest and WS-UsernameToken side by side (Core §7.9.1, §7.9.5).

- No credentials where some are needed: HTTP 401 with Digest challenges and a SOAP fault, unless the caller's network
  may view without.
- A refused Authorization header: 401 again, so that a stale nonce can be replaced.
- A refused UsernameToken: HTTP 400 and no challenge. A client that sends tokens would read a challenge as a demand for
  another kind of login, or try the same wrong password again by Digest.
- Both given: HTTP first, then the token; both must pass. `Authorization: Basic` beside a token counts for nothing.
- Public operations look at no credentials, so that wrong ones do no harm.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.domain.access import ANONYMOUS, AccessClass, Account, may
from gateway.onvif.faults import BAD_REQUEST, UNAUTHORIZED, SoapFault, not_authorized
from gateway.protocols.soap.wsse import Outcome, TokenVerifier, UsernameToken
from gateway.sdk.clock import Clock

_NS = 1_000_000_000
_GUESSES = (Outcome.WRONG,)
"""Only these count towards blocking an address: the others show a right password or none at all."""


class Refusal(Protocol):
    """Why HTTP credentials were not accepted."""

    @property
    def challenges(self) -> tuple[str, ...]:
        """Values of WWW-Authenticate headers."""
        ...

    @property
    def blocked(self) -> bool:
        """Whether the address has failed too often of late."""
        ...


class Gatekeeper(Protocol):
    """What the endpoint needs of the keeper of accounts and failures."""

    def admit(self, address: str, method: str, authorization: str | None, uri: str = "") -> Account | Refusal:
        """Check an Authorization header."""
        ...

    def challenges(self) -> tuple[str, ...]:
        """Return fresh values for WWW-Authenticate headers."""
        ...

    def find(self, name: str) -> Account | None:
        """Return an account by name."""
        ...

    def anonymous(self, address: str) -> Account | None:
        """Return the account of callers without credentials from this address, if its network may view."""
        ...

    def failed(self, address: str) -> None:
        """Count a failure."""
        ...

    def blocked(self, address: str) -> bool:
        """Tell whether an address has failed too often of late."""
        ...


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request came with."""

    address: str
    uri: str
    authorization: str | None
    token: UsernameToken | None


class Unauthorized(Exception):  # noqa: N818 - HTTP's own word
    """Credentials are missing or refused."""

    def __init__(self, fault: SoapFault, challenges: Sequence[str] = (), username: str = "") -> None:
        super().__init__(fault.reason)
        self.fault = fault
        self.challenges = tuple(challenges)
        self.username = username


class Authenticator:
    """Finds the account of a request and checks that it may call the operation."""

    def __init__(self, gatekeeper: Gatekeeper, verifier: TokenVerifier | None, clock: Clock) -> None:
        """Without a verifier, UsernameTokens count for nothing and HTTP Digest is the only login."""
        self._gatekeeper = gatekeeper
        self._verifier = verifier
        self._clock = clock

    def account(self, credentials: Credentials, access: AccessClass) -> Account:
        """Return the caller's account. Raises Unauthorized."""
        if access is AccessClass.PRE_AUTH:
            return ANONYMOUS
        token = None if self._verifier is None else credentials.token
        authorization = credentials.authorization
        if token is not None and authorization is not None and not authorization.lower().startswith("digest"):
            authorization = None
        if token is None and authorization is None:
            return self._nobody(credentials, access)
        accounts = []
        if authorization is not None:
            accounts.append(self._by_http(credentials, authorization))
        if token is not None and self._verifier is not None:
            accounts.append(self._by_token(credentials.address, token, self._verifier))
        for account in accounts:
            if not may(account.level, access):
                reason = f"Sender not Authorized: the level {account.level} does not allow {access} operations"
                raise Unauthorized(not_authorized(reason), (), account.name)
        return accounts[-1]

    def challenge(self) -> Unauthorized:
        """Return the answer to a request that needs credentials and has none."""
        fault = not_authorized("Sender not Authorized: credentials are needed", UNAUTHORIZED)
        return Unauthorized(fault, self._gatekeeper.challenges())

    def _nobody(self, credentials: Credentials, access: AccessClass) -> Account:
        viewer = self._gatekeeper.anonymous(credentials.address)
        if viewer is not None and may(viewer.level, access):
            return viewer
        raise self.challenge()

    def _by_http(self, credentials: Credentials, authorization: str) -> Account:
        result = self._gatekeeper.admit(credentials.address, "POST", authorization, credentials.uri)
        if isinstance(result, Account):
            return result
        if result.blocked:
            raise Unauthorized(_blocked())
        raise Unauthorized(
            not_authorized("Sender not Authorized: the HTTP credentials are refused", UNAUTHORIZED), result.challenges
        )

    def _by_token(self, address: str, token: UsernameToken, verifier: TokenVerifier) -> Account:
        if self._gatekeeper.blocked(address):
            raise Unauthorized(_blocked(), (), token.username)
        account = self._gatekeeper.find(token.username)
        password = None if account is None else account.password
        outcome = verifier.verify(token, password, self._clock.utc_ns() / _NS)
        if outcome is Outcome.ACCEPTED and account is not None:
            return account
        if outcome in _GUESSES:
            self._gatekeeper.failed(address)
        raise Unauthorized(not_authorized(f"Sender not Authorized: {outcome.value}"), (), token.username)


def _blocked() -> SoapFault:
    return not_authorized("Sender not Authorized: too many failures from this address, try again later", BAD_REQUEST)
