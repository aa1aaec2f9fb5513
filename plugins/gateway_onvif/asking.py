"""Asking a described camera for this and that, each refusal in the gateway's own kinds."""

from collections.abc import Mapping
from typing import Final

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.protocols.soap.answers import Element, SoapFault
from gateway.sdk.clock import Clock
from gateway_onvif.client import SoapClient
from gateway_onvif.messages import DEVICE
from gateway_onvif.patience import Patience

_KINDS: Final = {
    "NoEntity": ErrorKind.NOT_FOUND,
    "NoProfile": ErrorKind.NOT_FOUND,
    "NoConfig": ErrorKind.NOT_FOUND,
    "NoSource": ErrorKind.NOT_FOUND,
    "NoToken": ErrorKind.NOT_FOUND,
    "NoVideoSource": ErrorKind.NOT_FOUND,
    "RelayToken": ErrorKind.NOT_FOUND,
    "NoDigitalInput": ErrorKind.NOT_FOUND,
    "TooManyPresets": ErrorKind.LIMIT,
    "PresetExist": ErrorKind.CONFLICT,
    "MovingPTZ": ErrorKind.CONFLICT,
    "CannotOverwriteHome": ErrorKind.CONFLICT,
    "ConfigurationConflict": ErrorKind.CONFLICT,
    "NoHomePosition": ErrorKind.CONFLICT,
    "ActionNotSupported": ErrorKind.UNSUPPORTED,
    "OptionalActionNotImplemented": ErrorKind.UNSUPPORTED,
    "NoImagingForSource": ErrorKind.UNSUPPORTED,
    "PTZNotSupported": ErrorKind.UNSUPPORTED,
    "NoPTZProfile": ErrorKind.UNSUPPORTED,
    "NoStatus": ErrorKind.UNSUPPORTED,
    "InvalidArgVal": ErrorKind.INVALID,
    "InvalidArgs": ErrorKind.INVALID,
}
"""By the subcodes of ONVIF's faults; the most specific one counts (Core §5.8.2, PTZ §5, Imaging §5, Media2 §5)."""


class Asker:
    """Questions to one camera, by what was found out of it."""

    def __init__(self, client: SoapClient, services: Mapping[str, str], patience: Patience, clock: Clock) -> None:
        """`client` is one that has logged in, `services` the addresses of the camera's services by namespace."""
        self._client = client
        self._services = services
        self._patience = patience
        self._clock = clock

    def offers(self, service: str) -> bool:
        """Tell whether the camera has a service."""
        return service in self._services

    async def ask(self, service: str, body: str, *, action: str = "") -> Element:
        """Send a request to the service of a namespace. Raises GatewayError."""
        url = self._client.device if service == DEVICE else self._services.get(service)
        if url is None:
            raise GatewayError(ErrorKind.UNSUPPORTED, f"camera {self._client.name} has no service {service}")
        self._patience.check(self._clock.monotonic())
        try:
            async with self._client.again() as client:
                return await client.call(url, body, action=action)
        except SoapFault as fault:
            message = f"camera {self._client.name} refuses: {fault.reason} ({'/'.join(fault.codes)})"
            raise GatewayError(_kind(fault.codes), message) from fault
        except GatewayError as error:
            if error.kind is ErrorKind.UNAUTHENTICATED:
                self._patience.refused(error, self._clock.monotonic())
            raise


def _kind(codes: tuple[str, ...]) -> ErrorKind:
    return next((_KINDS[code] for code in reversed(codes) if code in _KINDS), ErrorKind.UNAVAILABLE)
