"""Which of a camera's profiles are the main and the sub stream."""

from collections.abc import Sequence
from typing import Final

from gateway.domain.errors import ErrorKind, GatewayError
from gateway_onvif.messages import Profile

SENSIBLE_WIDTH: Final = 320
"""A smaller picture shows nothing; it is taken only when there is no other."""
_MODERN: Final = ("H264", "H265")
_PLAYABLE: Final = (*_MODERN, "JPEG")


def of_source(profiles: Sequence[Profile], source: str, camera: str) -> tuple[Profile, ...]:
    """Return the profiles of a video source, by its token or its number from 1; of the first one without either."""
    sources = list(dict.fromkeys(profile.source for profile in profiles))
    if not source:
        return tuple(profile for profile in profiles if profile.source == sources[0]) if sources else ()
    if source not in sources and source.isdecimal() and 0 < int(source) <= len(sources):
        source = sources[int(source) - 1]
    found = tuple(profile for profile in profiles if profile.source == source)
    if not found:
        raise GatewayError(
            ErrorKind.NOT_FOUND,
            f"camera {camera} has no video source {source!r}; it has {', '.join(map(repr, sources)) or 'none'}",
        )
    return found


def choose(profiles: Sequence[Profile], camera: str) -> tuple[Profile, Profile]:
    """Return main and sub, which may be the same: the largest and the smallest sensible picture in H.264 or H.265.

    JPEG serves only where there is nothing else. Raises GatewayError (UNSUPPORTED).
    """
    modern = [profile for profile in profiles if profile.encoding in _MODERN]
    usable = modern or [profile for profile in profiles if profile.encoding in _PLAYABLE]
    if not usable:
        offered = ", ".join(map(str, profiles)) or "none with video"
        message = f"camera {camera} has no profile with H.264, H.265 or JPEG; its profiles are: {offered}"
        raise GatewayError(ErrorKind.UNSUPPORTED, message)
    main = max(usable, key=_pixels)
    smaller = [profile for profile in usable if 0 < _pixels(profile) < _pixels(main)]
    sensible = [profile for profile in smaller if profile.width >= SENSIBLE_WIDTH]
    if sensible:
        return main, min(sensible, key=_pixels)
    return main, max(smaller, key=_pixels, default=main)


def named(profiles: Sequence[Profile], token: str, camera: str) -> Profile:
    """Return the profile that the operator named by its token. Raises GatewayError (NOT_FOUND)."""
    for profile in profiles:
        if profile.token == token:
            return profile
    known = ", ".join(repr(profile.token) for profile in profiles) or "none"
    raise GatewayError(ErrorKind.NOT_FOUND, f"camera {camera} has no profile {token!r}; it has {known}")


def _pixels(profile: Profile) -> int:
    return profile.width * profile.height
