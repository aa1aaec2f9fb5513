"""Accounts: the rules, atomic changes, the first administrator, and changes by another process."""

import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from gateway.domain.access import Account, Secret, UserLevel
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.services.accounts import MAX_ACCOUNTS, AccountError, Accounts, Rule, check_account
from gateway.testing.clock import FakeClock, settle


class MemoryStore:
    """An `AccountStore` in memory."""

    def __init__(self, *accounts: Account) -> None:
        self.accounts = {account.name: account for account in accounts}
        self.changed_elsewhere = False
        self.broken = ""

    def load(self) -> list[Account]:
        return list(self.accounts.values())

    async def write(self, changed: Sequence[Account], deleted: Sequence[str]) -> None:
        self._check()
        for name in deleted:
            del self.accounts[name]
        self.accounts |= {account.name: account for account in changed}

    async def refreshed(self) -> list[Account] | None:
        self._check()
        changed, self.changed_elsewhere = self.changed_elsewhere, False
        return self.load() if changed else None

    def _check(self) -> None:
        if self.broken:
            raise GatewayError(ErrorKind.UNAVAILABLE, self.broken)


def account(name: str, level: UserLevel = UserLevel.USER, password: str = "Correct-Horse-9") -> Account:  # noqa: S107
    return Account(name, level, Secret(password))


ADMIN = account("root", UserLevel.ADMINISTRATOR)


async def test_create_find_change_delete() -> None:
    store = MemoryStore(ADMIN)
    accounts = Accounts(store)
    await accounts.create([account("vms"), account("alarm", UserLevel.OPERATOR)])
    assert [known.name for known in accounts.all()] == ["alarm", "root", "vms"]
    await accounts.change([account("vms", UserLevel.OPERATOR)])
    found = accounts.find("vms")
    assert found is not None
    assert found.level is UserLevel.OPERATOR
    await accounts.delete(["vms", "alarm"])
    assert accounts.all() == (ADMIN,)
    assert accounts.find("vms") is None
    assert Accounts(store).all() == (ADMIN,)


async def refusal(accounts: Accounts, attempt: str, argument: Sequence[Account] | Sequence[str]) -> AccountError:
    before = accounts.all()
    with pytest.raises(AccountError) as caught:
        await getattr(accounts, attempt)(argument)
    assert accounts.all() == before
    return caught.value


@pytest.mark.parametrize(
    ("attempt", "argument", "kind", "rule", "message"),
    [
        (
            "create",
            [account("new"), account("root")],
            ErrorKind.CONFLICT,
            Rule.USERNAME_CLASH,
            "there already is a user 'root'",
        ),
        (
            "create",
            [account("new"), account("new")],
            ErrorKind.CONFLICT,
            Rule.USERNAME_CLASH,
            "the user 'new' is named twice",
        ),
        (
            "create",
            [account(f"u{number}") for number in range(MAX_ACCOUNTS)],
            ErrorKind.LIMIT,
            Rule.TOO_MANY_USERS,
            "there can be no more than 64 users",
        ),
        ("change", [account("ghost")], ErrorKind.NOT_FOUND, Rule.USERNAME_MISSING, "there is no user 'ghost'"),
        ("delete", ["vms", "ghost"], ErrorKind.NOT_FOUND, Rule.USERNAME_MISSING, "there is no user 'ghost'"),
        (
            "delete",
            ["vms", "root"],
            ErrorKind.FORBIDDEN,
            Rule.FIXED_USER,
            "the last administrator can't be deleted or given another level",
        ),
        (
            "change",
            [account("root")],
            ErrorKind.FORBIDDEN,
            Rule.FIXED_USER,
            "the last administrator can't be deleted or given another level",
        ),
    ],
)
async def test_refused_changes_change_nothing(
    attempt: str, argument: list[Account] | list[str], kind: ErrorKind, rule: Rule, message: str
) -> None:
    store = MemoryStore(ADMIN, account("vms"))
    error = await refusal(Accounts(store), attempt, argument)
    assert (error.kind, error.rule, error.message) == (kind, rule, message)
    assert list(store.accounts) == ["root", "vms"]


async def test_administrators_may_be_exchanged_in_one_change() -> None:
    accounts = Accounts(MemoryStore(ADMIN, account("vms")))
    await accounts.change([account("root"), account("vms", UserLevel.ADMINISTRATOR)])
    assert [known.level for known in accounts.all()] == [UserLevel.USER, UserLevel.ADMINISTRATOR]


async def test_a_failed_write_changes_nothing_in_memory() -> None:
    store = MemoryStore(ADMIN)
    accounts = Accounts(store)
    store.broken = "the disk is full"
    with pytest.raises(GatewayError, match="the disk is full"):
        await accounts.create([account("new")])
    assert accounts.find("new") is None


