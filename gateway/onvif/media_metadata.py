"""Metadata configurations: what a client may ask a channel's metadata to hold (`tt:MetadataConfiguration`)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeAlias

from lxml import etree

from gateway.domain.event import Event
from gateway.onvif import media_faults as faults
from gateway.onvif.faults import SoapFault
from gateway.onvif.media_model import Metadata
from gateway.services.profiles import ConfigurationSettings

Plain: TypeAlias = dict[str, Any]

MAX_CONTENT_FILTER = 4096
"""Characters of a content filter that are always accepted."""

_WSNT = "http://docs.oasis-open.org/wsn/b-2"
_MAX_FILTER = 4 * MAX_CONTENT_FILTER


class ReadFilter(Protocol):
    """Reads the events' filter of a configuration."""

    def __call__(self, nodes: Sequence[etree._Element], /) -> Callable[[Event], bool]:
        """Return the test of the expressions in a wsnt:Filter. Raises SoapFault."""
        ...


def check_metadata(current: Metadata, wanted: Plain) -> None:
    """Refuse metadata that no camera delivers, and forms of it that are not sent. Raises SoapFault."""
    status = wanted.get("PTZStatus", {})
    for label, value in (
        ("PTZStatus Status", status.get("Status")),
        ("PTZStatus Position", status.get("Position")),
        ("PTZStatus FieldOfView", status.get("FieldOfView")),
        ("GeoLocation", wanted.get("GeoLocation")),
        ("ShapePolygon", wanted.get("ShapePolygon")),
        ("SensorData", "SensorData" in wanted),
    ):
        if value:
            raise faults.config_modify(f"{label} of configuration {current.token!r} can't be set: there is none")
    if (compression := wanted.get("CompressionType", "None")) != "None":
        raise faults.config_modify(
            f"CompressionType {compression!r} of configuration {current.token!r} can't be set: documents are text"
        )
    if wanted.get("Events", {}).get("SubscriptionPolicy", {}).get("_any"):
        raise faults.config_modify(f"configuration {current.token!r} can't have a SubscriptionPolicy")


def written_metadata(
    token: str, settings: ConfigurationSettings, wanted: Plain, read_filter: ReadFilter
) -> ConfigurationSettings:
    """Return the settings after a client's write. No Events element asks for no events. Raises SoapFault."""
    nodes = wanted.get("Events", {}).get("Filter", {}).get("_any", [])
    if nodes:
        try:
            read_filter(nodes)
        except SoapFault as fault:
            raise faults.config_modify(f"the events' filter of configuration {token!r} can't be set: {fault}") from None
    text = _text(nodes)
    if len(text) > _MAX_FILTER:
        raise faults.config_modify(
            f"the events' filter of configuration {token!r} has {len(text)} characters; at most {_MAX_FILTER} are kept"
        )
    analytics = bool(wanted.get("Analytics", settings.analytics))
    return replace(settings, analytics=analytics, events="Events" in wanted, event_filter=text)


def events(settings: ConfigurationSettings) -> Plain:
    """Return the part of a `tt:MetadataConfiguration` about events; none when no events are sent."""
    if not settings.events:
        return {}
    nodes = filter_nodes(settings)
    return {"Events": {"Filter": {"_any": nodes}} if nodes else {}}


def filter_nodes(settings: ConfigurationSettings) -> list[etree._Element]:
    """Return the expressions of a kept filter."""
    return list(etree.fromstring(settings.event_filter)) if settings.event_filter else []


def metadata_options() -> Plain:
    """Return `tt:MetadataConfigurationOptions`: no PTZ status is streamed, and nothing is compressed."""
    return {
        "PTZStatusFilterOptions": {
            "PanTiltStatusSupported": False,
            "ZoomStatusSupported": False,
            "PanTiltPositionSupported": False,
            "ZoomPositionSupported": False,
        },
        "Extension": {"CompressionType": ["None"]},
        "GeoLocation": False,
        "MaxContentFilterSize": MAX_CONTENT_FILTER,
    }


def _text(nodes: Sequence[etree._Element]) -> str:
    """Return expressions as one element of text that declares all that they use."""
    if not nodes:
        return ""
    content = "".join(etree.tostring(node, encoding="unicode", with_tail=False) for node in nodes)
    return f'<wsnt:Filter xmlns:wsnt="{_WSNT}">{content}</wsnt:Filter>'
