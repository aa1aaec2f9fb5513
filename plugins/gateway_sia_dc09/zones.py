"""Zone numbers: one for each camera, never another's, and the same for ever. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

LAST_ZONE = 999
"""Contact ID has three digits."""


def check_zones(configured: Mapping[str, Any]) -> None:
    """Raise ValueError where a configured number is none, or two cameras have the same one."""
    owners: dict[int, str] = {}
    for camera, number in configured.items():
        if type(number) is not int or not 1 <= number <= LAST_ZONE:
            raise ValueError(f"zones: {camera!r} must have a number from 1 to {LAST_ZONE}, not {number!r}")
        if number in owners:
            raise ValueError(f"zones: {owners[number]!r} and {camera!r} both have the number {number}")
        owners[number] = camera


def give_zones(
    cameras: Iterable[str], configured: Mapping[str, int], known: Mapping[str, int]
) -> tuple[dict[str, int], dict[str, int]]:
    """Return the zones of the cameras, and all numbers ever given, which `known` was until now.

    A camera without a configured number keeps the one that it has, or gets the lowest that nobody ever had. Raises
    ValueError for an unknown camera, and where a configured number is the present one of another camera.
    """
    present = list(cameras)
    for camera, number in configured.items():
        if camera not in present:
            raise ValueError(f"zones: there is no camera {camera!r}")
        owner = next((each for each in present if each not in configured and known.get(each) == number), None)
        if owner is not None:
            raise ValueError(
                f"zones: the number {number} of {camera!r} is that of {owner!r} already; give {owner!r} another one too"
            )
    zones = {camera: configured.get(camera, known.get(camera, 0)) for camera in present}
    taken = {*zones.values(), *known.values()}
    free = (number for number in range(1, LAST_ZONE + 1) if number not in taken)
    for camera in present:
        if not zones[camera]:
            zones[camera] = next(free, 0)
            if not zones[camera]:
                raise ValueError(f"zones: no number up to {LAST_ZONE} is left for {camera!r}; configure one")
    given = set(zones.values())
    return zones, {camera: number for camera, number in known.items() if number not in given} | zones
