"""The controls of the running gateway's cameras, and what a VMS sees of them: services come and go with the cameras."""

from collections.abc import Callable, Sequence

import msgspec

from gateway.config import Config, Writes
from gateway.db import AuditEntry, Database
from gateway.domain.writing import ClientRule, WriteKind, WritePolicy, WriteRules
from gateway.onvif import writes as gate
from gateway.onvif.cameras import CameraAccess
from gateway.onvif.capabilities import CapabilityModel
from gateway.onvif.contacts import CameraContacts
from gateway.onvif.context import Context, Service
from gateway.onvif.endpoint import Endpoint
from gateway.onvif.imaging import ImagingService
from gateway.onvif.media_profiles import MediaProfiles
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
        self._database = database
        self._clock = clock
        self.controls = Controls({spec.id: spec.driver for spec in specs}, database.settings, clock)
        cameras.watch(self.controls.camera_changed)
        self.encoders = Encoders(
            self.controls,
            lambda camera, profile: cameras.stream(live_path(camera, profile)),
            clock,
            lambda camera, what: self._record("", "", "SetVideoEncoderConfiguration", f"{camera} {what}"),
        )
        self.talks = Talks(
            self.controls, lambda account, address, what: self._record(account, address, "Talk", what), clock
        )
        self._writes = gate.Writes(write_rules(config.writes), self._audit)
        self.access = CameraAccess(self.controls, self.encoders, self._writes)
        self.contacts = CameraContacts(lambda: [spec.id for spec in specs], self.access)

    def use(self, writes: Writes) -> None:
        """Treat what clients write as another configuration says, from the next write on."""
        self._writes.use(write_rules(writes))

    def show(
        self, profiles: MediaProfiles, model: CapabilityModel, endpoint: Endpoint, announced: Callable[[], None]
    ) -> None:
        """Serve PTZ and Imaging from now, whenever some camera has them; `announced` is called when they come or go."""
        ptz, imaging = PtzService(profiles, self.access, self._clock), ImagingService(profiles, self.access)

        def changed(_camera: str) -> None:
            known = self.controls.all()
            heads = any(each.ptz is not None for each in known)
            pictures = any(each.imaging is not None for each in known)
            before = model.services
            for service, wanted in ((ptz, heads), (imaging, pictures)):
                _switch(service, model, endpoint, on=wanted)
            if model.services != before:
                announced()

        self.controls.watch(changed)
        changed("")

    def _audit(self, context: Context, operation: str, detail: str) -> None:
        self._record(context.account.name, context.address, operation, detail)

    def _record(self, account: str, address: str, operation: str, detail: str) -> None:
        self._database.audit.record(AuditEntry(self._clock.utc_ns(), account, address, operation, detail))


def write_rules(writes: Writes) -> WriteRules:
    """Return the policies of a configuration."""
    return WriteRules(
        _policies(writes),
        tuple(ClientRule(client.user, client.address, _policies(client)) for client in writes.clients),
    )


def _policies(section: msgspec.Struct) -> dict[WriteKind, WritePolicy]:
    written = {kind: getattr(section, kind.value) for kind in WriteKind}
    return {kind: WritePolicy(choice) for kind, choice in written.items() if choice is not None}


def _switch(service: Service, model: CapabilityModel, endpoint: Endpoint, *, on: bool) -> None:
    if on is (service in model.services):
        return
    if on:
        endpoint.add(service)
        model.register(service)
    else:
        model.withdraw(service)
        endpoint.remove(service)
