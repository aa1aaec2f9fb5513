"""The motion half of the running gateway: cameras with motion on, their rules, and what a VMS sees of both."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.config import Config
from gateway.db import AuditTrail, Database
from gateway.domain.camera import PROFILE_NAMES
from gateway.engines import motion_source, motion_specs
from gateway.lifetime import Lifetime
from gateway.media.decoder import DecoderPool
from gateway.onvif.analytics import AnalyticsService
from gateway.onvif.analytics_configurations import AnalyticsConfigurations
from gateway.onvif.codec import Codec
from gateway.onvif.context import Service
from gateway.onvif.media_model import analytics_token, video_source_configuration_token, video_source_token
from gateway.protocols.rtp.block import ends_frame
from gateway.registry import Registry
from gateway.sdk.clock import Clock
from gateway.sdk.driver import DeviceEvents
from gateway.services.cameras import Cameras, CameraSpec, live_path
from gateway.services.device_events import CameraEvents, EventCamera
from gateway.services.eventbus import EventBus
from gateway.services.motion import Motion, MotionPorts, MotionSpec
from gateway.services.motion_alarm import MotionAlarms
from gateway.services.motion_events import MotionEvents, Tokens
from gateway.services.motion_rules import CameraRules, MotionRules
from gateway.services.profiles import ConfigurationKind, Profiles


@dataclass(frozen=True, slots=True)
class WatchingPlan:
    """What a configuration says of motion."""

    specs: Sequence[MotionSpec]
    rules: Mapping[str, CameraRules]
    sources: Mapping[str, str]
    """Who sees motion in each camera."""
    holds: Mapping[str, float]
    """Seconds for which each camera's own word on motion is believed."""

    def told(self, camera: str) -> bool:
        """Tell whether a camera's own word on motion counts."""
        return self.sources.get(camera) in {"camera", "both"}


class Watching:
    """Motion as it is configured: nothing at all unless it is on for some camera."""

    def __init__(self, config: Config, registry: Registry, database: Database, codec: Codec, clock: Clock) -> None:
        """Raises ConfigError for what can't be."""
        self._registry = registry
        self._plan = self.prepare(config)
        self._picture_hold = config.events.picture_hold
        self._clock = clock
        self._shared: MotionAlarms | None = None
        self._seen: list[Callable[[str, int, int], int]] = []
        """What knows how strong motion was."""
        self.rules = MotionRules(self._plan.rules, database.settings)
        self.configurations = AnalyticsConfigurations(self.rules, codec)
        self._service = AnalyticsService(self.configurations, AuditTrail(database.audit, clock).by)
        self._motion: Motion
        self._events: CameraEvents

    def prepare(self, config: Config) -> "WatchingPlan":
        """Return what a configuration says of motion. Raises ConfigError for what can't be."""
        specs, rules = motion_specs(config, self._registry)
        sources = {camera.id: motion_source(config, camera) for camera in config.cameras}
        holds = {camera.id: _first(camera.motion.camera_hold, config.motion.camera_hold) for camera in config.cameras}
        return WatchingPlan(specs, rules, sources, holds)

    async def follow(self, plan: "WatchingPlan") -> None:
        """Do from now on what a plan says; cameras for which it says the same are not touched."""
        self._plan = plan
        self.rules.follow(plan.rules)
        await self._motion.follow(plan.specs)
        self._events.follow({camera: (plan.told(camera), plan.holds[camera]) for camera in plan.sources})
        for camera in (camera for camera, source in plan.sources.items() if source == "off"):
            if self._shared is not None:
                self._shared.forget(camera)

    def start(
        self,
        specs: Sequence[CameraSpec],
        cameras: Cameras,
        bus: EventBus,
        decoders: DecoderPool,
        failed: Callable[[str, str], None],
        life: Lifetime,
    ) -> Motion:
        """Look for motion, and listen to cameras that tell of it themselves; `failed` as in `CameraEvents`."""
        self._motion = motion = self._watched(cameras, bus, decoders)
        life.spawn_in_turn("motion", motion.run())
        self._events = events = self._listened(specs, bus, failed)
        life.spawn("camera events", events.run())
        self._seen += (motion.strongest, events.strongest)
        return motion

    def _watched(self, cameras: Cameras, bus: EventBus, decoders: DecoderPool) -> Motion:
        ports = MotionPorts(
            lambda camera: cameras.stream(live_path(camera, PROFILE_NAMES[-1])),
            decoders,
            lambda unit: ends_frame(unit.packets),
            self._clock,
        )
        events = MotionEvents(bus, _tokens, self._alarms(bus))
        motion = Motion(self._plan.specs, self.rules, events, ports)
        cameras.watch(motion.camera_changed)
        return motion

    def tell_changes(self, profiles: Profiles, changed: Callable[[str, str], None]) -> None:
        """Have told what clients change of media profiles and configurations, and of the rules in these."""
        profiles.watch(changed)
        self.rules.watch(lambda camera: changed(ConfigurationKind.ANALYTICS, analytics_token(camera)))

    def _listened(self, specs: Sequence[CameraSpec], bus: EventBus, failed: Callable[[str, str], None]) -> CameraEvents:
        listened = [
            EventCamera(spec.id, spec.driver, self._plan.told(spec.id), self._plan.holds[spec.id], self._picture_hold)
            for spec in specs
            if isinstance(spec.driver, DeviceEvents)
        ]
        return CameraEvents(listened, bus, self._alarms(bus), video_source_token, self._clock, failed)

    def strongest(self, camera: str, start_ns: int, end_ns: int) -> int:
        """Return how strong motion lately was in a camera's picture, 0 to 255, whoever saw it."""
        return max((seen(camera, start_ns, end_ns) for seen in self._seen), default=0)

    def _alarms(self, bus: EventBus) -> MotionAlarms:
        """Return the motion alarms that cameras and gateway have in common."""
        if self._shared is None:
            self._shared = MotionAlarms(bus, video_source_token)
        return self._shared

    def services(self) -> tuple[Service, ...]:
        """Return what is announced to a VMS."""
        return (self._service,) if self._plan.specs else ()


def _first(own: float | None, common: float) -> float:
    return common if own is None else own


def _tokens(camera: str) -> Tokens:
    return Tokens(video_source_token(camera), video_source_configuration_token(camera), analytics_token(camera))
