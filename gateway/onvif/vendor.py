"""The bridge to spyne: services that plug-ins declare in code, behind the same endpoint as ONVIF's own.

The endpoint has parsed the message within limits, checked its headers and the caller before an element comes here. That
is held against the schema that follows from the declared types before spyne makes values of it, for spyne alone matches
names without their namespaces and takes any text for any type. Of spyne's SOAP protocols nothing is used.
"""

# ruff: noqa: I001 - the repair of spyne comes before spyne

import inspect
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, Final
from xml.sax.saxutils import escape

from lxml import etree

from gateway.sdk.soap_types import Fault, Unicode
from spyne import Application
from spyne.context import MethodContext
from spyne.interface.wsdl import Wsdl11
from spyne.interface.xml_schema import XmlSchema
from spyne.model import SimpleModel
from spyne.protocol.soap import Soap12
from spyne.protocol.xml import XmlDocument

from gateway.domain.access import AccessClass
from gateway.onvif.context import Context, MountedOperation
from gateway.onvif.faults import Code, Receiver, Sender, SoapFault
from gateway.sdk.soap import GatewayControl, SoapCall, SoapService

FOLDER: Final = "/onvif/vendor/"
_ADDRESS: Final = "http://address.invalid/"
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_OVER_HTTP: Final = "http://schemas.xmlsoap.org/soap/http"


class _Document(XmlDocument):  # type: ignore[misc]  # spyne has no types
    """Values of elements that the schema has let pass, with blanks around them gone as it takes them (XSD §4.3.6)."""

    def from_element(self, ctx: Any, cls: Any, element: etree._Element) -> Any:  # noqa: ANN401 - spyne's
        if element.text and issubclass(cls, SimpleModel) and not issubclass(cls, Unicode):
            element.text = " ".join(element.text.split())
        return super().from_element(ctx, cls, element)


class VendorService:
    """One service of a plug-in, mounted."""

    def __init__(self, name: str, service: SoapService, gateway: GatewayControl) -> None:
        """Raises what spyne raises for what can't be declared, and ValueError for what can't be served."""
        logging.getLogger("spyne").setLevel(logging.CRITICAL)  # it would write whole messages
        self.name = name
        self.namespace = service.namespace
        self.path = FOLDER + name
        self.version = service.version
        self._gateway = gateway
        self._application = Application(
            list(service.operations()), service.namespace, name=name, in_protocol=Soap12(), out_protocol=Soap12()
        )
        self._application.transport = _OVER_HTTP
        self._protocol = _Document(self._application)
        schema = XmlSchema(self._application.interface)
        schema.build_validation_schema()
        self._schema: etree.XMLSchema = schema.validation_schema
        wsdl = Wsdl11(self._application.interface)
        wsdl.build_interface_document(_ADDRESS)
        self._wsdl = bytes(wsdl.get_interface_document())
        self._access = dict(service.access)
        self.operations: Mapping[str, MountedOperation] = dict(self._operations())

    def wsdl(self, base: str) -> bytes:
        """Return its WSDL 1.1 document, for a client that reaches us at `base`."""
        return self._wsdl.replace(_ADDRESS.encode(), escape(base + self.path, {'"': "&quot;"}).encode())

    def _operations(self) -> Iterator[tuple[str, MountedOperation]]:
        declared = self._application.interface.service_method_map
        unknown = self._access.keys() - {methods[0].name for methods in declared.values()}
        if unknown:
            raise ValueError(
                f"access classes are given for operations that there are not: {', '.join(sorted(unknown))}"
            )
        for tag, (method, *_) in declared.items():
            access = self._access.get(method.name, AccessClass.WRITE_SYSTEM)
            yield tag, MountedOperation(method.name, access, self._caller(method))

    def _caller(self, method: Any) -> Callable[[etree._Element, Context], Awaitable[str]]:  # noqa: ANN401 - spyne's
        async def call(request: etree._Element, context: Context) -> str:
            if not self._schema.validate(request):
                raise SoapFault(Sender, "InvalidArgVal", "", _problem(self._schema))
            state = self._state(context)
            result = await _result(method.function, state, self._arguments(state, method.in_message, request))
            return self._written(state, method.out_message, result)

        return call

    def _arguments(self, state: Any, message: Any, request: etree._Element) -> list[Any]:  # noqa: ANN401 - spyne's
        try:
            given = self._protocol.from_element(state, message, request)
        except (Fault, ValueError, OverflowError) as error:  # what a schema allows and Python can't hold
            raise SoapFault(Sender, "InvalidArgVal", "", f"a value is out of range: {error}") from None
        return [getattr(given, name) for name in message._type_info]  # noqa: SLF001 - spyne's API

    def _state(self, context: Context) -> Any:  # noqa: ANN401 - spyne's
        state = MethodContext(SimpleNamespace(app=self._application), MethodContext.SERVER)
        state.udc = SoapCall(context.account, context.address, self._gateway)
        return state

    def _written(self, state: Any, message: Any, result: Any) -> str:  # noqa: ANN401 - spyne's
        names = list(message._type_info)  # noqa: SLF001 - spyne's API
        answer = message()
        for name, value in zip(names, result if len(names) > 1 else (result,)[: len(names)], strict=True):
            setattr(answer, name, value)
        parent = etree.Element("answer")
        self._protocol.to_parent(state, message, answer, parent, self.namespace)
        if not self._schema.validate(parent[0]):
            raise SoapFault(Receiver, "Action", "", f"the service made an invalid answer: {_problem(self._schema)}")
        return etree.tostring(parent[0], encoding="unicode")


async def _result(function: Callable[..., Any], state: Any, arguments: list[Any]) -> Any:  # noqa: ANN401 - any type
    try:
        result = function(state, *arguments)
        return await result if inspect.isawaitable(result) else result
    except Fault as fault:
        raise _fault(fault) from None


def _fault(fault: Any) -> SoapFault:  # noqa: ANN401 - spyne's
    """Return a fault that an operation raised in spyne's way: `Client.ReasonInOneWord` or `Server.…`."""
    side, _, subcode = str(fault.faultcode).partition(".")
    code = Code.SENDER if side in {"Client", "Sender"} else Code.RECEIVER
    return SoapFault(code, subcode if _WORD.fullmatch(subcode) else "Action", "", str(fault.faultstring))


def _problem(schema: etree.XMLSchema) -> str:
    entries: Iterable[Any] = schema.error_log  # type: ignore[assignment]  # iterable, whatever the stubs say
    return "; ".join(dict.fromkeys(str(entry.message) for entry in entries))
