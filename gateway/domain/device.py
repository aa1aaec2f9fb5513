"""What the gateway says of itself."""

from dataclasses import dataclass

PACKAGE = "onvif-vms-gateway"
"""The installed distribution, whose version is the firmware's."""
MANUFACTURER, MODEL = "ONVIF VMS Gateway", "Gateway"


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """The stable identity of one virtual device; made once and kept in the data directory."""

    uuid: str
    """Lower-case UUID; the endpoint reference is `urn:uuid:` and this."""
    serial: str
    manufacturer: str
    model: str
    firmware: str
    hardware_id: str
