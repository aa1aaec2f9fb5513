"""Which camera an event is about: its source holds a token that was made of that camera's id."""

from collections.abc import Collection, Iterator

from gateway.domain.camera import PROFILE_NAMES
from gateway.domain.event import Event
from gateway.onvif.media_model import (
    analytics_token,
    profile_token,
    video_source_configuration_token,
    video_source_token,
)
from gateway.services.device_events import input_token, relay_token

_OF_CONTACTS = (input_token("", "").removesuffix("_"), relay_token("", "").removesuffix("_"))
"""How the tokens of inputs and relays begin; the camera's own token for the contact stands behind its id."""


def camera_of(event: Event, cameras: Collection[str]) -> str:
    """Return the id of the camera that an event's source names, and nothing where it names none of these."""
    return next((camera for _, value in event.source for camera in _ids(value) if camera in cameras), "")


def camera_tokens(camera: str) -> set[str]:
    """Return the tokens by which events name a camera itself, not one of its contacts."""
    made = (video_source_token, video_source_configuration_token, analytics_token)
    return {*(token(camera) for token in made), *(profile_token(camera, name) for name in PROFILE_NAMES)}


def _ids(token: str) -> Iterator[str]:
    """Return the ids that a token can have been made of."""
    for prefix in ("VideoSource_", "VideoSourceConfiguration_", "VideoAnalytics_"):
        if token.startswith(prefix):
            yield token.removeprefix(prefix)
    head, _, last = token.rpartition("_")
    if last in PROFILE_NAMES:
        yield head
    for prefix in _OF_CONTACTS:
        if token.startswith(prefix):
            parts = token.removeprefix(prefix).split("_")
            yield from ("_".join(parts[:count]) for count in range(len(parts) - 1, 0, -1))
