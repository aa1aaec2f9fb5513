"""Device service: scopes and discovery mode (Core §8.3 Device management; §7.3 Discovery)."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gateway.onvif.context import Context
from gateway.onvif.faults import Receiver, Sender, SoapFault

MAX_SCOPES = 40
_MAX_LENGTH = 255
_SCOPES, _MODE = "onvif.scopes", "onvif.discovery_mode"
_DISCOVERABLE = "Discoverable"


class Settings(Protocol):
    """Where settings survive a restart."""

    def load(self, key: str) -> object | None:
        """Return a stored JSON value, or None."""
        ...

    def store(self, key: str, value: object) -> None:
        """Keep a JSON value; returns at once."""
        ...


class ScopeOperations:
    """The fixed scopes, the configurable ones, and whether the device may be discovered."""

    def __init__(
        self,
        fixed: Callable[[], Sequence[str]],
        initial: Sequence[str],
        settings: Settings,
        changed: Callable[[], None],
    ) -> None:
        """`initial` are the configurable scopes until a client changes them; `changed` makes discovery say Hello."""
        self._fixed = fixed
        self._settings = settings
        self._changed = changed
        self._initial = tuple(initial)
        self._configurable = self._stored_scopes()
        self._mode = _DISCOVERABLE
        if settings.load(_MODE) == "NonDiscoverable":
            self._mode = "NonDiscoverable"

    def scopes(self) -> tuple[str, ...]:
        """Return all scopes, the fixed ones first."""
        return (*self._fixed(), *self._configurable)

    @property
    def discoverable(self) -> bool:
        """Whether discovery may say Hello and answer probes."""
        return self._mode == _DISCOVERABLE

    async def GetScopes(self, _request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Return every scope with whether it can be changed."""
        entries = [("Fixed", scope) for scope in self._fixed()]
        entries += [("Configurable", scope) for scope in self._configurable]
        return {"Scopes": [{"ScopeDef": kind, "ScopeItem": scope} for kind, scope in entries]}

    async def SetScopes(self, request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Replace the configurable scopes. Fixed ones in the list are refused."""
        scopes = self._checked(request["Scopes"])
        fixed = self._fixed()
        for scope in scopes:
            if scope in fixed:
                raise SoapFault(Sender, "OperationProhibited", "FixedScope", f"the scope {scope!r} is fixed")
        self._keep(scopes)
        return {}

    async def AddScopes(self, request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Add configurable scopes; those that are there already stay as they are."""
        added = [scope for scope in self._checked(request["ScopeItem"]) if scope not in self._fixed()]
        self._keep((*self._configurable, *added))
        return {}

    async def RemoveScopes(self, request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Remove configurable scopes, all or none."""
        scopes = request["ScopeItem"]
        for scope in scopes:
            if scope in self._fixed():
                raise SoapFault(Sender, "OperationProhibited", "FixedScope", f"the scope {scope!r} is fixed")
            if scope not in self._configurable:
                raise SoapFault(Sender, "InvalidArgVal", "NoScope", f"there is no scope {scope!r}")
        self._keep([scope for scope in self._configurable if scope not in scopes])
        return {"ScopeItem": scopes}

    async def GetDiscoveryMode(self, _request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Return Discoverable or NonDiscoverable."""
        return {"DiscoveryMode": self._mode}

    async def SetDiscoveryMode(self, request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Switch discovery on or off, for good."""
        if request["DiscoveryMode"] != self._mode:
            self._mode = request["DiscoveryMode"]
            self._settings.store(_MODE, self._mode)
            self._changed()
        return {}

    def reset_scopes(self) -> None:
        """Go back to the initial scopes and to being discoverable."""
        self._mode = _DISCOVERABLE
        self._settings.store(_MODE, self._mode)
        self._keep(self._initial)

    def _keep(self, scopes: Sequence[str]) -> None:
        unique = tuple(dict.fromkeys(scopes))
        if len(unique) > MAX_SCOPES:
            raise SoapFault(Receiver, "Action", "TooManyScopes", f"{len(unique)} scopes are more than {MAX_SCOPES}")
        if unique != self._configurable:
            self._configurable = unique
            self._settings.store(_SCOPES, list(unique))
            self._changed()

    def _checked(self, scopes: Sequence[str]) -> Sequence[str]:
        for scope in scopes:
            if ":" not in scope or len(scope) > _MAX_LENGTH or any(char.isspace() for char in scope):
                raise SoapFault(
                    Sender, "InvalidArgVal", "", f"the scope {scope[:_MAX_LENGTH]!r} is not an absolute URI"
                )
        return scopes

    def _stored_scopes(self) -> tuple[str, ...]:
        stored = self._settings.load(_SCOPES)
        if not isinstance(stored, list):
            return self._initial
        return tuple(scope for scope in stored if isinstance(scope, str))
