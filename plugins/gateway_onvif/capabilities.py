"""Short names of what a camera has, by the namespaces of its services."""

from collections.abc import Iterable
from typing import Final

_VERSION10, _VERSION20 = "http://www.onvif.org/ver10/", "http://www.onvif.org/ver20/"
_NAMES: Final = {
    f"{_VERSION10}media/wsdl": "Media",
    f"{_VERSION20}media/wsdl": "Media2",
    f"{_VERSION10}events/wsdl": "Events",
    f"{_VERSION20}imaging/wsdl": "Imaging",
    f"{_VERSION20}ptz/wsdl": "PTZ",
    f"{_VERSION20}analytics/wsdl": "Analytics",
    f"{_VERSION10}deviceIO/wsdl": "DeviceIO",
    f"{_VERSION10}recording/wsdl": "Recording",
    f"{_VERSION10}search/wsdl": "Search",
    f"{_VERSION10}replay/wsdl": "Replay",
}
_RECORDS: Final = {"Recording", "Search", "Replay"}


def names_of(services: Iterable[str]) -> tuple[str, ...]:
    """Return what services with these namespaces are; `Profile G` when a camera's own recordings can be fetched."""
    found = {_NAMES[service] for service in services if service in _NAMES}
    return tuple(sorted(found | {"Profile G"} if found >= _RECORDS else found))
