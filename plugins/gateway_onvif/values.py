"""Reading values out of answers, and writing them into requests. What makes no sense counts as not said."""

import math
from datetime import UTC, datetime
from typing import Final

from gateway.domain.ranges import Range
from gateway.protocols.soap.answers import Element, text
from gateway.protocols.soap.envelope import escape

_TRUE: Final = frozenset({"true", "1"})


def number(node: Element | None, path: str = "") -> float | None:
    """Return the number at a path; None where there is none."""
    return _number(text(node, path))


def numbers(words: str | None) -> tuple[float, ...]:
    """Return the numbers of a list (`tt:FloatList`, `tt:IntList`)."""
    found = (_number(word) for word in (words or "").replace(",", " ").split())
    return tuple(value for value in found if value is not None)


def limits(node: Element | None, path: str = "") -> Range | None:
    """Return the range at a path (`tt:FloatRange`, `tt:IntRange`); None where there is none."""
    found = node if node is None or not path else node.find(path)
    least, greatest = number(found, "{*}Min"), number(found, "{*}Max")
    return None if least is None or greatest is None or least > greatest else Range(least, greatest)


def texts(node: Element, path: str) -> tuple[str, ...]:
    """Return the texts of all elements at a path, without empty ones."""
    return tuple(found for element in node.iterfind(path) if (found := text(element)))


def truth(words: str | None) -> bool:
    """Return what an `xs:boolean` says."""
    return (words or "").strip().lower() in _TRUE


def time_ns(words: str | None) -> int | None:
    """Return an `xs:dateTime` in UTC nanoseconds; one without a zone is taken as UTC."""
    try:
        moment = datetime.fromisoformat((words or "").strip())
    except ValueError:
        return None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000) * 1_000_000


def written(value: float | str | bool | None) -> str:  # noqa: FBT001 - a value to write, not a switch
    """Return a value as XML Schema writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return escape(str(value))


def element(name: str, *content: str, value: float | str | bool | None = None, **attributes: str | None) -> str:
    """Return an element with a value, or with other elements in it; attributes that are None are left out."""
    inside = "".join(content) if value is None else written(value)
    told = "".join(f' {key}="{escape(text_)}"' for key, text_ in attributes.items() if text_ is not None)
    return f"<{name}{told}>{inside}</{name}>"


def optional(name: str, value: float | str | None) -> str:
    """Return an element with a value; nothing without one."""
    return "" if value is None else element(name, value=value)


def _number(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
