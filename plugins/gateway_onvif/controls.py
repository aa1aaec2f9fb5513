"""What of a camera can be controlled: asked of each of its services that it has."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.sdk.controls import CameraControls
from gateway_onvif.asking import Asker
from gateway_onvif.contacts import Wired
from gateway_onvif.description import Description
from gateway_onvif.device_io import read_inputs, read_relays
from gateway_onvif.encoders import Encoders, read_options
from gateway_onvif.imaging import read_imaging
from gateway_onvif.messages import DEVICE_IO, IMAGING, PTZ, Profile
from gateway_onvif.ptz import read_ptz

_log = logging.getLogger(__name__)
_LOST: Final = (ErrorKind.UNAVAILABLE, ErrorKind.UNAUTHENTICATED)
_Ability = TypeVar("_Ability")


async def read_controls(
    asker: Asker, described: Description, wired: Wired, changed: Callable[[], None]
) -> CameraControls:
    """Ask a camera what it has; `changed` is called when an encoder was set. Raises GatewayError.

    What a camera announces and then refuses to tell, it does not have.
    """
    source, head = described.main.profile.source, _head(described)
    return CameraControls(
        encoding=await _tried("encoders", _read_encoders(asker, described, changed)),
        imaging=await _tried("imaging", read_imaging(asker, source)) if asker.offers(IMAGING) and source else None,
        ptz=await _tried("PTZ", read_ptz(asker, head)) if asker.offers(PTZ) and head else None,
        relays=None if wired.nothing else await _tried("relays", read_relays(asker, wired.has)),
        inputs=None
        if wired.nothing or not asker.offers(DEVICE_IO)
        else await _tried("inputs", read_inputs(asker, wired.has)),
    )


async def _read_encoders(asker: Asker, described: Description, changed: Callable[[], None]) -> Encoders | None:
    profiles = {"main": described.main.profile, "sub": described.sub.profile}
    options = {name: await read_options(asker, described.media, profile) for name, profile in profiles.items()}
    return Encoders(asker, described.media, profiles, options, changed) if any(options.values()) else None


def _head(described: Description) -> Profile | None:
    """Return the profile to move the head by: main or sub, else another of the same source."""
    ours = described.main.profile.source
    others = (profile for profile in described.profiles if profile.source == ours)
    return next((each for each in (described.main.profile, described.sub.profile, *others) if each.ptz), None)


async def _tried(what: str, asked: Awaitable[_Ability | None]) -> _Ability | None:
    try:
        return await asked
    except GatewayError as error:
        if error.kind in _LOST:
            raise
        _log.info("%s can't be controlled: %s", what, error.message)
        return None
