"""Which of a device's relays and digital inputs belong to one of its cameras: ONVIF ties them to no video source."""

from collections.abc import Collection

from gateway.domain.device_event import DeviceEvent, DeviceEventKind
from gateway_onvif.description import Description

_KINDS = (DeviceEventKind.DIGITAL_INPUT, DeviceEventKind.RELAY)


class Wired:
    """Tells by token; unless the operator has listed them, all belong to the camera of the first video source."""

    def __init__(self, described: Description, listed: Collection[str] | None) -> None:
        """`listed` are the tokens of the camera's relays and inputs, None where the operator does not say."""
        first = described.profiles[0].source if described.profiles else ""
        self._listed = listed
        self._first = described.main.profile.source == first

    @property
    def nothing(self) -> bool:
        """Whether the camera has neither relay nor input, so that the device need not be asked."""
        return not self._listed and (self._listed is not None or not self._first)

    def has(self, token: str) -> bool:
        """Tell whether a relay or an input is the camera's."""
        return self._first if self._listed is None else token in self._listed

    def hears(self, event: DeviceEvent) -> bool:
        """Tell whether an event is this camera's."""
        return event.kind not in _KINDS or self.has(event.name)
