"""Notification messages of a camera as events of the gateway (ONVIF Core §9.5, Imaging and Analytics topics)."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from gateway.domain.device_event import DeviceEvent, DeviceEventKind
from gateway.protocols.soap.answers import Element, text
from gateway_onvif.messages import Profile

_MOTION: Final = DeviceEventKind.MOTION
_KINDS: Final = {
    ("VideoSource", "MotionAlarm"): _MOTION,
    ("RuleEngine", "CellMotionDetector", "Motion"): _MOTION,
    ("RuleEngine", "MotionRegionDetector", "Motion"): _MOTION,
    ("VideoAnalytics", "Motion"): _MOTION,
    ("VideoSource", "ImageTooDark"): DeviceEventKind.DARK,
    ("VideoSource", "ImageTooBright"): DeviceEventKind.BRIGHT,
    ("VideoSource", "ImageTooBlurry"): DeviceEventKind.BLURRED,
    ("VideoSource", "GlobalSceneChange"): DeviceEventKind.SCENE,
    ("RuleEngine", "TamperDetector", "Tamper"): DeviceEventKind.SCENE,
    ("Device", "Trigger", "DigitalInput"): DeviceEventKind.DIGITAL_INPUT,
    ("Device", "Trigger", "Relay"): DeviceEventKind.RELAY,
}
"""By the beginning of the topic, without prefixes."""
_CHANGES: Final = (("Media", "ConfigurationChanged"), ("Media", "ProfileChanged"), ("Configuration", "Profile"))
_TRUE, _FALSE = frozenset({"true", "1", "on", "active"}), frozenset({"false", "0", "off", "inactive"})
_TOKENS: Final = {DeviceEventKind.DIGITAL_INPUT: "InputToken", DeviceEventKind.RELAY: "RelayToken"}
_SOURCES: Final = ("Source", "VideoSource", "VideoSourceToken")
_CONFIGURATIONS: Final = ("VideoSourceConfigurationToken", "VideoSourceConfiguration")


@dataclass(frozen=True, slots=True)
class Changed:
    """The camera's media configuration is another now."""


def read(answer: Element, ours: Profile, profiles: Collection[Profile]) -> Iterator[DeviceEvent | Changed]:
    """Return what the NotificationMessages in an answer tell of the video source that is ours."""
    for message in answer.iterfind(".//{*}NotificationMessage"):
        topic = tuple(part.rpartition(":")[2] for part in text(message, "{*}Topic").split("/"))
        if any(topic[: len(start)] == start for start in _CHANGES):
            yield Changed()
            continue
        kind = next((kind for start, kind in _KINDS.items() if topic[: len(start)] == start), None)
        body = message.find("{*}Message/{*}Message")
        if kind is None or body is None:
            continue
        source, data = _items(body, "Source") | _items(body, "Key"), _items(body, "Data")
        on = False if body.get("PropertyOperation") == "Deleted" else _state(data)
        if on is not None and not _foreign(source, ours, profiles):
            yield DeviceEvent(kind, on, _name(kind, topic, source))


def _items(body: Element, part: str) -> dict[str, str]:
    found = body.iterfind(f"{{*}}{part}/{{*}}SimpleItem")
    return {item.get("Name", ""): item.get("Value", "") for item in found}


def _state(data: dict[str, str]) -> bool | None:
    """Return the first item that is a boolean, however the camera names it."""
    for value in data.values():
        if value.strip().lower() in _TRUE | _FALSE:
            return value.strip().lower() in _TRUE
    return None


def _foreign(source: dict[str, str], ours: Profile, profiles: Collection[Profile]) -> bool:
    """Tell whether an event is of another video source of the camera; tokens that no profile has say nothing."""
    for names, own, all_ in (
        (_SOURCES, ours.source, {profile.source for profile in profiles}),
        (_CONFIGURATIONS, ours.configuration, {profile.configuration for profile in profiles}),
    ):
        if any(name in source and source[name] != own and source[name] in all_ for name in names):
            return True
    return False


def _name(kind: DeviceEventKind, topic: tuple[str, ...], source: dict[str, str]) -> str:
    """Return which of several it is: the token of the input or relay, or topic and rule."""
    if kind in _TOKENS:
        return source.get(_TOKENS[kind]) or next(iter(source.values()), "")
    if kind is _MOTION:
        return "/".join((*topic, source.get("Rule", source.get("RuleName", ""))))
    return ""
