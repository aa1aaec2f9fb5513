"""The motion half of the running gateway: cameras with motion on, their rules, and what a VMS sees of both."""

from collections.abc import Callable

from gateway.config import Config
from gateway.db import AuditEntry, Database
from gateway.domain.camera import PROFILE_NAMES
from gateway.engines import motion_specs
from gateway.media.decoder import DecoderPool
from gateway.onvif.analytics import AnalyticsService
from gateway.onvif.analytics_configurations import AnalyticsConfigurations
from gateway.onvif.codec import Codec
from gateway.onvif.context import Context, Service
from gateway.onvif.media_model import analytics_token, video_source_configuration_token, video_source_token
from gateway.protocols.rtp.block import ends_frame
from gateway.registry import Registry
from gateway.sdk.clock import Clock
from gateway.services.cameras import Cameras, live_path
from gateway.services.eventbus import EventBus
from gateway.services.motion import Motion, MotionPorts
from gateway.services.motion_events import MotionEvents, Tokens
from gateway.services.motion_rules import MotionRules
from gateway.services.profiles import ConfigurationKind, Profiles


class Watching:
    """Motion as it is configured: nothing at all unless it is on for some camera."""

    def __init__(self, config: Config, registry: Registry, database: Database, codec: Codec, clock: Clock) -> None:
        """Raises ConfigError for what can't be."""
        self._specs, configured = motion_specs(config, registry)
        self._database = database
        self._clock = clock
        self.rules = MotionRules(configured, database.settings)
        self.configurations = AnalyticsConfigurations(self.rules, codec)

    def motion(self, cameras: Cameras, bus: EventBus, decoders: DecoderPool) -> Motion:
        """Return what watches the cameras while it runs."""
        ports = MotionPorts(
            lambda camera: cameras.stream(live_path(camera, PROFILE_NAMES[-1])),
            decoders,
            lambda unit: ends_frame(unit.packets),
            self._clock,
        )
        motion = Motion(self._specs, self.rules, MotionEvents(bus, _tokens), ports)
        cameras.watch(motion.camera_changed)
        return motion

    def tell_changes(self, profiles: Profiles, changed: Callable[[str, str], None]) -> None:
        """Have told what clients change of media profiles and configurations, and of the rules in these."""
        profiles.watch(changed)
        self.rules.watch(lambda camera: changed(ConfigurationKind.ANALYTICS, analytics_token(camera)))

    def services(self) -> tuple[Service, ...]:
        """Return what is announced to a VMS."""
        return (AnalyticsService(self.configurations, self._audit),) if self._specs else ()

    def _audit(self, context: Context, operation: str, detail: str) -> None:
        entry = AuditEntry(self._clock.utc_ns(), context.account.name, context.address, operation, detail)
        self._database.audit.record(entry)


def _tokens(camera: str) -> Tokens:
    return Tokens(video_source_token(camera), video_source_configuration_token(camera), analytics_token(camera))
