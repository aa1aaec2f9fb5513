"""What the encoder configurations of both Media services have in common."""

from typing import Final

from gateway.protocols.soap.answers import Element
from gateway_onvif.messages import SCHEMA
from gateway_onvif.values import number, written

KILO: Final = 1000


def resolutions(options: Element) -> tuple[tuple[int, int], ...]:
    """Return the sizes that options hold, the largest first."""
    found = {
        (int(number(node, "{*}Width") or 0), int(number(node, "{*}Height") or 0))
        for node in options.iterfind("{*}ResolutionsAvailable")
    }
    return tuple(sorted((size for size in found if min(size) > 0), key=lambda size: size[0] * size[1], reverse=True))


def put(parent: Element, name: str, value: float | str, *before: str) -> None:
    """Set the element of a name, made in front of the first of others where there is none."""
    child_of(parent, name, *before).text = written(value)


def child_of(parent: Element, name: str, *before: str) -> Element:
    """Return the element of a name, made in front of the first of others, or at the end, where there is none."""
    found = parent.find(f"{{*}}{name}")
    if found is not None:
        return found
    made = parent.makeelement(f"{{{SCHEMA}}}{name}")
    following = next((node for other in before if (node := parent.find(f"{{*}}{other}")) is not None), None)
    if following is None:
        parent.append(made)
    else:
        following.addprevious(made)
    return made
