"""HTTP and RTSP authentication, both sides: Digest (RFC 7616, RFC 2617, RFC 2069) and, as a client, Basic (RFC 7617).

Passwords and names are hashed as UTF-8. Nothing that a peer sends raises: what can't be read is refused.
"""

import base64
import hashlib
import hmac
import os
import re
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.access import Secret

MAX_HEADER = 4096
"""Longest header value that is read, in characters."""

MAX_NONCES = 4096
"""Nonces whose counts are remembered; the oldest is forgotten, and stale, past this."""

NC_WINDOW = 256
"""How far a request may arrive behind the highest count, since clients share a nonce between connections."""

_STAMP = struct.Struct(">qQ")
_MAC_LENGTH = 16
_CNONCE_LENGTH = 24
_NOBODY = Secret("nobody has this name")

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"  # noqa: S105 - a grammar rule
_PARAMETER = re.compile(rf'({_TOKEN})\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s,"]*+))', re.DOTALL)
_SCHEME = re.compile(rf"({_TOKEN})(?=[\s,]|\Z)(?!\s*+=)")
_CREDENTIAL = re.compile(r"\s++[0-9A-Za-z._~+/-]++=*+\s*+(?=,|\Z)")
_SEPARATOR = re.compile(r"[\s,]*+")
_COUNT = re.compile(r"[0-9a-fA-F]{1,8}")


class Algorithm(StrEnum):
    """Digest algorithms, by the names of RFC 7616 §3.3."""

    MD5 = "MD5"
    SHA_256 = "SHA-256"


class Outcome(StrEnum):
    """What became of an Authorization header."""

    ACCEPTED = "accepted"
    STALE = "stale"
    """The password is right, but the nonce is old, foreign or used twice: challenge again with `stale=true`."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome, with the name and URI that the client gave (empty when it gave none)."""

    outcome: Outcome
    username: str = ""
    uri: str = ""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge of a WWW-Authenticate header: the scheme in lower case, parameters by lower-case name."""

    scheme: str
    parameters: dict[str, str]


def parse_challenges(value: str) -> tuple[Challenge, ...]:
    """Return the challenges of one WWW-Authenticate value, up to the first thing that can't be read."""
    found: list[Challenge] = []
    for scheme, name, text in _scan(value):
        if scheme:
            found.append(Challenge(scheme, {}))
        elif found and name:
            found[-1].parameters.setdefault(name, text)
        else:
            break
    return tuple(found)


def parse_credentials(value: str) -> dict[str, str] | None:
    """Return the parameters of a Digest Authorization value, or None if it is anything else or ambiguous."""
    parts = _scan(value)
    if next(parts, None) != ("digest", "", ""):
        return None
    parameters: dict[str, str] = {}
    for _scheme, name, text in parts:
        if not name or name in parameters:
            return None
        parameters[name] = text
    return parameters


def _scan(value: str) -> Iterator[tuple[str, str, str]]:
    """Yield (scheme, "", "") and ("", name, value), and a lone ("", "", "") where the text can't be read."""
    if len(value) > MAX_HEADER:
        yield "", "", ""
        return
    at = _end(_SEPARATOR.match(value))
    while at < len(value):
        if parameter := _PARAMETER.match(value, at):
            name, quoted, plain = parameter.groups()
            yield "", name.lower(), plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
            at = parameter.end()
        elif scheme := _SCHEME.match(value, at):
            yield scheme[1].lower(), "", ""
            credential = _CREDENTIAL.match(value, scheme.end())
            at = _end(credential or scheme)
        else:
            yield "", "", ""
            return
        at = _end(_SEPARATOR.match(value, at))


def _end(match: re.Match[str] | None) -> int:
    return match.end() if match else 0


def digest_response(
    algorithm: str,
    username: str,
    realm: str,
    password: Secret,
    method: str,
    uri: str,
    nonce: str,
    *,
    qop: str = "",
    nc: str = "",
    cnonce: str = "",
) -> str:
    """Return the `response` value (RFC 7616 §3.4.1; without `qop` that of RFC 2069 §2.1.1).

    Raises KeyError for an algorithm other than MD5, SHA-256 and their `-sess` forms.
    """
    name = algorithm.upper()
    digest = _HASHES[name.removesuffix("-SESS")]
    secret = digest(f"{username}:{realm}:{password.reveal()}")
    if name.endswith("-SESS"):
        secret = digest(f"{secret}:{nonce}:{cnonce}")
    count = f"{nc}:{cnonce}:{qop}:" if qop else ""
    return digest(f"{secret}:{nonce}:{count}{digest(f'{method}:{uri}')}")


