"""Media profiles that a VMS makes, and the few settings of configurations that it may write."""

import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

from gateway.domain.errors import ErrorKind, GatewayError

VIRTUAL_LIMIT = 32
"""How many profiles a VMS may make, besides the fixed ones of every channel."""

NAME_LIMIT = TOKEN_LIMIT = 64
"""Characters in a `tt:Name` and a `tt:ReferenceToken`."""

PROFILE = "Profile"
"""The kind that watchers are told when a profile changed; otherwise it is a ConfigurationKind."""

_log = logging.getLogger(__name__)


class ConfigurationKind(StrEnum):
    """The configurations a profile is made of, in Media2's words (`tr2:ConfigurationEnumeration`)."""

    VIDEO_SOURCE = "VideoSource"
    VIDEO_ENCODER = "VideoEncoder"
    AUDIO_SOURCE = "AudioSource"
    AUDIO_ENCODER = "AudioEncoder"
    AUDIO_OUTPUT = "AudioOutput"
    AUDIO_DECODER = "AudioDecoder"
    METADATA = "Metadata"
    ANALYTICS = "Analytics"
    PTZ = "PTZ"


@dataclass(frozen=True, slots=True)
class VirtualProfile:
    """A profile that a VMS made, or what a VMS changed of a fixed one."""

    token: str
    name: str
    configurations: Mapping[ConfigurationKind, str] = field(default_factory=dict)
    """Tokens of the configurations it refers to."""


@dataclass(frozen=True, slots=True)
class MulticastGroup:
    """Where a stream is sent to when it is multicast."""

    address: str
    """IPv4 or IPv6 address; `0.0.0.0` when there is none."""
    port: int
    ttl: int
    auto_start: bool = False


@dataclass(frozen=True, slots=True)
class ConfigurationSettings:
    """What a VMS may write of a configuration; the rest is the camera's."""

    name: str = ""
    """Empty: the default name."""
    multicast: MulticastGroup | None = None
    """None: the default group."""
    session_timeout: float = 60.0
    """Seconds."""
    analytics: bool = True
    """Of metadata: whether it holds what is seen."""
    events: bool = True
    """Of metadata: whether it holds events."""
    event_filter: str = ""
    """Of metadata: a wsnt:Filter as XML; empty lets every event of the channel pass."""
    ptz_timeout: float = 10.0
    """Of PTZ: seconds after which a continuous movement without a time of its own ends."""
    ptz_speed: tuple[float, float, float] | None = None
    """Of PTZ: speed of pan, tilt and zoom where a movement has none; None: the camera's own."""


class ProfileStore(Protocol):
    """Where profiles and settings survive a restart. Writes return at once."""

    def load(self) -> list[dict[str, Any]]:
        """Return every stored record."""
        ...

    def save(self, token: str, record: dict[str, Any]) -> None:
        """Keep a record of plain JSON values under a key, replacing an older one."""
        ...

    def delete(self, token: str) -> None:
        """Forget the record of a key."""
        ...


def new_token() -> str:
    """Return a token for a new profile: stable, never reused and not numeric."""
    return f"Profile_{secrets.token_hex(4)}"


