"""The answering side of WS-Discovery: who matches a Probe, and what a target says. Pure; the server owns sockets."""

import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from gateway.protocols.discovery import (
    NS_DISCOVERY,
    TO_ANONYMOUS,
    AppSequence,
    Body,
    Bye,
    DiscoveryError,
    Hello,
    MatchingRuleNotSupported,
    Message,
    Probe,
    ProbeMatches,
    Resolve,
    ResolveMatches,
    Target,
    parse,
    serialize,
)

MAX_SOURCES = 1024
MAX_KNOWN_IDS = 1024
BURST = 20
"""Answers to one address at once; a searcher sends a handful of Probes."""
RATE = 10.0
"""Answers a second to one address after that, so that nobody is flooded in another's name."""

_PROBE_RULES = ("rfc3986", "uuid", "ldap", "strcmp0", "none")
SUPPORTED_RULES = tuple(f"{NS_DISCOVERY}/{rule}" for rule in _PROBE_RULES)


@dataclass(frozen=True, slots=True)
class Reply:
    """What to send back. A multicast Probe is answered after a random delay, so that not all devices talk at once."""

    datagram: bytes
    delayed: bool


class Responder:
    """One discoverable device. `discoverable` false keeps it silent (ONVIF's NonDiscoverable mode)."""

    def __init__(
        self,
        identity: str,
        types: Sequence[str],
        scopes: Callable[[], Sequence[str]],
        instance: int,
        discoverable: Callable[[], bool] = lambda: True,
    ) -> None:
        """Take the device's lower-case UUID, its types in Clark notation and an instance number that rises per boot."""
        self._uuid = uuid.UUID(identity)
        self._types = tuple(types)
        self._scopes = scopes
        self._instance = instance
        self._number = 0
        self._discoverable = discoverable
        # The version must rise over restarts too, and nobody has to remember it when it begins at the boot's number.
        self._metadata_version = instance
        self._known = _Recent(MAX_KNOWN_IDS)
        self._limiter = _SourceLimiter()

    @property
    def endpoint(self) -> str:
        """The stable address of the device."""
        return self._uuid.urn

    def changed(self) -> None:
        """Note that types, scopes or other metadata changed; a Hello should follow."""
        self._metadata_version += 1

    def hello(self, xaddrs: tuple[str, ...]) -> bytes | None:
        """Return the Hello for one interface, or None when not discoverable."""
        return self._say(Hello(self._target(xaddrs))) if self._discoverable() else None

    def bye(self) -> bytes | None:
        """Return the Bye, or None when not discoverable."""
        return self._say(Bye(self.endpoint)) if self._discoverable() else None

    def respond(
        self, datagram: bytes, source: str, xaddrs: tuple[str, ...], now: float, *, multicast: bool
    ) -> Reply | None:
        """Answer a datagram from a source address, or keep silent. Never raises for anything received."""
        if not self._discoverable():
            return None
        try:
            message = parse(datagram)
        except DiscoveryError:
            return None
        # A searcher asks over IPv4 and IPv6 with the same id and needs both answers.
        key = (source, message.message_id)
        if not isinstance(message.body, Probe | Resolve) or key in self._known:
            return None
        body = self._answer(message.body, xaddrs, multicast=multicast)
        if body is None or not self._limiter.allow(source, now):
            return None
        self._known.add(key)
        return Reply(self._say(body, message), delayed=multicast and isinstance(body, ProbeMatches))

    def _answer(self, asked: Probe | Resolve, xaddrs: tuple[str, ...], *, multicast: bool) -> Body | None:
        if isinstance(asked, Resolve):
            mine = asked.endpoint.lower() == self.endpoint
            return ResolveMatches(self._target(xaddrs)) if mine else None
        if matching_rule(asked.match_by) is None:
            return None if multicast else MatchingRuleNotSupported(SUPPORTED_RULES)
        target = self._target(xaddrs)
        return ProbeMatches((target,)) if matches(asked, target) else None

    def _target(self, xaddrs: tuple[str, ...]) -> Target:
        return Target(self.endpoint, self._types, tuple(self._scopes()), xaddrs, self._metadata_version)

    def _say(self, body: Body, asked: Message | None = None) -> bytes:
        self._number += 1
        sequence = AppSequence(self._instance, self._number)
        message_id = uuid.uuid5(self._uuid, f"{self._instance}.{self._number}").urn
        if asked is None:
            return serialize(Message(body, message_id, sequence=sequence))
        answer = Message(body, message_id, asked.message_id, TO_ANONYMOUS, sequence, asked.soap)
        return serialize(answer)


