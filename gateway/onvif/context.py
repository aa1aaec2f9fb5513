"""What an operation knows of its caller, and what a service is."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from lxml import etree

from gateway.domain.access import AccessClass, Account


@dataclass(frozen=True, slots=True)
class Context:
    """The caller of one operation. Addresses in answers are built from how the client reached us."""

    account: Account
    base: str
    """`http://HOST:PORT` as the client used it, or the configured external one."""
    host: str
    """Its host alone, in brackets if it is an IPv6 address."""
    address: str
    """The peer's IP address."""
    rtsp: str
    """`rtsp://HOST:PORT` at the same host, or the configured external one."""
    local_address: str
    """The IP address of ours that the client reached."""
    uri: str = "/"
    """What the client POSTs to: path and query."""
    to: str = ""
    """Its wsa:To header; empty without one."""


class Service(Protocol):
    """One ONVIF service, with a coroutine of exactly its name for each operation that it implements.

    For instance `async def GetProfiles(self, request: dict[str, Any], context: Context) -> dict[str, Any]`, which
    takes the content of the request element and returns that of the response element.

    GetServiceCapabilities need not be written: the endpoint answers it from `capabilities()`.
    """

    namespace: ClassVar[str]
    """Target namespace of its WSDL."""
    path: ClassVar[str]
    """Path of its address, such as `/onvif/media_service`."""

    def capabilities(self) -> Mapping[str, Any]:
        """Return the content of GetServiceCapabilities' Capabilities element."""
        ...


@dataclass(frozen=True, slots=True)
class MountedOperation:
    """One operation of a service that is not ONVIF's."""

    name: str
    access: AccessClass
    call: Callable[[etree._Element, Context], Awaitable[str]]
    """Takes the request element, returns the text of the response element. Raises SoapFault and GatewayError."""


class Mounted(Protocol):
    """A service that is not ONVIF's, with a contract of its own."""

    namespace: str
    path: str
    version: tuple[int, int]
    operations: Mapping[str, MountedOperation]
    """By the tag of the request element."""
