"""Format parameters: the `name=value` list of `a=fmtp` (RFC 8866 §6.15)."""

from collections.abc import Mapping


def parse(fmtp: str) -> dict[str, str]:
    """Return the parameters by lower-case name; one without a value has an empty one."""
    pairs = (part.partition("=") for part in fmtp.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip()}


def replaced(fmtp: str, changes: Mapping[str, str]) -> str:
    """Return the text with parameters set anew, everything else verbatim and in its place."""
    left = dict(changes)
    parts = []
    for part in fmtp.split(";"):
        name = part.partition("=")[0].strip()
        if name.lower() in changes:
            if name.lower() in left:
                parts.append(f"{name}={left.pop(name.lower())}")
        elif name:
            parts.append(part.strip())
    return ";".join([*parts, *(f"{name}={value}" for name, value in left.items())])


def integer(parameters: Mapping[str, str], name: str, default: int) -> int:
    """Return a parameter as a number, or the default when it is missing or no number."""
    value = parameters.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 9 else default  # noqa: PLR2004 - 32 bits
