"""The SOAP endpoint: one request in, one response out, for all services at all addresses.

The operation follows from the name of the Body's first child alone; path, Content-Type and SOAPAction vary too much
between clients to mean anything.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from gateway.domain.access import Account
from gateway.domain.errors import GatewayError
from gateway.onvif.authentication import Authenticator, Credentials, Unauthorized
from gateway.onvif.codec import Codec, DecodeError
from gateway.onvif.context import Context, Mounted, MountedOperation, Service
from gateway.onvif.contract import Contract, Operation
from gateway.onvif.faults import BAD_REQUEST, INTERNAL, Code, Receiver, Sender, SoapFault, fault_of, not_supported
from gateway.protocols.soap import envelope as soap
from gateway.protocols.soap.wsse import find_token
from gateway.sdk.clock import Clock

Handler: TypeAlias = Callable[[dict[str, Any], Context], Awaitable[Mapping[str, Any]]]
AnonymousFault: TypeAlias = Callable[[dict[str, Any]], SoapFault | None]
"""Takes a request without credentials; returns the fault to answer instead of a challenge, or None."""

_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")

TIME_LIMIT = 130.0
"""Seconds that an operation may take: longer than any pull of messages."""

_TOO_LARGE = 413
_TER = "http://www.onvif.org/ver10/error"
_PROBLEMS = {
    soap.Problem.TOO_LARGE: (Sender, "InvalidArgs", _TOO_LARGE),
    soap.Problem.MALFORMED: (Sender, "WellFormed", BAD_REQUEST),
    soap.Problem.VERSION: (Code.VERSION_MISMATCH, "", INTERNAL),
    soap.Problem.NOT_UNDERSTOOD: (Code.MUST_UNDERSTAND, "", INTERNAL),
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SoapRequest:
    """One HTTP POST, as the server hands it over."""

    body: bytes
    address: str
    base: str
    """`http://HOST:PORT` as the client used it."""
    host: str
    local_address: str
    rtsp: str
    """`rtsp://HOST:PORT` for the same client."""
    uri: str = "/"
    authorization: str | None = None


@dataclass(frozen=True, slots=True)
class SoapResponse:
    """The HTTP response to send."""

    status: int
    content_type: str
    body: bytes
    challenges: tuple[str, ...] = ()
    """Values of WWW-Authenticate headers, one header each."""


@dataclass(frozen=True, slots=True)
class _Bound:
    operation: Operation
    handler: Handler | None
    """None where the service does not implement the operation."""


@dataclass(slots=True)
class _Exchange:
    """One request on its way, with what its log line will say."""

    request: SoapRequest
    version: soap.SoapVersion = soap.SoapVersion.V12
    addressing: soap.Addressing | None = None
    operation: str = "-"
    username: str = "-"


class Endpoint:
    """Serves the operations of the given services."""

    def __init__(
        self,
        services: Iterable[Service],
        contract: Contract,
        codec: Codec,
        authenticator: Authenticator,
        clock: Clock,
        *,
        anonymous_faults: Mapping[str, AnonymousFault] | None = None,
        time_limit: float = TIME_LIMIT,
    ) -> None:
        """`anonymous_faults` maps request elements to what some clients must hear instead of a challenge."""
        self._contract = contract
        self._codec = codec
        self._authenticator = authenticator
        self._clock = clock
        self._anonymous_faults = dict(anonymous_faults or {})
        self._time_limit = time_limit
        self._bound: dict[str, _Bound] = {}
        self._mounted: dict[str, MountedOperation] = {}
        for service in services:
            self.add(service)

    def add(self, service: Service) -> None:
        """Serve another service from now. An operation that two services share goes to the first that implements it.

        Raises ValueError for an operation that the contract lacks.
        """
        known = self._contract.operations(service.namespace)
        strange = _operation_names(service) - {operation.name for operation in known}
        if strange:
            raise ValueError(
                f"{type(service).__name__} has operations that {service.namespace} lacks: {sorted(strange)}"
            )
        for operation in known:
            handler: Handler | None = getattr(service, operation.name, None)
            if handler is None and operation.name == "GetServiceCapabilities":
                handler = _capabilities_handler(service)
            present = self._bound.get(operation.request)
            if present is None or (present.handler is None and handler is not None):
                self._bound[operation.request] = _Bound(operation, handler)

    def remove(self, service: Service) -> None:
        """Serve a service's operations no more."""
        for operation in self._contract.operations(service.namespace):
            self._bound.pop(operation.request, None)

    def mount(self, service: Mounted) -> None:
        """Serve a service that is not ONVIF's from now. Raises ValueError for operations that there are already."""
        taken = sorted(tag for tag in service.operations if tag in self._bound or tag in self._mounted)
        if taken:
            raise ValueError(f"there are already operations of the names {', '.join(taken)}")
        self._mounted |= service.operations

    def operations(self) -> tuple[Operation, ...]:
        """Return every implemented operation."""
        return tuple(bound.operation for bound in self._bound.values() if bound.handler is not None)

    async def handle(self, request: SoapRequest) -> SoapResponse:
        """Answer one request. Never raises for anything that a client or an operation does."""
        started = self._clock.monotonic()
        exchange = _Exchange(request)
        reason = ""
        try:
            response = await self._answer(exchange)
        except soap.EnvelopeError as error:
            exchange.version = error.version
            code, subcode, status = _PROBLEMS[error.problem]
            reason = str(error)
            response = self._fault(exchange, SoapFault(code, subcode, "", reason, status=status))
        except Unauthorized as error:
            exchange.username = error.username or exchange.username
            reason = error.fault.reason
            response = self._fault(exchange, error.fault, error.challenges)
        except SoapFault as fault:
            reason = fault.reason
            response = self._fault(exchange, fault)
        _log.info(
            "soap operation=%s account=%s address=%s status=%d ms=%.1f%s",
            exchange.operation,
            _printable(exchange.username),
            request.address,
            response.status,
            (self._clock.monotonic() - started) * 1000,
            f" reason={_printable(reason)}" if reason else "",
        )
        return response

    async def _answer(self, exchange: _Exchange) -> SoapResponse:
        request = exchange.request
        if not request.body and request.authorization is None:
            raise self._authenticator.challenge()  # libcurl asks so for a challenge, to send its body only once
        message = soap.parse(request.body)
        exchange.version, exchange.addressing = message.version, message.addressing
        tag = str(message.body.tag)
        exchange.operation = tag.rpartition("}")[2]
        credentials = Credentials(request.address, request.uri, request.authorization, find_token(message.security))
        if (mounted := self._mounted.get(tag)) is not None:
            return await self._answer_mounted(exchange, mounted, message, credentials)
        bound = self._bound.get(tag)
        if bound is None:
            raise not_supported(tag)
        account = self._admit(credentials, bound, message)
        exchange.username = account.name or "-"
        if bound.handler is None:
            raise not_supported(exchange.operation)
        answer = await self._call(bound.handler, self._decode(message), self._context(exchange, account))
        return self._reply(exchange, bound.operation, answer)

    async def _answer_mounted(
        self, exchange: _Exchange, mounted: MountedOperation, message: soap.Envelope, credentials: Credentials
    ) -> SoapResponse:
        account = self._authenticator.account(credentials, mounted.access)
        exchange.username = account.name or "-"
        body = await self._call(mounted.call, message.body, self._context(exchange, account))
        data = soap.reply(exchange.version, body, {}, exchange.addressing, f"{message.body.tag[1:]}Response")
        return SoapResponse(200, exchange.version.content_type, data)

    def _admit(self, credentials: Credentials, bound: _Bound, message: soap.Envelope) -> Account:
        try:
            return self._authenticator.account(credentials, bound.operation.access)
        except Unauthorized:
            anonymous_fault = self._anonymous_faults.get(bound.operation.request)
            if anonymous_fault is not None and credentials.token is None and credentials.authorization is None:
                fault = anonymous_fault(self._decode(message))
                if fault is not None:
                    raise fault from None
            raise

    def _decode(self, message: soap.Envelope) -> dict[str, Any]:
        try:
            return self._codec.decode(message.body)
        except DecodeError as error:
            raise SoapFault(Sender, "InvalidArgs" if error.missing else "InvalidArgVal", "", str(error)) from None

    async def _call(
        self, handler: Callable[[_Request, Context], Awaitable[_Answer]], request: _Request, context: Context
    ) -> _Answer:
        """Run an operation; this is its supervisor."""
        try:
            async with asyncio.timeout(self._time_limit):
                return await handler(request, context)
        except SoapFault:
            raise
        except GatewayError as error:
            raise fault_of(error) from None
        except TimeoutError:
            raise SoapFault(Receiver, "Action", "", f"no answer within {self._time_limit:g} seconds") from None
        except Exception:  # noqa: BLE001 - one broken operation must not take the others down
            _log.exception("an operation failed")
            raise SoapFault(Receiver, "Action", "", "the operation failed inside the device") from None

    def _reply(self, exchange: _Exchange, operation: Operation, answer: Mapping[str, Any]) -> SoapResponse:
        try:
            body = self._codec.encode(operation.response, answer)
        except ValueError as error:
            _log.exception("the answer to %s does not fit the contract", operation.name)
            raise SoapFault(Receiver, "Action", "", f"the device made an invalid answer: {error}") from None
        data = soap.reply(
            exchange.version, body, operation.service.declares, exchange.addressing, operation.reply_action
        )
        return SoapResponse(200, exchange.version.content_type, data)

    def _fault(self, exchange: _Exchange, fault: SoapFault, challenges: tuple[str, ...] = ()) -> SoapResponse:
        subcodes = [f"ter:{code}" for code in fault.subcodes]
        body = soap.fault_body(exchange.version, fault.code, subcodes, fault.reason, fault.detail)
        addressing = exchange.addressing
        if addressing is None and fault.detail is not None:
            addressing = soap.Addressing(soap.ADDRESSING[0], "", "")
        data = soap.reply(exchange.version, body, {"ter": _TER}, addressing, soap.FAULT_ACTION)
        return SoapResponse(fault.status, exchange.version.content_type, data, challenges)

    def _context(self, exchange: _Exchange, account: Account) -> Context:
        request, addressing = exchange.request, exchange.addressing
        return Context(
            account,
            request.base,
            request.host,
            request.address,
            request.rtsp,
            request.local_address,
            request.uri,
            "" if addressing is None else addressing.to,
        )


def _operation_names(service: Service) -> set[str]:
    return {name for name, _ in inspect.getmembers(type(service), inspect.iscoroutinefunction) if name[:1].isupper()}


def _capabilities_handler(service: Service) -> Handler:
    async def get_service_capabilities(_request: dict[str, Any], _context: Context) -> Mapping[str, Any]:
        return {"Capabilities": dict(service.capabilities())}

    return get_service_capabilities


def _printable(text: str) -> str:
    """Keep a client's text on one line of the log."""
    return "".join(char if char.isprintable() else "?" for char in text[:200])