def _octets(text: str) -> bytes:
    """Bytes as they came: undecodable ones were escaped by whoever read the header."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _md5(text: str) -> str:
    return hashlib.md5(_octets(text), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(_octets(text)).hexdigest()


_HASHES: dict[str, Callable[[str], str]] = {"MD5": _md5, "SHA-256": _sha256}


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class DigestServer:
    """Challenges and verifies clients.

    A nonce carries its time under an HMAC of `key` (random, new at every start), so nothing is stored before a
    first right answer; from then on the counts used with it are remembered. `now` is any monotonic time in
    seconds, `nonce_life` how long a nonce is good for. A client without `qop` (RFC 2069) sends no count, so it
    may repeat itself for the life of its nonce.
    """

    def __init__(self, realm: str, key: bytes, nonce_life: float = 300.0) -> None:
        self.realm = realm
        self.algorithms: tuple[Algorithm, ...] = (Algorithm.MD5, Algorithm.SHA_256)
        """What is offered and accepted, in order: many clients read the first challenge only, and know MD5 only."""
        self._key = key
        self._life = nonce_life
        self._issued = 0
        self._counts: OrderedDict[str, _Counts] = OrderedDict()
        self._forgotten = 0

    def challenges(self, now: float, *, stale: bool = False) -> tuple[str, ...]:
        """Return the WWW-Authenticate values, one header each, best first."""
        self._issued += 1
        nonce = self._sign(_STAMP.pack(int(now * 1000), self._issued))
        # Clients exist that match `realm`, `nonce` and `stale` in exactly this order.
        start = f'Digest realm={_quote(self.realm)}, nonce="{nonce}"' + (", stale=true" if stale else "")
        return tuple(f'{start}, algorithm={algorithm}, qop="auth"' for algorithm in self.algorithms)

    def verify(
        self, authorization: str, method: str, password_of: Callable[[str], Secret | None], now: float
    ) -> Verdict:
        """Judge an Authorization value for a request's method. An unknown name costs what a known one does."""
        given = parse_credentials(authorization) or {}
        username, uri = given.get("username", ""), given.get("uri", "")
        refused = Verdict(Outcome.REFUSED, username, uri)
        algorithm = given.get("algorithm", Algorithm.MD5).upper()
        if algorithm not in self.algorithms or given.get("realm") != self.realm or not _is_complete(given):
            return refused
        password = password_of(username)
        expected = digest_response(
            algorithm,
            username,
            self.realm,
            password or _NOBODY,
            method,
            uri,
            given["nonce"],
            qop=given.get("qop", ""),
            nc=given.get("nc", ""),
            cnonce=given.get("cnonce", ""),
        )
        right = hmac.compare_digest(expected.encode(), _octets(given["response"].lower()))
        if not right or password is None:
            return refused
        fresh = self._is_fresh(given["nonce"], given.get("nc", "") if "qop" in given else "", now)
        return Verdict(Outcome.ACCEPTED if fresh else Outcome.STALE, username, uri)

    def _sign(self, stamp: bytes) -> str:
        return (stamp + hmac.digest(self._key, stamp, "sha256")[:_MAC_LENGTH]).hex()

    def _is_fresh(self, nonce: str, nc: str, now: float) -> bool:
        """Tell whether a nonce is ours, young, and not used with this count before; remembers the count."""
        try:
            stamp = bytes.fromhex(nonce)[: _STAMP.size]
            milliseconds, serial = _STAMP.unpack(stamp)
        except (ValueError, struct.error):
            return False
        if not hmac.compare_digest(self._sign(stamp).encode(), _octets(nonce)):
            return False
        if abs(now - milliseconds / 1000) > self._life:
            return False
        counts = self._counts.get(nonce)
        if counts is None:
            if serial <= self._forgotten:
                return False
            if not nc:
                return True
            counts = self._counts[nonce] = _Counts(serial)
            if len(self._counts) > MAX_NONCES:
                self._forgotten = max(self._forgotten, self._counts.popitem(last=False)[1].serial)
        return not nc or counts.take(int(nc, 16))


def _is_complete(given: dict[str, str]) -> bool:
    """Tell whether all parameters are there that the given `qop` needs."""
    if not all(given.get(name) for name in ("username", "uri", "nonce", "response")):
        return False
    if "qop" not in given:
        return True
    return given["qop"] == "auth" and bool(given.get("cnonce")) and bool(_COUNT.fullmatch(given.get("nc", "")))


