"""SOAP services of plug-ins: operations of their own, declared in code, beside those of ONVIF.

The types that operations are declared with come from `gateway.sdk.soap_types`, which only the modules of such plug-ins
should import: it takes a while.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from gateway.domain.access import AccessClass, Account
from gateway.domain.camera import Channel
from gateway.domain.recording import Hold


class GatewayControl(Protocol):
    """The running gateway, as far as services of plug-ins may see and change it. What fails raises GatewayError."""

    def started_ns(self) -> int:
        """Return when it was started, in UTC nanoseconds."""
        ...

    def cameras(self) -> Sequence[Channel]:
        """Return every camera."""
        ...

    async def camera_history(self, camera: str) -> Sequence[Mapping[str, str]]:
        """Return what became of a camera, oldest first: `time` in ISO 8601, `kind`, and `text` in words."""
        ...

    async def storages(self) -> Sequence[Mapping[str, Any]]:
        """Return every storage, as `gateway storage list --json` shows it: `id`, `state`, `cause`, sizes in bytes."""
        ...

    async def holds(self) -> Sequence[Hold]:
        """Return the ranges that are protected from deletion."""
        ...

    async def add_hold(self, caller: "SoapCall", recording: str, start_ns: int, end_ns: int, reason: str) -> str:
        """Protect a range of a recording; return the hold's id. It is audited."""
        ...

    async def remove_hold(self, caller: "SoapCall", hold: str) -> None:
        """Protect a range no more. It is audited."""
        ...


@dataclass(frozen=True, slots=True)
class SoapCall:
    """What an operation finds in `ctx.udc`: who calls, and the gateway."""

    account: Account
    address: str
    """The caller's IP address."""
    gateway: GatewayControl


class SoapService(ABC):
    """A service at `/onvif/vendor/NAME`, by the name that it was registered with."""

    namespace: ClassVar[str]
    """Target namespace: a URI of the plug-in's own."""
    version: ClassVar[tuple[int, int]] = (1, 0)
    """As GetServices tells it."""
    access: ClassVar[Mapping[str, AccessClass]] = {}
    """Access classes of operations by name (Core §7.9.4.3); those that are not named are for administrators."""

    @abstractmethod
    def operations(self) -> Sequence[type]:
        """Return spyne's services (subclasses of `ServiceBase`), whose operations are coroutines or functions."""
