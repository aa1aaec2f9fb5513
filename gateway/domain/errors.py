"""The one error family. Each edge (SOAP, RTSP, HTTP) maps a kind to its own status."""

from enum import StrEnum


class ErrorKind(StrEnum):
    """Why something could not be done; a closed set."""

    INVALID = "invalid"
    NOT_FOUND = "not-found"
    CONFLICT = "conflict"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    LIMIT = "limit"
    UNSUPPORTED = "unsupported"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class GatewayError(Exception):
    """A failure with its kind and one sentence that names the offending value."""

    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
