"""The controls of the running gateway's cameras, and what a VMS sees of them: services come and go with the cameras."""

from collections.abc import Sequence

import msgspec

from gateway.config import Config, Writes
from gateway.db import AuditTrail, Database
from gateway.domain.writing import ClientRule, WriteKind, WritePolicy, WriteRules
from gateway.lifetime import Lifetime
from gateway.onvif import writes as gate
from gateway.onvif.cameras import CameraAccess
from gateway.onvif.contacts import CameraContacts
from gateway.onvif.imaging import ImagingService
from gateway.onvif.media_profiles import MediaProfiles
from gateway.onvif.offer import Offer
from gateway.onvif.ptz import PtzService
from gateway.sdk.clock import Clock
from gateway.services.cameras import Cameras, CameraSpec, live_path
from gateway.services.controls import Controls
from gateway.services.encoders import Encoders
from gateway.services.talking import Talks


class Controlling:
    """Everything that controls cameras, put together."""

    def __init__(
        self, config: Config, specs: Sequence[CameraSpec], cameras: Cameras, database: Database, clock: Clock
    ) -> None:
        trail = AuditTrail(database.audit, clock)
        self._clock = clock
        self.controls = Controls({spec.id: spec.driver for spec in specs}, database.settings, clock)
        cameras.watch(self.controls.camera_changed)
        self.encoders = Encoders(
            self.controls,
            lambda camera, profile: cameras.stream(live_path(camera, profile)),
            clock,
            lambda camera, what: trail.record("", "", "SetVideoEncoderConfiguration", f"{camera} {what}"),
        )
        self.talks = Talks(
            self.controls, lambda account, address, what: trail.record(account, address, "Talk", what), clock
        )
        self._writes = gate.Writes(write_rules(config.writes), trail.by)
        self.access = CameraAccess(self.controls, self.encoders, self._writes)
        self.contacts = CameraContacts(lambda: [spec.id for spec in specs], self.access)

    def start(self, life: Lifetime) -> None:
        """Keep what can be controlled up to date."""
        life.spawn("controls", self.controls.run())
        life.push_async_callback(self.encoders.stop)
        life.push_async_callback(self.talks.stop)

    def use(self, writes: Writes) -> None:
        """Treat what clients write as another configuration says, from the next write on."""
        self._writes.use(write_rules(writes))

    def show(self, profiles: MediaProfiles, offer: Offer) -> None:
        """Offer PTZ and Imaging from now on, whenever some camera has them."""
        ptz, imaging = PtzService(profiles, self.access, self._clock), ImagingService(profiles, self.access)

        def changed(_camera: str) -> None:
            known = self.controls.all()
            heads = any(each.ptz is not None for each in known)
            pictures = any(each.imaging is not None for each in known)
            before = [service for service in (ptz, imaging) if service in offer.model.services]
            offer.exchange(before, [service for service, had in ((ptz, heads), (imaging, pictures)) if had])

        self.controls.watch(changed)
        changed("")


def write_rules(writes: Writes) -> WriteRules:
    """Return the policies of a configuration."""
    return WriteRules(
        _policies(writes),
        tuple(ClientRule(client.user, client.address, _policies(client)) for client in writes.clients),
    )


def _policies(section: msgspec.Struct) -> dict[WriteKind, WritePolicy]:
    written = {kind: getattr(section, kind.value) for kind in WriteKind}
    return {kind: WritePolicy(choice) for kind, choice in written.items() if choice is not None}