class _Counts:
    """The counts seen with one nonce: the highest, and a bit for each of those just below it."""

    __slots__ = ("_highest", "_seen", "serial")

    def __init__(self, serial: int) -> None:
        self.serial = serial
        self._highest = 0
        self._seen = 0

    def take(self, count: int) -> bool:
        """Remember a count; tell whether it is new."""
        if count > self._highest:
            shift = min(count - self._highest, NC_WINDOW)
            self._seen = (self._seen << shift | 1) & ((1 << NC_WINDOW) - 1)
            self._highest = count
            return True
        bit = 1 << (self._highest - count) if self._highest - count < NC_WINDOW and count > 0 else 0
        new = bool(bit) and not self._seen & bit
        self._seen |= bit
        return new


class DigestClient:
    """Answers the challenges of one server: the strongest Digest on offer; Basic only if no Digest is."""

    def __init__(self, username: str, password: Secret, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._username = username
        self._password = password
        self._entropy = entropy
        self._challenge: Challenge | None = None
        self._uses = 0
        self._cnonce = ""
        self._renewed = False
        self._refused = False

    def challenged(self, values: Sequence[str]) -> bool:
        """Take the WWW-Authenticate values of a refusal; tell whether the request is worth repeating.

        False means that nothing on offer can be answered, or that the name or password has been refused.
        """
        chosen = _choose(values)
        if self._refused or chosen is None or not self._worth_repeating(chosen):
            self._refused = self._refused or self._uses > 0
            return False
        self._challenge, self._uses = chosen, 0
        self._cnonce = base64.b64encode(self._entropy(_CNONCE_LENGTH)).decode()
        return True

    def authorization(self, method: str, uri: str) -> str | None:
        """Return the Authorization value for a request, or None before any challenge."""
        if self._challenge is None:
            return None
        self._uses += 1
        if self._challenge.scheme == "basic":
            pair = f"{self._username}:{self._password.reveal()}"
            return "Basic " + base64.b64encode(_octets(pair)).decode()
        return self._digest(self._challenge.parameters, method, uri)

    def _worth_repeating(self, new: Challenge) -> bool:
        """A used answer is repeated for a stale nonce, or where the server had accepted the old nonce before."""
        old, first = self._challenge, self._uses <= 1
        if old is None or self._uses == 0:
            return True
        if new.scheme == "basic":
            return False
        stale = new.parameters.get("stale", "").lower() == "true"
        again, self._renewed = self._renewed and first, first
        return old.scheme == "basic" or not first or (stale and not again)

    def _digest(self, challenge: dict[str, str], method: str, uri: str) -> str:
        algorithm = challenge.get("algorithm", "")
        qop = "auth" if challenge.get("qop") else ""
        nc = f"{self._uses:08x}"
        response = digest_response(
            algorithm or Algorithm.MD5,
            self._username,
            challenge["realm"],
            self._password,
            method,
            uri,
            challenge["nonce"],
            qop=qop,
            nc=nc,
            cnonce=self._cnonce,
        )
        quoted = {"username": self._username, "realm": challenge["realm"], "nonce": challenge["nonce"], "uri": uri}
        parts = [f"{name}={_quote(value)}" for name, value in quoted.items()]
        parts.append(f'response="{response}"')
        if algorithm:
            parts.append(f"algorithm={algorithm}")
        if qop or algorithm.upper().endswith("-SESS"):
            parts.append(f'cnonce="{self._cnonce}"')
        if "opaque" in challenge:
            parts.append(f"opaque={_quote(challenge['opaque'])}")
        if qop:
            parts += ["qop=auth", f"nc={nc}"]
        return "Digest " + ", ".join(parts)


def _choose(values: Sequence[str]) -> Challenge | None:
    """Return the challenge to answer: Digest by strength, then by order; Basic only where no Digest is offered."""
    offered = [challenge for value in values for challenge in parse_challenges(value)]
    digests = [challenge for challenge in offered if challenge.scheme == "digest"]
    if digests:
        return max(filter(_is_answerable, digests), key=_strength, default=None)
    return next((challenge for challenge in offered if challenge.scheme == "basic"), None)


def _strength(challenge: Challenge) -> int:
    return int(_algorithm(challenge) == Algorithm.SHA_256)


def _algorithm(challenge: Challenge) -> str:
    return challenge.parameters.get("algorithm", Algorithm.MD5).upper().removesuffix("-SESS")


def _is_answerable(challenge: Challenge) -> bool:
    given = challenge.parameters
    qops = [word.strip().lower() for word in given.get("qop", "").split(",")]
    known = _algorithm(challenge) in _HASHES and (not given.get("qop") or "auth" in qops)
    return known and "realm" in given and bool(given.get("nonce"))
