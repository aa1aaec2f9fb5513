"""The faults of the Analytics service (Analytics §5.3, "faults" of each operation)."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.onvif.faults import Receiver, Sender, SoapFault

RULE, MODULE = "Rule", "Module"

_CODES = {
    RULE: ("InvalidRule", "RuleAlreadyExistent", "RuleNotExistent", "TooManyRules"),
    MODULE: ("InvalidModule", "NameAlreadyExistent", "NameNotExistent", "TooManyModules"),
}


def invalid(what: str, message: str) -> SoapFault:
    """Return the fault for a rule or module that can't be."""
    return SoapFault(Sender, "InvalidArgVal", _CODES[what][0], message)


def exists(what: str, message: str) -> SoapFault:
    """Return the fault for a name that is in use."""
    return SoapFault(Sender, "InvalidArgVal", _CODES[what][1], message)


def missing(what: str, name: str) -> SoapFault:
    """Return the fault for an unknown name."""
    return SoapFault(Sender, "InvalidArgVal", _CODES[what][2], f"there is no {what.lower()} {name!r}")


def too_many(what: str, message: str) -> SoapFault:
    """Return the fault for more than there can be."""
    return SoapFault(Receiver, "Action", _CODES[what][3], message)


@contextmanager
def faults(what: str) -> Iterator[None]:
    """Turn the refusals of readers, and of the service that keeps rules, into faults."""
    try:
        yield
    except ValueError as error:
        raise invalid(what, str(error)) from error
    except GatewayError as error:
        if error.kind is ErrorKind.CONFLICT:
            raise exists(what, error.message) from error
        if error.kind is ErrorKind.LIMIT:
            raise too_many(what, error.message) from error
        raise