def matches(probe: Probe, target: Target) -> bool:
    """Tell whether a target has all types and all scopes of a Probe (WS-Discovery §5.1)."""
    rule = matching_rule(probe.match_by)
    if rule is None or not set(probe.types) <= set(target.types):
        return False
    if rule is _never:
        return not target.scopes
    return all(any(rule(wanted, offered) for offered in target.scopes) for wanted in probe.scopes)


Rule = Callable[[str, str], bool]


def matching_rule(match_by: str) -> Rule | None:
    """Return the rule of a MatchBy, the default one for none, or None for an unknown one."""
    return _RULES.get(match_by)


def _uri(wanted: str, offered: str) -> bool:
    """RFC 3986 rule: same scheme and authority, and the path is a prefix by segments."""
    try:
        first, second = urlsplit(wanted), urlsplit(offered)
    except ValueError:
        return False
    if (first.scheme.lower(), first.netloc.lower()) != (second.scheme.lower(), second.netloc.lower()):
        return False
    prefix, path = _segments(first), _segments(second)
    return not {".", ".."} & {*prefix, *path} and path[: len(prefix)] == prefix


def _segments(uri: SplitResult) -> list[str]:
    return [unquote(segment) for segment in uri.path.rstrip("/").split("/")]


def _uuid(wanted: str, offered: str) -> bool:
    """UUID rule: both are UUIDs, and the same one."""
    try:
        return _as_uuid(wanted) == _as_uuid(offered)
    except ValueError:
        return False


def _as_uuid(uri: str) -> uuid.UUID:
    scheme, _, value = uri.lower().removeprefix("urn:").partition(":")
    if scheme != "uuid":
        raise ValueError(uri)
    return uuid.UUID(value)


def _ldap(wanted: str, offered: str) -> bool:
    """LDAP rule: same server, and the wanted name is the offered one's or that of an entry above it."""
    try:
        first, second = urlsplit(wanted.lower()), urlsplit(offered.lower())
    except ValueError:
        return False
    if (first.scheme, first.netloc) != ("ldap", second.netloc) or second.scheme != "ldap":
        return False
    above, name = _distinguished_name(first), _distinguished_name(second)
    return name[len(name) - len(above) :] == above if len(above) <= len(name) else False


def _distinguished_name(uri: SplitResult) -> list[str]:
    name = unquote(uri.path.removeprefix("/"))
    return [part.strip() for part in name.split(",")] if name else []


def _strcmp0(wanted: str, offered: str) -> bool:
    return wanted == offered


def _never(_wanted: str, _offered: str) -> bool:
    """Rule `none`: only a target without any scope matches."""
    return False


_BY_NAME: dict[str, Rule] = {
    "rfc3986": _uri,
    "rfc2396": _uri,  # its name in the text of April 2005
    "uuid": _uuid,
    "ldap": _ldap,
    "strcmp0": _strcmp0,
    "none": _never,
}
_RULES: dict[str, Rule] = {"": _uri} | {f"{NS_DISCOVERY}/{name}": rule for name, rule in _BY_NAME.items()}


class _Recent:
    """The last so many keys."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._keys: OrderedDict[tuple[str, str], None] = OrderedDict()

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._keys

    def add(self, key: tuple[str, str]) -> None:
        """Remember a key."""
        self._keys[key] = None
        if len(self._keys) > self._size:
            self._keys.popitem(last=False)


class _SourceLimiter:
    """A token bucket for each of the last so many source addresses."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allow(self, source: str, now: float) -> bool:
        """Take one token of an address; tell whether there was one. `now` is monotonic seconds."""
        tokens, since = self._buckets.pop(source, (float(BURST), now))
        tokens = min(BURST, tokens + (now - since) * RATE)
        allowed = tokens >= 1
        self._buckets[source] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > MAX_SOURCES:
            self._buckets.popitem(last=False)
        return allowed
