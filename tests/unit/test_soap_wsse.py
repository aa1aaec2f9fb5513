"""UsernameTokens as clients really send them."""

import base64

import pytest
from lxml import etree
from soap_kit import token

from gateway.domain.access import Secret
from gateway.protocols.soap.wsse import Outcome, TokenVerifier, UsernameToken, created_at, digest, find_token

NOW = 1_700_000_000.0
CREATED = "2023-11-14T22:13:20Z"
PASSWORD = Secret("Blue-Tangent-19")


def parsed(created: str = CREATED, **options: str) -> UsernameToken:
    header = token("root", PASSWORD.reveal(), created, **options).replace("s:mustUnderstand", "mustUnderstand")
    found = find_token(etree.fromstring(header))
    assert found is not None
    return found


def test_the_digest_is_that_of_the_profile() -> None:
    nonce = base64.b64decode("LKqI6G/AikKCQrN0zqZFlg==")
    assert digest(nonce, "2010-09-16T07:50:45Z", Secret("userpassword")) == "tuOSpGlFlIXsozq4HFNeeGeFLEI="


@pytest.mark.parametrize(
    "created",
    [
        CREATED,
        "2023-11-14T22:13:20.123Z",
        "2023-11-14T22:13:20.123456789Z",
        "2023-11-14T22:13:20+00:00",
        "2023-11-14T23:13:20.5+01:00",
        "2023-11-14T22:13:20",
        "2023-11-14T22:17:00Z",
        "2023-11-14T22:09:00Z",
    ],
)
def test_every_form_of_created_is_hashed_as_sent(created: str) -> None:
    assert TokenVerifier().verify(parsed(created), PASSWORD, NOW) is Outcome.ACCEPTED


@pytest.mark.parametrize(
    "options", [{"kind": ""}, {"encoding": ""}, {"kind": "", "encoding": ""}, {"understand": "true"}]
)
def test_type_and_encoding_may_be_missing(options: dict[str, str]) -> None:
    assert TokenVerifier().verify(parsed(**options), PASSWORD, NOW) is Outcome.ACCEPTED


@pytest.mark.parametrize(
    "created", ["2023-11-14T22:18:21Z", "2023-11-14T22:08:19Z", "2023-13-40T00:00:00Z", "yesterday"]
)
def test_a_token_out_of_time_is_refused(created: str) -> None:
    assert TokenVerifier().verify(parsed(created), PASSWORD, NOW) is Outcome.OUT_OF_TIME


def test_a_token_counts_once_but_its_nonce_may_come_with_another_time() -> None:
    verifier = TokenVerifier()
    nonce = base64.b64encode(b"always the same").decode()
    first = parsed(nonce=nonce)
    assert verifier.verify(first, PASSWORD, NOW) is Outcome.ACCEPTED
    assert verifier.verify(first, PASSWORD, NOW) is Outcome.REPLAYED
    assert verifier.verify(parsed("2023-11-14T22:13:21Z", nonce=nonce), PASSWORD, NOW) is Outcome.ACCEPTED


def test_seen_tokens_are_forgotten_when_time_has_passed_and_never_too_many_are_kept() -> None:
    verifier = TokenVerifier(memory=10)
    for number in range(100):
        nonce = base64.b64encode(bytes([number])).decode()
        assert verifier.verify(parsed(nonce=nonce), PASSWORD, NOW) is Outcome.ACCEPTED
    assert len(verifier._seen) == 10
    assert verifier.verify(parsed("2023-11-14T23:13:20Z"), PASSWORD, NOW + 3600) is Outcome.ACCEPTED
    assert len(verifier._seen) == 1


def test_wrong_passwords_and_unknown_users_are_refused_alike() -> None:
    assert TokenVerifier().verify(parsed(), Secret("other"), NOW) is Outcome.WRONG
    assert TokenVerifier().verify(parsed(), None, NOW) is Outcome.WRONG


@pytest.mark.parametrize("missing", ["username", "password", "nonce", "created"])
def test_every_part_is_needed(missing: str) -> None:
    parts = {"username": "root", "password": "cGFzcw==", "nonce": "bm9uY2U=", "created": CREATED, missing: ""}
    assert TokenVerifier().verify(UsernameToken(**parts, text=False), PASSWORD, NOW) is Outcome.INCOMPLETE


def test_clear_text_only_where_allowed() -> None:
    sent = UsernameToken("root", PASSWORD.reveal(), text=True, nonce="", created="")
    assert TokenVerifier().verify(sent, PASSWORD, NOW) is Outcome.TEXT_REFUSED
    assert TokenVerifier(allow_text=True).verify(sent, PASSWORD, NOW) is Outcome.ACCEPTED
    assert TokenVerifier(allow_text=True).verify(sent, Secret("other"), NOW) is Outcome.WRONG
    assert TokenVerifier(allow_text=True).verify(sent, None, NOW) is Outcome.WRONG


@pytest.mark.parametrize("nonce", ["%%%", "x", "A" * 5000])
def test_a_nonce_that_is_none_is_refused(nonce: str) -> None:
    sent = UsernameToken("root", "cGFzcw==", text=False, nonce=nonce, created=CREATED)
    assert TokenVerifier().verify(sent, PASSWORD, NOW) is Outcome.WRONG


def test_no_security_header_no_token() -> None:
    assert find_token(None) is None
    assert find_token(etree.fromstring("<Security/>")) is None


@pytest.mark.parametrize("text", ["", "2023", "0000-01-01T00:00:00Z", "2023-11-14T22:13:20+99:99"])
def test_times_that_are_none(text: str) -> None:
    assert created_at(text) is None
