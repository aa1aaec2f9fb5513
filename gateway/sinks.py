"""Configured event sinks; one whose plug-in is broken stays in its place, and its events wait."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.config import Config, ConfigError, Sink, did_you_mean, settings_for
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event
from gateway.domain.topics import TopicSet, parse_topic_set
from gateway.onvif.camera_tokens import camera_of
from gateway.protocols.clip_link import ClipLink
from gateway.registry import PluginState, Registry
from gateway.sdk.clock import Clock
from gateway.sdk.sink import EventSink, SinkContext, SinkEntry
from gateway.services.sink_worker import SinkSpec

CLIP_BEFORE_SECONDS, CLIP_AFTER_SECONDS = 5, 10
"""What a link shows of the time around its event."""
CLIPS = "clip links"
"""Purpose of the key that signs them."""
_DAY_SECONDS, _HOUR_SECONDS = 86_400.0, 3600.0
_NS = 1_000_000_000


class Values(Protocol):
    """Where what a sink remembers survives a restart."""

    def load(self, key: str) -> Any:  # noqa: ANN401 - any JSON value
        """Return a stored value, or None."""
        ...

    def store(self, key: str, value: object) -> None:
        """Keep a JSON value; returns at once."""
        ...


class NoValues:
    """Remembers nothing: for a configuration that is only checked."""

    def load(self, key: str) -> Any:  # noqa: ANN401, ARG002 - nothing is known
        """Return None."""
        return None

    def store(self, key: str, value: object) -> None:
        """Forget it."""


@dataclass(frozen=True, slots=True)
class _Memory:
    """The part of the stored values that is one sink's own."""

    sink: str
    values: Values

    def load(self, key: str) -> Any:  # noqa: ANN401 - any JSON value
        return self.values.load(f"sink.{self.sink}.{key}")

    def store(self, key: str, value: object) -> None:
        self.values.store(f"sink.{self.sink}.{key}", value)


def sink_specs(
    config: Config,
    registry: Registry,
    device_id: str,
    values: Values,
    clock: Clock,
    *,
    key: bytes = b"",
    strict: bool = False,
) -> list[SinkSpec]:
    """Return the configured sinks in their order.

    Raises ConfigError with every unknown kind and every wrong setting. A sink that is missing because its plug-in is
    broken or disabled keeps its queue; `strict` makes that an error too. `key` signs links to footage.
    """
    problems: list[str] = []
    specs = []
    cameras = {camera.id: camera.name or camera.id for camera in config.cameras}
    for index, sink in enumerate(config.sinks):
        path = f"sink[{index}]"
        memory, clips = _Memory(sink.id, values), _clips(config, sink, key)
        context = SinkContext(sink.id, device_id, config.gateway.name, cameras, clock, memory, clips)
        try:
            made = _sink(sink, registry, context, config, path)
        except ConfigError as error:
            problems += error.problems
            continue
        if strict and isinstance(made, _Missing):
            problems.append(f"{path}.kind: {made.reason}")
        seconds = sink.max_days * _DAY_SECONDS
        specs.append(SinkSpec(sink.id, made, _topics(sink), frozenset(sink.cameras), sink.max_events, seconds))
    if problems:
        raise ConfigError(problems)
    return specs


@dataclass(frozen=True, slots=True)
class SignedClips:
    """Links to footage of the cameras that are recorded, at the gateway's address."""

    base: str
    key: bytes = field(repr=False)
    seconds: float
    """For how long after the event they are good."""
    cameras: frozenset[str]

    def __call__(self, camera: str, utc_ns: int) -> str:
        """Return the URL of a camera's footage around a time."""
        if camera not in self.cameras:
            return ""
        until_ns = utc_ns + round(self.seconds * _NS)
        link = ClipLink(camera, utc_ns - CLIP_BEFORE_SECONDS * _NS, utc_ns + CLIP_AFTER_SECONDS * _NS, until_ns)
        return self.base + link.sign(self.key)


def _clips(config: Config, sink: Sink, key: bytes) -> SignedClips | None:
    """Return links to the recording that has the name of its camera, which is where clips are looked for."""
    if not sink.clip_hours or config.http.external is None:
        return None
    recorded = {recording.name for recording in config.recordings if recording.mode != "off"}
    if not config.recordings:
        recorded = {camera.id for camera in config.cameras}
    named = frozenset(camera.id for camera in config.cameras if camera.id in recorded and config.storages)
    return SignedClips(config.http.external.rstrip("/"), key, sink.clip_hours * _HOUR_SECONDS, named)


def camera_finder(config: Config) -> Callable[[Event], str]:
    """Return what tells the id of the camera that an event's source names, and nothing where it names none."""
    cameras = frozenset(camera.id for camera in config.cameras)
    recordings = {f"Recording_{camera}": camera for camera in cameras}
    recordings |= {f"Recording_{recording.name}": recording.camera for recording in config.recordings}

    def find(event: Event) -> str:
        recorded = (recordings[value] for _, value in event.source if value in recordings)
        return camera_of(event, cameras) or next(recorded, "")

    return find


def _topics(sink: Sink) -> TopicSet | None:
    return parse_topic_set("|".join(sink.topics)) if sink.topics else None


def _sink(sink: Sink, registry: Registry, context: SinkContext, config: Config, path: str) -> EventSink:
    kind = registry.sinks.get(sink.kind)
    if kind is None:
        reason = f"there is no kind of sink {sink.kind!r}"
        broken = [status.name for status in registry.statuses() if status.state is not PluginState.ENABLED]
        if not broken:
            raise ConfigError([f"{path}.kind: {reason}{did_you_mean(sink.kind, sorted(registry.sinks))}"])
        return _Missing(f"{reason}; plug-ins not running: {', '.join(broken)}", context)
    settings = settings_for(kind, dict(sink.settings), f"{path}.settings", base=config.directory)
    try:
        return kind(settings, context)
    except GatewayError as error:
        raise ConfigError([f"{path}.settings: {error.message}"]) from error
    except Exception as error:  # noqa: BLE001 - a stranger's start may raise anything
        reason = f"sink {sink.kind!r} failed to start: {type(error).__name__}: {error}"
        registry.mark("event sink", sink.kind, PluginState.FAILED, reason)
        return _Missing(reason, context)


@dataclass(frozen=True, slots=True)
class _NoSettings:
    pass


class _Missing(EventSink):
    """Stands in for a sink that could not be had, so that its events wait for it."""

    Settings = _NoSettings

    def __init__(self, reason: str, context: SinkContext) -> None:
        super().__init__(_NoSettings(), context)
        self.reason = reason

    async def open(self) -> None:
        raise GatewayError(ErrorKind.UNAVAILABLE, self.reason)

    async def send(self, entry: SinkEntry) -> None:  # noqa: ARG002 - it is never open
        raise GatewayError(ErrorKind.UNAVAILABLE, self.reason)