class Profiles:
    """All that a VMS changed of the media profiles; kept in memory and written through to the store."""

    def __init__(self, store: ProfileStore, make_token: Callable[[], str] = new_token) -> None:
        self._store = store
        self._make_token = make_token
        self._virtual: dict[str, VirtualProfile] = {}
        self._edits: dict[str, VirtualProfile] = {}
        self._settings: dict[str, ConfigurationSettings] = {}
        self._watchers: list[Callable[[str, str], None]] = []
        self.revision = 0
        """Counts changes, so that what is derived from them can be kept until the next one."""
        for record in store.load():
            try:
                self._restore(record)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                _log.warning("a stored media profile record %r is left out: %s", record, error)

    def virtual(self) -> tuple[VirtualProfile, ...]:
        """Return the profiles that a VMS made, oldest first."""
        return tuple(self._virtual.values())

    def edit(self, token: str) -> VirtualProfile | None:
        """Return what a VMS changed of the fixed profile with this token."""
        return self._edits.get(token)

    def settings(self, token: str) -> ConfigurationSettings:
        """Return the written settings of a configuration, or the defaults."""
        return self._settings.get(token, _DEFAULTS)

    def watch(self, watcher: Callable[[str, str], None]) -> None:
        """Have a function called with kind (PROFILE or a ConfigurationKind) and token after every change."""
        self._watchers.append(watcher)

    def create(
        self, name: str, token: str = "", configurations: Mapping[ConfigurationKind, str] | None = None
    ) -> VirtualProfile:
        """Make a profile. Raises GatewayError: CONFLICT for a token in use, LIMIT, or INVALID for a long name."""
        _check_name(name)
        if len(token) > TOKEN_LIMIT:
            raise GatewayError(ErrorKind.INVALID, f"profile token {token!r} is longer than {TOKEN_LIMIT} characters")
        if token in self._virtual:
            raise GatewayError(ErrorKind.CONFLICT, f"a profile with the token {token!r} already exists")
        if len(self._virtual) >= VIRTUAL_LIMIT:
            raise GatewayError(ErrorKind.LIMIT, f"there are already {VIRTUAL_LIMIT} profiles made by clients")
        profile = VirtualProfile(token or self._make_token(), name, dict(configurations or {}))
        self.change(profile)
        return profile

    def change(self, profile: VirtualProfile, *, fixed: bool = False) -> None:
        """Replace a profile, or with `fixed` what is changed of a fixed one. Raises GatewayError for a long name."""
        _check_name(profile.name)
        (self._edits if fixed else self._virtual)[profile.token] = profile
        kind = "edit" if fixed else "profile"
        self._store.save(
            f"{kind}:{profile.token}",
            {
                "kind": kind,
                "token": profile.token,
                "name": profile.name,
                "configurations": {str(key): token for key, token in profile.configurations.items()},
            },
        )
        self._changed(PROFILE, profile.token)

    def delete(self, token: str) -> None:
        """Delete a profile that a VMS made. Raises GatewayError NOT_FOUND."""
        if self._virtual.pop(token, None) is None:
            raise GatewayError(ErrorKind.NOT_FOUND, f"no profile made by a client has the token {token!r}")
        self._store.delete(f"profile:{token}")
        self._changed(PROFILE, token)

    def configure(self, kind: ConfigurationKind, token: str, settings: ConfigurationSettings) -> None:
        """Keep the settings of a configuration. Raises GatewayError for a long name."""
        _check_name(settings.name)
        if settings != self.settings(token):
            self._settings[token] = settings
            record = {"kind": "settings", "token": token, **asdict(settings)}
            self._store.save(f"settings:{token}", record)
        self._changed(kind, token)

    def _restore(self, record: dict[str, Any]) -> None:
        token, name = str(record["token"]), str(record["name"])
        if record["kind"] == "settings":
            group = record["multicast"]
            multicast = None if group is None else MulticastGroup(**group)
            self._settings[token] = ConfigurationSettings(
                name,
                multicast,
                float(record["session_timeout"]),
                bool(record.get("analytics", True)),
                bool(record.get("events", True)),
                str(record.get("event_filter", "")),
                float(record.get("ptz_timeout", 10.0)),
                _speed(record.get("ptz_speed")),
            )
            return
        configurations = {ConfigurationKind(key): str(value) for key, value in record["configurations"].items()}
        place = {"profile": self._virtual, "edit": self._edits}[record["kind"]]
        place[token] = VirtualProfile(token, name, configurations)

    def _changed(self, kind: str, token: str) -> None:
        self.revision += 1
        for watcher in self._watchers:
            watcher(kind, token)


def with_configurations(
    profile: VirtualProfile, added: Mapping[ConfigurationKind, str], removed: frozenset[ConfigurationKind] = frozenset()
) -> VirtualProfile:
    """Return the profile with configurations replaced, added and removed."""
    kept = {kind: token for kind, token in profile.configurations.items() if kind not in removed}
    return replace(profile, configurations={**kept, **added})


_DEFAULTS = ConfigurationSettings()


def _speed(stored: Any) -> tuple[float, float, float] | None:  # noqa: ANN401 - any JSON value
    if stored is None:
        return None
    pan, tilt, zoom = map(float, stored)
    return pan, tilt, zoom


def _check_name(name: str) -> None:
    if len(name) > NAME_LIMIT:
        raise GatewayError(ErrorKind.INVALID, f"name {name!r} is longer than {NAME_LIMIT} characters")
