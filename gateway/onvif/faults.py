"""SOAP faults of ONVIF operations (Core §7.8): what they are, and which one an error becomes."""

from dataclasses import dataclass
from enum import StrEnum

from lxml import etree

from gateway.domain.errors import ErrorKind, GatewayError


class Code(StrEnum):
    """First level of a fault code, in SOAP 1.2's words."""

    SENDER = "Sender"
    RECEIVER = "Receiver"
    MUST_UNDERSTAND = "MustUnderstand"
    VERSION_MISMATCH = "VersionMismatch"


Sender, Receiver = Code.SENDER, Code.RECEIVER


@dataclass(slots=True, eq=False)
class SoapFault(Exception):  # noqa: N818 - SOAP's own word
    """An operation that failed: `raise SoapFault(Sender, "InvalidArgVal", "NoProfile", "profile 'x' …")`."""

    code: Code
    subcode: str
    """Second level, a name of the ter namespace; empty for none."""
    detail_code: str
    """Third level, a name of the ter namespace; empty for none."""
    reason: str
    detail: etree._Element | None = None
    """Content of the Detail element, such as a WS-BaseFault."""
    status: int = 500
    """HTTP status (Core §7.8 shows 500 for every fault; only authentication differs)."""

    def __str__(self) -> str:
        return self.reason

    @property
    def subcodes(self) -> tuple[str, ...]:
        """The codes below the first level, none of them empty."""
        return tuple(code for code in (self.subcode, self.detail_code) if code)


BAD_REQUEST, UNAUTHORIZED, INTERNAL = 400, 401, 500

_KINDS = {
    ErrorKind.INVALID: (Sender, "InvalidArgVal"),
    ErrorKind.NOT_FOUND: (Sender, "InvalidArgVal"),
    ErrorKind.CONFLICT: (Receiver, "Action"),
    ErrorKind.UNAUTHENTICATED: (Sender, "NotAuthorized"),
    ErrorKind.FORBIDDEN: (Sender, "OperationProhibited"),
    ErrorKind.LIMIT: (Receiver, "Action"),
    ErrorKind.UNSUPPORTED: (Receiver, "ActionNotSupported"),
    ErrorKind.UNAVAILABLE: (Receiver, "Action"),
    ErrorKind.INTERNAL: (Receiver, "Action"),
}


def fault_of(error: GatewayError) -> SoapFault:
    """Return the fault that a gateway error becomes when the operation chose no better one."""
    code, subcode = _KINDS[error.kind]
    return SoapFault(code, subcode, "", error.message)


def not_authorized(reason: str, status: int = BAD_REQUEST) -> SoapFault:
    """Return the fault for missing, wrong or insufficient credentials (Core §7.9.1)."""
    return SoapFault(Sender, "NotAuthorized", "", reason, status=status)


def not_supported(operation: str) -> SoapFault:
    """Return the fault of an operation that is not there.

    Its text holds `not implemented` in lower case and `ActionNotSupported`: clients look for one or the other.
    """
    return SoapFault(
        Receiver, "ActionNotSupported", "", f"ActionNotSupported: the operation {operation} is not implemented"
    )
