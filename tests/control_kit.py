"""Two channels for tests of what a VMS may do to cameras: `yard` can be controlled, `door` can't."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from media_samples import FixedChannels, MemoryStore, channel, video
from soap_kit import MemorySettings

from gateway.domain.encoder import VideoEncoderSettings
from gateway.domain.media import StreamDescription
from gateway.domain.writing import WriteKind, WritePolicy, WriteRules
from gateway.onvif.cameras import CameraAccess
from gateway.onvif.contacts import CameraContacts
from gateway.onvif.context import Context
from gateway.onvif.media_profiles import MediaProfiles
from gateway.onvif.writes import Writes
from gateway.services.controls import Controls
from gateway.services.profiles import Profiles
from gateway.testing.clock import FakeClock
from gateway.testing.drivers import driver_context
from gateway_testpattern.driver import TestPatternDriver as Driver
from gateway_testpattern.driver import TestPatternSettings as Settings

AS_SEEN = (StreamDescription((video("H264", (1280, 720), 10.0),)), StreamDescription((video("H264", (640, 360), 5.0),)))


class PlainEncoders:
    """Sets encoders without looking at the stream."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls

    async def set_encoder(self, camera: str, profile: str, settings: VideoEncoderSettings) -> None:
        encoding = self._controls.live(camera).encoding
        assert encoding is not None
        await self._controls.ask(camera, encoding.set_settings(profile, settings))
        await self._controls.learn(camera)


@dataclass
class ControlKit:
    """A device with the two channels."""

    policies: Mapping[WriteKind, WritePolicy] = field(default_factory=dict)
    clock: FakeClock = field(default_factory=FakeClock)
    audit: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.camera = Driver(Settings(audio=False), driver_context(self.clock))
        self.controls = Controls({"door": object(), "yard": self.camera}, MemorySettings(), self.clock)
        writes = Writes(WriteRules(self.policies), self._note)
        self.access = CameraAccess(self.controls, PlainEncoders(self.controls), writes)
        self.contacts = CameraContacts(lambda: ["door", "yard"], self.access)
        channels = FixedChannels(channel("door"), channel("yard", AS_SEEN))
        self.profiles = MediaProfiles(channels, Profiles(MemoryStore()), access=self.access)

    async def learn(self) -> "ControlKit":
        """Ask the camera what it has."""
        await self.controls.learn("yard")
        return self

    def _note(self, context: Context, operation: str, detail: str) -> None:
        self.audit.append((context.account.name, operation, detail))
