"""The service `gateway`: what ONVIF has no operations for."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from gateway.domain.access import AccessClass
from gateway.sdk.soap import SoapService

NAMESPACE = "urn:onvif-vms-gateway:extension:1"


class GatewayService(SoapService):
    """State, cameras, storages and holds."""

    namespace = NAMESPACE
    access: ClassVar[Mapping[str, AccessClass]] = {
        "GetStatus": AccessClass.READ_SYSTEM,
        "GetCameras": AccessClass.READ_MEDIA,
        "GetCameraHistory": AccessClass.READ_SYSTEM_SENSITIVE,
        "GetStorages": AccessClass.READ_SYSTEM,
        "GetHolds": AccessClass.READ_SYSTEM_SENSITIVE,
        "AddHold": AccessClass.ACTUATE,
        "RemoveHold": AccessClass.WRITE_SYSTEM,
    }

    def operations(self) -> Sequence[type]:
        """Return them; spyne is loaded only now."""
        from gateway_extension.operations import Operations  # noqa: PLC0415

        return (Operations,)
