"""The users of ONVIF, RTSP and the console, and the rules that they keep."""

import asyncio
import logging
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from gateway.domain.access import Account, Secret, UserLevel
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.sdk.clock import Clock

MAX_ACCOUNTS = 64
MAX_NAME = 64
"""Characters in a user name."""

MIN_PASSWORD, MAX_PASSWORD = 8, 128
"""Characters at least, and bytes in UTF-8 at most, in a password (ONVIF recommends at least 28)."""

MIN_DISTINCT = 4
"""Different characters at least in a password."""

FIRST_ADMINISTRATOR = "admin"
PASSWORD_VARIABLE = "GATEWAY_ADMIN_PASSWORD"  # noqa: S105 - a variable's name
FOLLOW_SECONDS = 2.0
"""How often a running gateway looks whether a command changed the accounts."""

_NAME = re.compile(r"[A-Za-z0-9_](?:[!#-9;-\[\]-~ ]*[!#-9;-\[\]-~])?")
"""Printable ASCII, since clients disagree about the rest, without `:` (Basic), quotes and backslashes (Digest)."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NOTORIOUS = frozenset({"password", "passw0rd", "12345678", "123456789", "1234567890", "qwertyui", "qwerty123"})
_LETTERS = "abcdefghijkmnpqrstuvwxyzACDEFGHJKLMNPQRTUVWXYZ2346789"
_RANDOM_LENGTH = 16

_log = logging.getLogger(__name__)


class Rule(StrEnum):
    """What a refused change ran against, in the words of ONVIF's faults (Core §10.5)."""

    USERNAME_CLASH = "UsernameClash"
    USERNAME_MISSING = "UsernameMissing"
    USERNAME_TOO_SHORT = "UsernameTooShort"
    USERNAME_TOO_LONG = "UsernameTooLong"
    USERNAME = "Username"
    PASSWORD = "Password"  # noqa: S105 - a fault's name
    PASSWORD_TOO_LONG = "PasswordTooLong"  # noqa: S105
    PASSWORD_TOO_WEAK = "PasswordTooWeak"  # noqa: S105
    ANONYMOUS_NOT_ALLOWED = "AnonymousNotAllowed"
    FIXED_USER = "FixedUser"
    TOO_MANY_USERS = "TooManyUsers"


class AccountError(GatewayError):
    """A refused change of accounts, with the rule it broke."""

    def __init__(self, kind: ErrorKind, rule: Rule, message: str) -> None:
        super().__init__(kind, message)
        self.rule = rule


class AccountStore(Protocol):
    """Where accounts survive a restart."""

    def load(self) -> list[Account]:
        """Return every account. Raises GatewayError."""
        ...

    async def write(self, changed: Sequence[Account], deleted: Sequence[str]) -> None:
        """Put accounts, new or replaced, and delete others, all or none. Raises GatewayError."""
        ...

    async def refreshed(self) -> list[Account] | None:
        """Return every account if another process changed them since the last look, or None."""
        ...


