"""HTTP authentication against the vectors of RFC 7616, 2617 and 2069, and as clients and servers really behave."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.access import Secret
from gateway.protocols import http_auth
from gateway.protocols.http_auth import (
    Algorithm,
    DigestClient,
    DigestServer,
    Outcome,
    digest_response,
    parse_challenges,
    parse_credentials,
)

REALM = "ONVIF"
PASSWORDS = {"admin": Secret("s3cret-Word"), "käthe": Secret("pä55wörter")}


def make_server(life: float = 300.0) -> DigestServer:
    return DigestServer(REALM, b"k" * 32, life)


def answer(server: DigestServer, changes: dict[str, str] | None = None, *, now: float = 0.0) -> str:
    """A right MD5 answer to a new challenge, with some parameters changed after hashing."""
    (challenge,) = parse_challenges(server.challenges(now)[0])
    return answer_to(challenge.parameters["nonce"], changes)


def answer_to(nonce: str, changes: dict[str, str] | None = None, *, nc: int = 1) -> str:
    fields = {
        "username": "admin",
        "realm": REALM,
        "nonce": nonce,
        "uri": "/onvif/device_service",
        "qop": "auth",
        "nc": f"{nc:08x}",
        "cnonce": "c",
        "algorithm": "MD5",
    }
    fields["response"] = digest_response(
        "MD5",
        "admin",
        REALM,
        PASSWORDS["admin"],
        "POST",
        fields["uri"],
        nonce,
        qop="auth",
        nc=fields["nc"],
        cnonce="c",
    )
    fields |= changes or {}
    return "Digest " + ", ".join(f'{name}="{value}"' for name, value in fields.items())


def outcome(server: DigestServer, header: str, now: float = 0.0, method: str = "POST") -> Outcome:
    return server.verify(header, method, PASSWORDS.get, now).outcome


class TestVectors:
    RFC7616 = (
        "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )

    @pytest.mark.parametrize(
        ("algorithm", "expected"),
        [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ],
    )
    def test_rfc7616_section_3_9_1(self, algorithm: str, expected: str) -> None:
        nonce, cnonce = self.RFC7616
        client = DigestClient("Mufasa", Secret("Circle of Life"), lambda _: base64.b64decode(cnonce))
        assert client.challenged(
            [
                (
                    f'Digest realm="http-auth@example.org", qop="auth,auth-int", algorithm={algorithm}, nonce="{nonce}"'
                    ', opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
                )
            ]
        )
        sent = client.authorization("GET", "/dir/index.html")
        assert sent is not None
        assert parse_credentials(sent) == {
            "username": "Mufasa",
            "realm": "http-auth@example.org",
            "uri": "/dir/index.html",
            "algorithm": algorithm,
            "nonce": nonce,
            "nc": "00000001",
            "cnonce": cnonce,
            "qop": "auth",
            "response": expected,
            "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
        }

    def test_rfc2617_section_3_5(self) -> None:
        nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
        client = DigestClient("Mufasa", Secret("Circle Of Life"), lambda _: base64.b64decode("0a4f113b"))
        assert client.challenged(
            [
                (
                    f'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="{nonce}", '
                    'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
                )
            ]
        )
        sent = client.authorization("GET", "/dir/index.html")
        assert sent is not None
        assert 'response="6629fae49393a05397450978507c4ef1"' in sent
        assert "algorithm" not in sent

    def test_rfc2069_without_qop(self) -> None:
        # RFC 2069 §2.4 prints another value; this is the one of its erratum.
        client = DigestClient("Mufasa", Secret("CircleOfLife"))
        assert client.challenged(['Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'])
        sent = client.authorization("GET", "/dir/index.html")
        assert sent is not None
        assert 'response="1949323746fe6a43ef61f9606e7febea"' in sent
        assert "nc=" not in sent
        assert "cnonce" not in sent

    def test_session_variant_hashes_the_secret_with_both_nonces(self) -> None:
        secret = http_auth._md5("u:r:p")
        keyed = http_auth._md5(f"{secret}:n:c")
        expected = http_auth._md5(f"{keyed}:n:00000001:c:auth:{http_auth._md5('GET:/')}")
        got = digest_response("md5-sess", "u", "r", Secret("p"), "GET", "/", "n", qop="auth", nc="00000001", cnonce="c")
        assert got == expected


class TestServer:
    def test_challenges_md5_first_in_the_order_that_sscanf_clients_need(self) -> None:
        md5, sha256 = make_server().challenges(1.0, stale=True)
        assert re.fullmatch(
            r'Digest realm="ONVIF", nonce="[0-9a-f]+", stale=true, algorithm=MD5, qop="auth"',
            md5,
        )
        assert "algorithm=SHA-256" in sha256

    def test_no_two_nonces_are_alike(self) -> None:
        server = make_server()
        assert server.challenges(1.0) != server.challenges(1.0)

    @pytest.mark.parametrize("algorithms", [(Algorithm.MD5,), (Algorithm.SHA_256,), tuple(Algorithm)])
    @pytest.mark.parametrize("username", list(PASSWORDS))
    def test_accepts_our_client_again_and_again(self, algorithms: tuple[Algorithm, ...], username: str) -> None:
        server = make_server()
        server.algorithms = algorithms
        client = DigestClient(username, PASSWORDS[username])
        assert client.challenged(server.challenges(0.0))
        for second in range(3):
            sent = client.authorization("PLAY", 'rtsp://h/live/a"b\\c')
            assert sent is not None
            verdict = server.verify(sent, "PLAY", PASSWORDS.get, float(second))
            assert verdict == http_auth.Verdict(Outcome.ACCEPTED, username, 'rtsp://h/live/a"b\\c')

    def test_accepts_clients_without_qop_for_the_life_of_the_nonce(self) -> None:
        server = make_server(life=10.0)
        (challenge,) = parse_challenges(server.challenges(0.0)[0])
        nonce = challenge.parameters["nonce"]
        response = digest_response("MD5", "admin", REALM, PASSWORDS["admin"], "OPTIONS", "rtsp://h/", nonce)
        header = f'Digest username="admin", realm="{REALM}", nonce="{nonce}", uri="rtsp://h/", response="{response}"'
        assert [outcome(server, header, now, "OPTIONS") for now in (0.0, 9.0, 11.0)] == [
            Outcome.ACCEPTED,
            Outcome.ACCEPTED,
            Outcome.STALE,
        ]

    def test_response_may_be_in_capitals(self) -> None:
        server = make_server()
        header = answer(server)
        assert outcome(server, re.sub(r'(?<=response=")\w+', lambda m: m[0].upper(), header)) is Outcome.ACCEPTED

    @pytest.mark.parametrize(
        "changes",
        [
            {"realm": "elsewhere"},
            {"response": "0" * 32},
            {"response": "ñ"},
            {"algorithm": "SHA-512-256"},
            {"algorithm": "MD5-sess"},
            {"algorithm": "SHA-256"},
            {"qop": "auth-int"},
            {"qop": ""},
            {"nc": "xyz"},
            {"nc": ""},
            {"cnonce": ""},
            {"nonce": ""},
            {"uri": ""},
            {"uri": "/elsewhere"},
            {"username": "nobody"},
            {"username": ""},
        ],
        ids=str,
    )
    def test_refuses(self, changes: dict[str, str]) -> None:
        server = make_server()
        assert outcome(server, answer(server, changes)) is Outcome.REFUSED

    @pytest.mark.parametrize(
        "header", ["", "Digest", "Basic YWRtaW46YWRtaW4=", "Bearer x", "digest ,,,", "Digest username=admin"]
    )
    def test_refuses_other_schemes(self, header: str) -> None:
        assert outcome(make_server(), header) is Outcome.REFUSED

    def test_refuses_another_method(self) -> None:
        server = make_server()
        assert outcome(server, answer(server), method="GET") is Outcome.REFUSED

    def test_refuses_a_parameter_given_twice(self) -> None:
        server = make_server()
        assert outcome(server, answer(server) + ', username="admin"') is Outcome.REFUSED

    def test_refuses_an_overlong_header(self) -> None:
        server = make_server()
        assert outcome(server, answer(server) + f', x="{"a" * http_auth.MAX_HEADER}"') is Outcome.REFUSED

    def test_refused_verdict_still_names_the_user(self) -> None:
        server = make_server()
        verdict = server.verify(answer(server, {"response": "0" * 32}), "POST", PASSWORDS.get, 0.0)
        assert verdict == http_auth.Verdict(Outcome.REFUSED, "admin", "/onvif/device_service")

    def test_old_nonce_is_stale(self) -> None:
        server = make_server(life=300.0)
        assert outcome(server, answer(server, now=1000.0), 1300.0) is Outcome.ACCEPTED
        assert outcome(server, answer(server, now=1000.0), 1301.0) is Outcome.STALE

    def test_wrong_password_is_refused_even_with_an_old_nonce(self) -> None:
        server = make_server()
        assert outcome(server, answer(server, {"response": "0" * 32}), 1301.0) is Outcome.REFUSED

    @pytest.mark.parametrize("nonce", ["zz", "00", "ab" * 32, "ñ"])
    def test_foreign_nonce_is_stale(self, nonce: str) -> None:
        assert outcome(make_server(), answer_to(nonce)) is Outcome.STALE

    def test_nonce_of_another_run_is_stale(self) -> None:
        other = DigestServer(REALM, b"x" * 32)
        assert outcome(make_server(), answer(other)) is Outcome.STALE

    def test_replayed_count_is_stale_and_late_ones_are_not(self) -> None:
        server = make_server()
        (challenge,) = parse_challenges(server.challenges(0.0)[0])
        nonce = challenge.parameters["nonce"]

        def attempt(nc: int) -> Outcome:
            return outcome(server, answer_to(nonce, nc=nc))

        assert attempt(1) is Outcome.ACCEPTED
        assert attempt(1) is Outcome.STALE
        assert attempt(5) is Outcome.ACCEPTED
        assert attempt(3) is Outcome.ACCEPTED
        assert attempt(3) is Outcome.STALE
        assert attempt(0) is Outcome.STALE
        assert attempt(0xFFFFFFFF) is Outcome.ACCEPTED
        assert attempt(6) is Outcome.STALE
        assert attempt(0xFFFFFFFF - 255) is Outcome.ACCEPTED
        assert attempt(0xFFFFFFFF - 256) is Outcome.STALE

    def test_remembered_nonces_are_bounded_and_forgotten_ones_stay_unusable(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http_auth, "MAX_NONCES", 3)
        server = make_server()
        headers = [answer(server) for _ in range(5)]
        assert {outcome(server, header) for header in headers} == {Outcome.ACCEPTED}
        assert len(server._counts) == 3
        assert {outcome(server, header) for header in headers} == {Outcome.STALE}

    def test_failures_leave_nothing_in_memory(self) -> None:
        server = make_server()
        assert outcome(server, answer(server, {"response": "0" * 32})) is Outcome.REFUSED
        assert not server._counts

    @given(st.text() | st.text('abc="\\, ').map("Digest ".__add__))
    def test_hostile_header_never_raises(self, header: str) -> None:
        assert outcome(make_server(), header) is Outcome.REFUSED

    @given(
        st.sampled_from(["username", "uri", "nonce", "nc", "cnonce", "response", "qop", "algorithm", "realm"]),
        st.text(st.characters(exclude_characters='"\\', categories=None)),
    )
    def test_hostile_parameter_never_raises(self, name: str, value: str) -> None:
        server = make_server()
        assert outcome(server, answer(server, {name: value})) in set(Outcome)


class TestClient:
    def test_prefers_sha256_and_never_basic(self) -> None:
        client = DigestClient("u", Secret("p"))
        assert client.challenged(
            [
                'Basic realm="r"',
                'Digest realm="r", nonce="1", qop="auth", algorithm=MD5',
                'Digest realm="r", nonce="2", qop="auth", algorithm=SHA-256',
            ]
        )
        assert 'nonce="2"' in (client.authorization("GET", "/") or "")

    def test_basic_where_nothing_else_is_offered(self) -> None:
        client = DigestClient("u", Secret("p"))
        assert client.authorization("GET", "/") is None
        assert client.challenged(['Basic realm="r"'])
        assert client.authorization("GET", "/") == "Basic dTpw"
        assert not client.challenged(['Basic realm="r"'])

    def test_no_basic_after_or_beside_a_digest(self) -> None:
        client = DigestClient("u", Secret("p"))
        assert not client.challenged(['Digest realm="r", nonce="1", algorithm=SHA-512-256', 'Basic realm="r"'])
        assert client.challenged(['Digest realm="r", nonce="1"'])
        assert client.authorization("GET", "/") is not None
        assert not client.challenged(['Basic realm="r"'])

    @pytest.mark.parametrize(
        "values",
        [
            [],
            ["Negotiate"],
            ["nonsense, more"],
            ['Digest realm="r"'],
            ['Digest realm="r", nonce="1", qop="auth-int"'],
            ['Digest realm="unterminated'],
        ],
        ids=str,
    )
    def test_unanswerable(self, values: list[str]) -> None:
        client = DigestClient("u", Secret("p"))
        assert not client.challenged(values)
        assert client.authorization("GET", "/") is None

    def test_counts_up_on_one_nonce(self) -> None:
        client = DigestClient("u", Secret("p"))
        client.challenged(['Digest realm="r", nonce="1", qop=auth'])
        sent = [client.authorization("GET", "/") or "" for _ in range(2)]
        assert ["nc=00000001" in sent[0], "nc=00000002" in sent[1]] == [True, True]

    def test_wrong_password_ends_it(self) -> None:
        client = DigestClient("u", Secret("p"))
        assert client.challenged(['Digest realm="r", nonce="1"'])
        client.authorization("GET", "/")
        assert not client.challenged(['Digest realm="r", nonce="2"'])
        client.authorization("GET", "/")
        assert not client.challenged(['Digest realm="r", nonce="3"'])

    def test_stale_nonce_is_renewed_but_not_for_ever(self) -> None:
        client = DigestClient("u", Secret("p"))
        assert client.challenged(['Digest realm="r", nonce="1"'])
        client.authorization("GET", "/")
        assert client.challenged(['Digest realm="r", nonce="2", stale="TRUE"'])
        client.authorization("GET", "/")
        assert not client.challenged(['Digest realm="r", nonce="3", stale=true'])

    def test_camera_with_a_new_nonce_for_every_request_and_no_stale(self) -> None:
        client = DigestClient("u", Secret("p"))
        assert client.challenged(['Digest realm="r", nonce="0"'])
        client.authorization("DESCRIBE", "/")
        for number in range(1, 9):
            client.authorization("SETUP", "/")
            assert client.challenged([f'Digest realm="r", nonce="{number}"'])
            assert f'nonce="{number}"' in (client.authorization("SETUP", "/") or "")

    def test_a_basic_server_that_turns_digest_is_followed(self) -> None:
        client = DigestClient("u", Secret("p"))
        assert client.challenged(['Basic realm="r"'])
        client.authorization("GET", "/")
        assert client.challenged(['Digest realm="r", nonce="1"'])

    def test_session_algorithm_without_qop_still_tells_its_cnonce(self) -> None:
        client = DigestClient("u", Secret("p"), lambda count: b"\0" * count)
        assert client.challenged(['Digest realm="r", nonce="1", algorithm=MD5-sess'])
        sent = parse_credentials(client.authorization("GET", "/") or "")
        assert sent is not None
        assert sent["cnonce"] == "A" * 32
        assert sent["algorithm"] == "MD5-sess"

    @given(st.lists(st.text(), max_size=3))
    def test_hostile_challenges_never_raise(self, values: list[str]) -> None:
        client = DigestClient("u", Secret("p"))
        assert client.challenged(values) == (client.authorization("GET", "/") is not None)


class TestParsing:
    def test_several_challenges_in_one_value(self) -> None:
        parsed = parse_challenges(
            'Negotiate abc==, Basic realm="a, b", Digest realm = "q\\"uo\\\\te" nonce=xyz,stale=FALSE , NTLM'
        )
        assert [(c.scheme, c.parameters) for c in parsed] == [
            ("negotiate", {}),
            ("basic", {"realm": "a, b"}),
            ("digest", {"realm": 'q"uo\\te', "nonce": "xyz", "stale": "FALSE"}),
            ("ntlm", {}),
        ]

    def test_keeps_what_stands_before_the_unreadable(self) -> None:
        (challenge,) = parse_challenges('Digest realm="r", nonce="n", "broken')
        assert challenge.parameters == {"realm": "r", "nonce": "n"}

    @pytest.mark.parametrize("value", ['realm="r"', 'realm="r", Digest', '"', "é"])
    def test_no_scheme_no_challenge(self, value: str) -> None:
        assert parse_challenges(value) == ()

    @given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text(max_size=50), max_size=8))
    def test_quoting_round_trips(self, parameters: dict[str, str]) -> None:
        written = "Digest " + ", ".join(f"{name}={http_auth._quote(value)}" for name, value in parameters.items())
        assert parse_credentials(written) == parameters
