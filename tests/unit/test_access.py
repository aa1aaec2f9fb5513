"""The gatekeeper: who is let in, who is challenged and who must wait."""

from collections.abc import Sequence
from ipaddress import ip_network

import pytest

from gateway.domain.access import Account, Secret, UserLevel
from gateway.protocols.http_auth import DigestClient, DigestServer
from gateway.servers.access import VIEWER, Gatekeeper, Refusal
from gateway.services.accounts import Accounts
from gateway.services.limiter import FAILURES, FailureLimiter
from gateway.testing.clock import FakeClock

VMS = Account("vms", UserLevel.OPERATOR, Secret("Correct-Horse-9"))
PEER = "192.0.2.7"


class FixedStore:
    def load(self) -> list[Account]:
        return [VMS]

    async def write(self, changed: Sequence[Account], deleted: Sequence[str]) -> None:
        raise NotImplementedError

    async def refreshed(self) -> list[Account] | None:
        return None


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def gatekeeper(clock: FakeClock) -> Gatekeeper:
    networks = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    return Gatekeeper(Accounts(FixedStore()), DigestServer("ONVIF", b"k" * 32), FailureLimiter(), clock, networks)


def login(
    gatekeeper: Gatekeeper,
    password: str = "Correct-Horse-9",  # noqa: S107
    uri: str = "/onvif",
    method: str = "POST",
) -> str:
    client = DigestClient("vms", Secret(password))
    assert client.challenged(gatekeeper.challenges())
    sent = client.authorization(method, uri)
    assert sent is not None
    return sent


def test_challenge_then_login(gatekeeper: Gatekeeper) -> None:
    first = gatekeeper.admit(PEER, "POST", None)
    assert isinstance(first, Refusal)
    assert not first.blocked
    assert [("algorithm=MD5" in value, "stale" in value) for value in first.challenges] == [
        (True, False),
        (False, False),
    ]
    assert gatekeeper.admit(PEER, "POST", login(gatekeeper), "/onvif") == VMS


async def test_stale_nonce_is_told(gatekeeper: Gatekeeper, clock: FakeClock) -> None:
    header = login(gatekeeper)
    await clock.advance(301.0)
    refusal = gatekeeper.admit(PEER, "POST", header)
    assert isinstance(refusal, Refusal)
    assert all("stale=true" in value for value in refusal.challenges)


async def test_guessing_blocks_the_address_only(gatekeeper: Gatekeeper, clock: FakeClock) -> None:
    for _ in range(FAILURES):
        refusal = gatekeeper.admit(PEER, "POST", login(gatekeeper, "wrong-guess"))
        assert isinstance(refusal, Refusal)
        assert refusal.challenges
    assert gatekeeper.admit(PEER, "POST", login(gatekeeper)) == Refusal((), blocked=True)
    assert gatekeeper.blocked(PEER)
    assert gatekeeper.admit("192.0.2.8", "POST", login(gatekeeper)) == VMS
    await clock.advance(15.0)
    assert gatekeeper.admit(PEER, "POST", login(gatekeeper)) == VMS


def test_ten_default_passwords_and_then_the_right_one_again_and_again(gatekeeper: Gatekeeper) -> None:
    for _ in range(5):
        for _ in range(10):
            gatekeeper.admit(PEER, "POST", login(gatekeeper, "default-pw"))
        assert gatekeeper.admit(PEER, "POST", login(gatekeeper)) == VMS


def test_stale_unreadable_and_missing_credentials_are_no_guesses(gatekeeper: Gatekeeper) -> None:
    header = login(gatekeeper)
    assert gatekeeper.admit(PEER, "POST", header) == VMS
    for _ in range(FAILURES):
        for authorization in (None, header, "Basic eDp5", "Digest ?"):
            assert isinstance(gatekeeper.admit(PEER, "POST", authorization), Refusal)
    assert not gatekeeper.blocked(PEER)


def test_failed_tokens_count(gatekeeper: Gatekeeper, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(FAILURES):
        gatekeeper.failed(PEER)
    assert gatekeeper.blocked(PEER)
    assert caplog.messages == ["192.0.2.7 has failed to log in too often and must wait"]


@pytest.mark.parametrize(
    ("signed", "requested", "admitted"),
    [
        ("/onvif/media", "/onvif/media", True),
        ("http://nvr:8080/onvif/media", "/onvif/media", True),
        ("/onvif/media/", "/onvif/media", True),
        ("/snapshot/front%20door", "/snapshot/front door?x=1", True),
        ("/onvif/media", "", True),
        ("/onvif/media", "/snapshot/a", False),
        ("rtsp://h/live/a/main", "*", True),
        ("rtsp://h/live/a/main", "rtsp://h/live/a/main/trackID=0", True),
    ],
)
def test_signed_uri(gatekeeper: Gatekeeper, signed: str, requested: str, *, admitted: bool) -> None:
    result = gatekeeper.admit(PEER, "GET", login(gatekeeper, uri=signed, method="GET"), requested)
    assert isinstance(result, Account) is admitted


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.1.2.3", VIEWER),
        ("::ffff:10.1.2.3", VIEWER),
        ("fd00::1", VIEWER),
        ("192.0.2.1", None),
        ("2001:db8::1", None),
        ("", None),
    ],
)
def test_viewing_without_a_login(gatekeeper: Gatekeeper, address: str, expected: Account | None) -> None:
    assert gatekeeper.anonymous(address) == expected
    result = gatekeeper.admit(address, "DESCRIBE", None)
    assert result == expected if expected else isinstance(result, Refusal)
    assert VIEWER.level is UserLevel.USER


def test_wrong_credentials_from_a_viewing_network_are_refused(gatekeeper: Gatekeeper) -> None:
    assert isinstance(gatekeeper.admit("10.1.2.3", "POST", login(gatekeeper, "wrong-guess")), Refusal)


def test_find(gatekeeper: Gatekeeper) -> None:
    assert gatekeeper.find("vms") == VMS
    assert gatekeeper.find("(anonymous)") is None
