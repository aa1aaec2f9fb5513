"""Device service: users (Core §8.4.3). Every operation is atomic over its list; passwords are never returned."""

from collections.abc import Sequence
from typing import Any, Protocol

from gateway.domain.access import Account, Secret, UserLevel
from gateway.onvif.context import Context
from gateway.onvif.faults import Code, Receiver, Sender, SoapFault
from gateway.services.accounts import AccountError, Rule

_PROHIBITED = (Sender, "OperationProhibited")
_INVALID = (Sender, "InvalidArgVal")
_FAULTS: dict[Rule, tuple[Code, str]] = {
    Rule.USERNAME_MISSING: _INVALID,
    Rule.USERNAME: _INVALID,
    Rule.FIXED_USER: _INVALID,
    Rule.TOO_MANY_USERS: (Receiver, "Action"),
}
"""First two levels of a broken rule's fault; OperationProhibited is the rest (Core §8.4.3)."""


class Accounts(Protocol):
    """The keeper of accounts; each change is atomic over its list and raises GatewayError."""

    def find(self, name: str) -> Account | None:
        """Return an account by name."""
        ...

    def all(self) -> Sequence[Account]:
        """Return every account."""
        ...

    async def create(self, accounts: Sequence[Account]) -> None:
        """Add accounts."""
        ...

    async def change(self, accounts: Sequence[Account]) -> None:
        """Replace accounts of the same names."""
        ...

    async def delete(self, names: Sequence[str]) -> None:
        """Remove accounts by name."""
        ...


class UserOperations:
    """The accounts of the gateway, which serve ONVIF, RTSP and the console alike."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def GetUsers(self, _request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Return names and levels."""
        return {
            "User": [{"Username": account.name, "UserLevel": account.level.value} for account in self._accounts.all()]
        }

    async def CreateUsers(self, request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Add users; each needs a password."""
        users = [_account(user, Secret(user.get("Password", ""))) for user in request["User"]]
        try:
            await self._accounts.create(users)
        except AccountError as error:
            raise _fault(error) from None
        return {}

    async def SetUser(self, request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Change levels and passwords; a user without a new password keeps the old one."""
        changed = []
        for user in request["User"]:
            present = self._find(user["Username"])
            changed.append(_account(user, Secret(user["Password"]) if "Password" in user else present.password))
        try:
            await self._accounts.change(changed)
        except AccountError as error:
            raise _fault(error) from None
        return {}

    async def DeleteUsers(self, request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Remove users, all or none; the last administrator stays."""
        try:
            await self._accounts.delete(request["Username"])
        except AccountError as error:
            raise _fault(error) from None
        return {}

    def _find(self, name: str) -> Account:
        account = self._accounts.find(name)
        if account is None:
            raise SoapFault(Sender, "InvalidArgVal", "UsernameMissing", f"there is no user {name!r}")
        return account


def _account(user: dict[str, Any], password: Secret) -> Account:
    name, level = user["Username"], user["UserLevel"]
    if level not in tuple(UserLevel):
        raise SoapFault(Sender, "InvalidArgVal", "", f"the level {level!r} of the user {name!r} is not supported")
    return Account(name, UserLevel(level), password)


def _fault(error: AccountError) -> SoapFault:
    code, subcode = _FAULTS.get(error.rule, _PROHIBITED)
    return SoapFault(code, subcode, "" if error.rule is Rule.USERNAME else error.rule.value, error.message)