class Accounts:
    """All accounts, kept in memory; every change is written before it counts."""

    def __init__(self, store: AccountStore, random_text: Callable[[], str] | None = None) -> None:
        self._store = store
        self._random_text = random_text or _random_password
        self._accounts = {account.name: account for account in store.load()}
        self._changing = asyncio.Lock()

    def find(self, name: str) -> Account | None:
        """Return the account with exactly this name."""
        return self._accounts.get(name)

    def all(self) -> tuple[Account, ...]:
        """Return every account, by name."""
        return tuple(self._accounts[name] for name in sorted(self._accounts))

    async def create(self, accounts: Sequence[Account]) -> None:
        """Add accounts, all or none. Raises AccountError: INVALID, CONFLICT or LIMIT."""
        async with self._changing:
            _check_distinct([account.name for account in accounts])
            for account in accounts:
                check_account(account)
                if account.name in self._accounts:
                    raise AccountError(
                        ErrorKind.CONFLICT, Rule.USERNAME_CLASH, f"there already is a user {account.name!r}"
                    )
            if len(self._accounts) + len(accounts) > MAX_ACCOUNTS:
                raise AccountError(
                    ErrorKind.LIMIT, Rule.TOO_MANY_USERS, f"there can be no more than {MAX_ACCOUNTS} users"
                )
            await self._write(accounts, ())

    async def change(self, accounts: Sequence[Account]) -> None:
        """Replace accounts by name, all or none. Raises AccountError: INVALID, NOT_FOUND, CONFLICT or FORBIDDEN."""
        async with self._changing:
            self._check_known([account.name for account in accounts])
            for account in accounts:
                check_account(account)
            await self._write(accounts, ())

    async def delete(self, names: Sequence[str]) -> None:
        """Remove accounts, all or none. Raises AccountError: NOT_FOUND, CONFLICT or FORBIDDEN."""
        async with self._changing:
            self._check_known(names)
            await self._write((), names)

    async def ensure_first_administrator(self, environment: Mapping[str, str]) -> Account | None:
        """Create `admin` if there is no account at all; return it only if its password was made up here.

        The password is that of GATEWAY_ADMIN_PASSWORD, or random. Raises AccountError if the given one is too weak.
        """
        if any(account.level is UserLevel.ADMINISTRATOR for account in self._accounts.values()):
            return None
        if FIRST_ADMINISTRATOR in self._accounts:
            reason = (
                f"there is no administrator, and the user {FIRST_ADMINISTRATOR!r} is none; add one by `gateway users`"
            )
            raise AccountError(ErrorKind.CONFLICT, Rule.USERNAME_CLASH, reason)
        given = environment.get(PASSWORD_VARIABLE)
        password = Secret(self._random_text() if given is None else given)
        account = Account(FIRST_ADMINISTRATOR, UserLevel.ADMINISTRATOR, password)
        try:
            await self.create([account])
        except AccountError as error:
            raise AccountError(error.kind, error.rule, f"{PASSWORD_VARIABLE} can't be used: {error.message}") from error
        return account if given is None else None

    async def follow(self, clock: Clock) -> None:
        """Take over what another process changes, such as the command `gateway users`, until cancelled."""
        complaint = ""
        while True:
            await clock.sleep(FOLLOW_SECONDS)
            try:
                async with self._changing:
                    accounts = await self._store.refreshed()
                    if accounts is not None:
                        self._accounts = {account.name: account for account in accounts}
                        _log.info("the accounts have been changed: there are %d", len(accounts))
                complaint = ""
            except GatewayError as error:
                if error.message != complaint:
                    complaint = error.message
                    _log.warning("the accounts can't be looked at: %s", complaint)

    async def _write(self, changed: Sequence[Account], deleted: Sequence[str]) -> None:
        after = {name: account for name, account in self._accounts.items() if name not in deleted}
        after |= {account.name: account for account in changed}
        had, has = (
            any(account.level is UserLevel.ADMINISTRATOR for account in accounts.values())
            for accounts in (self._accounts, after)
        )
        if had and not has:
            raise AccountError(
                ErrorKind.FORBIDDEN, Rule.FIXED_USER, "the last administrator can't be deleted or given another level"
            )
        await self._store.write(changed, deleted)
        self._accounts = after

    def _check_known(self, names: Sequence[str]) -> None:
        _check_distinct(names)
        for name in names:
            if name not in self._accounts:
                raise AccountError(ErrorKind.NOT_FOUND, Rule.USERNAME_MISSING, f"there is no user {name!r}")


def check_account(account: Account) -> None:
    """Check name, level and password. Raises AccountError of kind INVALID."""
    name, password = account.name, account.password.reveal()
    rules = [
        (not name, Rule.USERNAME_TOO_SHORT, "a user name can't be empty"),
        (len(name) > MAX_NAME, Rule.USERNAME_TOO_LONG, f"the user name {name[:MAX_NAME]!r}… is too long"),
        (
            not _NAME.fullmatch(name),
            Rule.USERNAME,
            f"the user name {name!r} must be ASCII without ':', '\"' and '\\', beginning with a letter or digit",
        ),
        (
            account.level is UserLevel.ANONYMOUS,
            Rule.ANONYMOUS_NOT_ALLOWED,
            f"the user {name!r} can't have the level Anonymous",
        ),
        *_password_rules(name, password),
    ]
    for broken, rule, message in rules:
        if broken:
            raise AccountError(ErrorKind.INVALID, rule, message)


def _password_rules(name: str, password: str) -> list[tuple[bool, Rule, str]]:
    whose = f"the password of user {name!r}"
    return [
        (
            len(password) < MIN_PASSWORD,
            Rule.PASSWORD_TOO_WEAK,
            f"{whose} has {len(password)} characters; it must have at least {MIN_PASSWORD}",
        ),
        (
            len(password.encode("utf-8", "surrogateescape")) > MAX_PASSWORD,
            Rule.PASSWORD_TOO_LONG,
            f"{whose} has more than {MAX_PASSWORD} bytes",
        ),
        (bool(_CONTROL.search(password)), Rule.PASSWORD, f"{whose} has a control character in it"),
        (
            len(set(password)) < MIN_DISTINCT or password.lower() in _NOTORIOUS,
            Rule.PASSWORD_TOO_WEAK,
            f"{whose} is too easy to guess",
        ),
        (name.lower() in password.lower(), Rule.PASSWORD_TOO_WEAK, f"{whose} contains the user name"),
    ]


def _check_distinct(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise AccountError(ErrorKind.CONFLICT, Rule.USERNAME_CLASH, f"the user {name!r} is named twice")


def _random_password() -> str:
    """Return 90 bits of letters and digits that can't be mistaken for each other."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_RANDOM_LENGTH))
