"""Who may do what: accounts, levels and secrets."""

from dataclasses import dataclass, field
from enum import StrEnum


class Secret:
    """A password that shows itself only when asked by name, so never in a log or a repr."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the clear text."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class UserLevel(StrEnum):
    """ONVIF's user levels (Core §7.9.4.3)."""

    ADMINISTRATOR = "Administrator"
    OPERATOR = "Operator"
    USER = "User"
    ANONYMOUS = "Anonymous"


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the ONVIF, RTSP and console interfaces."""

    name: str
    level: UserLevel
    password: Secret = field(repr=False)


ANONYMOUS = Account("", UserLevel.ANONYMOUS, Secret(""))
"""Nobody: a request without credentials."""


class AccessClass(StrEnum):
    """ONVIF's access classes of operations (Core §7.9.4.3)."""

    PRE_AUTH = "PRE_AUTH"
    READ_SYSTEM = "READ_SYSTEM"
    READ_SYSTEM_SENSITIVE = "READ_SYSTEM_SENSITIVE"
    READ_SYSTEM_SECRET = "READ_SYSTEM_SECRET"  # noqa: S105 - ONVIF's name of a class, not a secret
    WRITE_SYSTEM = "WRITE_SYSTEM"
    UNRECOVERABLE = "UNRECOVERABLE"
    READ_MEDIA = "READ_MEDIA"
    ACTUATE = "ACTUATE"


_USER = frozenset({AccessClass.PRE_AUTH, AccessClass.READ_SYSTEM, AccessClass.READ_MEDIA})
_OPERATOR = _USER | {AccessClass.READ_SYSTEM_SENSITIVE, AccessClass.ACTUATE}
_GRANTS = {
    UserLevel.ADMINISTRATOR: frozenset(AccessClass),
    UserLevel.OPERATOR: _OPERATOR,
    UserLevel.USER: _USER,
    UserLevel.ANONYMOUS: frozenset({AccessClass.PRE_AUTH}),
}


def may(level: UserLevel, access: AccessClass) -> bool:
    """Tell whether a level may call operations of an access class (Core §7.9.4.3)."""
    return access in _GRANTS[level]
