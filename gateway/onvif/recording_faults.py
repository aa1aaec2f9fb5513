"""The faults of recording, search, replay and receivers ("faults" of each operation in their specifications)."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec

from gateway.onvif.faults import Code, Receiver, Sender, SoapFault
from gateway.services.recordings_errors import Reason, RecordingError

P = ParamSpec("P")

_OF_THE_DEVICE = (
    Reason.CANNOT_DELETE,
    Reason.MAX_RECORDINGS,
    Reason.MAX_TRACKS,
    Reason.MAX_JOBS,
    Reason.MAX_RECEIVERS,
    Reason.CANNOT_DELETE_RECEIVER,
    Reason.NO_SEARCH,
)
"""Reasons that the request is not to blame for."""


def fault(error: RecordingError) -> SoapFault:
    """Return the fault of a refused request."""
    code, subcode = (Receiver, "Action") if error.reason in _OF_THE_DEVICE else (Sender, "InvalidArgVal")
    return SoapFault(code, subcode, error.reason, error.message)


def invalid(code: str, message: str) -> SoapFault:
    """Return the fault for a value that is not possible, such as `InvalidToken`."""
    return SoapFault(Code.SENDER, "InvalidArgVal", code, message)


@contextmanager
def faults() -> Iterator[None]:
    """Turn a service's refusals into faults."""
    try:
        yield
    except RecordingError as error:
        raise fault(error) from None


def faulting(operation: Callable[P, Awaitable[Mapping[str, Any]]]) -> Callable[P, Awaitable[dict[str, Any]]]:
    """Make an operation whose refusals are faults."""

    @wraps(operation)
    async def checked(*args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        with faults():
            return dict(await operation(*args, **kwargs))

    return checked