@pytest.mark.parametrize(
    ("name", "password", "rule", "message"),
    [
        ("", "Correct-Horse-9", Rule.USERNAME_TOO_SHORT, "a user name can't be empty"),
        ("a" * 65, "Correct-Horse-9", Rule.USERNAME_TOO_LONG, f"the user name {'a' * 64!r}… is too long"),
        ("a:b", "Correct-Horse-9", Rule.USERNAME, "must be ASCII without"),
        ("jörg", "Correct-Horse-9", Rule.USERNAME, "must be ASCII without"),
        ("(anonymous)", "Correct-Horse-9", Rule.USERNAME, "beginning with a letter or digit"),
        ("trailing ", "Correct-Horse-9", Rule.USERNAME, "must be ASCII"),
        ("vms", "", Rule.PASSWORD_TOO_WEAK, "the password of user 'vms' has 0 characters; it must have at least 8"),
        ("vms", "x" * 129, Rule.PASSWORD_TOO_LONG, "has more than 128 bytes"),
        ("vms", "ü" * 65, Rule.PASSWORD_TOO_LONG, "has more than 128 bytes"),
        ("vms", "Correct\nHorse", Rule.PASSWORD, "has a control character in it"),
        ("vms", "aaaaaaaabbbb", Rule.PASSWORD_TOO_WEAK, "is too easy to guess"),
        ("vms", "12345678", Rule.PASSWORD_TOO_WEAK, "is too easy to guess"),
        ("admin", "Admin12345", Rule.PASSWORD_TOO_WEAK, "contains the user name"),
    ],
)
def test_name_and_password_rules(name: str, password: str, rule: Rule, message: str) -> None:
    with pytest.raises(AccountError) as caught:
        check_account(account(name, password=password))
    assert caught.value.rule is rule
    assert message in caught.value.message
    assert caught.value.kind is ErrorKind.INVALID
    assert not password or password not in caught.value.message


def test_nobody_is_anonymous() -> None:
    with pytest.raises(AccountError, match="the user 'vms' can't have the level Anonymous"):
        check_account(account("vms", UserLevel.ANONYMOUS))


@pytest.mark.parametrize("name", ["a", "OnvifUser1", "milestone service", "a@b.example", "x.y-z_1"])
def test_usual_names_are_fine(name: str) -> None:
    check_account(account(name, password="P" + "0123456789" * 6))


class TestFirstAdministrator:
    async def test_random_password_is_returned_once(self) -> None:
        store = MemoryStore()
        created = await Accounts(store).ensure_first_administrator({})
        assert created is not None
        assert (created.name, created.level) == ("admin", UserLevel.ADMINISTRATOR)
        assert len(created.password.reveal()) == 16
        assert store.accounts["admin"] == created
        assert await Accounts(store).ensure_first_administrator({}) is None

    async def test_no_two_are_alike(self) -> None:
        first, second = [await Accounts(MemoryStore()).ensure_first_administrator({}) for _ in range(2)]
        assert first != second

    async def test_given_password_is_not_returned(self) -> None:
        store = MemoryStore()
        environment = {"GATEWAY_ADMIN_PASSWORD": "Correct-Horse-9"}
        assert await Accounts(store).ensure_first_administrator(environment) is None
        assert store.accounts["admin"].password.reveal() == "Correct-Horse-9"

    @pytest.mark.parametrize("password", ["", "short", "admin-admin"])
    async def test_weak_password_is_refused(self, password: str) -> None:
        store = MemoryStore()
        with pytest.raises(AccountError, match="GATEWAY_ADMIN_PASSWORD can't be used: the password of user 'admin'"):
            await Accounts(store).ensure_first_administrator({"GATEWAY_ADMIN_PASSWORD": password})
        assert not store.accounts

    async def test_existing_users_are_left_alone(self) -> None:
        accounts = Accounts(MemoryStore(ADMIN))
        assert await accounts.ensure_first_administrator({"GATEWAY_ADMIN_PASSWORD": "Correct-Horse-9"}) is None
        assert accounts.find("admin") is None

    async def test_users_without_an_administrator_get_one(self) -> None:
        operator = Account("milestone", UserLevel.OPERATOR, Secret("Correct-Horse-9"))
        created = await Accounts(MemoryStore(operator)).ensure_first_administrator({})
        assert created is not None
        assert created.level is UserLevel.ADMINISTRATOR

    async def test_an_admin_who_is_none_is_not_promoted(self) -> None:
        accounts = Accounts(MemoryStore(Account("admin", UserLevel.USER, Secret("Correct-Horse-9"))))
        with pytest.raises(AccountError, match="there is no administrator, and the user 'admin' is none"):
            await accounts.ensure_first_administrator({})


async def test_follows_what_another_process_changes(caplog: pytest.LogCaptureFixture) -> None:
    store, clock = MemoryStore(ADMIN), FakeClock()
    accounts = Accounts(store)
    task = asyncio.create_task(accounts.follow(clock))
    await settle()
    store.accounts["late"] = account("late")
    await clock.advance(2.0)
    assert accounts.find("late") is None
    store.changed_elsewhere = True
    await clock.advance(2.0)
    assert accounts.find("late") is not None
    store.broken = "the database is locked"
    await clock.advance(6.0)
    assert caplog.messages.count("the accounts can't be looked at: the database is locked") == 1
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
