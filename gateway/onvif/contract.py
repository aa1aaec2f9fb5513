"""The ONVIF contract: the operations of every service, read from the published WSDL files when first asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from lxml import etree

from gateway.domain.access import AccessClass
from gateway.onvif.catalogue import Catalogue, ServiceEntry, load_catalogue
from gateway.onvif.schema import Schema, expand

_WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
_ACTION = "{http://www.w3.org/2006/05/addressing/wsdl}Action"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of one service."""

    service: ServiceEntry
    name: str
    request: str
    """Name of the request element, `{namespace}name`."""
    response: str
    access: AccessClass
    reply_action: str
    """WS-Addressing action of its response (WS-Addressing 1.0 Metadata §4.4.4)."""


class Contract:
    """All services of the catalogue. Documents are parsed on first use of their namespace, once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.prefixes: Mapping[str, str] = MappingProxyType(dict(catalogue.prefixes))
        self.schema = Schema(catalogue)
        self._services = {entry.namespace: entry for entry in catalogue.services}
        self._operations: dict[str, tuple[Operation, ...]] = {}

    def service(self, namespace: str) -> ServiceEntry:
        """Return a service by its WSDL's target namespace. Raises KeyError."""
        return self._services[namespace]

    def services(self) -> tuple[ServiceEntry, ...]:
        """Return every service of the catalogue."""
        return tuple(self._services.values())

    def operations(self, namespace: str) -> tuple[Operation, ...]:
        """Return every operation of a service: imported ones first, then in the WSDL's order. Raises KeyError."""
        if namespace not in self._operations:
            self._operations[namespace] = tuple(self._read(self._services[namespace]))
        return self._operations[namespace]

    def _read(self, entry: ServiceEntry) -> Iterator[Operation]:
        """Read the operations that the service's document binds, its imported port types included.

        Those come first: an operation that the document repeats has the actions of the port type that it is from.
        """
        main = self.schema.document(entry.document)
        roots = [*(self.schema.document(path) for path in self._imported(entry.document)), main]
        messages = {name: element for root in roots for name, element in _messages(root)}
        bound = {expand(node, node.get("type", "")) for node in main.iterchildren(_WSDL + "binding")}
        seen: set[str] = set()
        for root in roots:
            target = root.get("targetNamespace", "")
            for port in root.iterchildren(_WSDL + "portType"):
                if f"{{{target}}}{port.get('name')}" not in bound:
                    continue
                for node in port.iterchildren(_WSDL + "operation"):
                    request, response = (_message(node, way, messages) for way in ("input", "output"))
                    if request and response and request not in seen:
                        seen.add(request)
                        yield _operation(entry, port, node, (request, response))

    def _imported(self, path: str) -> Iterator[str]:
        """Follow imports of WSDL documents that are no service of their own (WS-BaseNotification's port types)."""
        own = {entry.namespace for entry in self._services.values()}
        for node in self.schema.document(path).iterchildren(_WSDL + "import"):
            if node.get("namespace") not in own:
                yield self.schema.resolve(path, node.get("location", ""))


@cache
def load_contract() -> Contract:
    """Return the contract of the installed documents; it is made once."""
    return Contract(load_catalogue())


def _operation(entry: ServiceEntry, port: etree._Element, node: etree._Element, elements: tuple[str, str]) -> Operation:
    name = node.get("name", "")
    output = node.find(_WSDL + "output")
    target = port.getparent()
    namespace = "" if target is None else target.get("targetNamespace", "").rstrip("/")
    action = (None if output is None else output.get(_ACTION)) or f"{namespace}/{port.get('name')}/{name}Response"
    return Operation(entry, name, *elements, entry.access_class(name), action)


def _messages(root: etree._Element) -> Iterator[tuple[str, str]]:
    """Yield message names with the name of their only part's element."""
    for message in root.iterchildren(_WSDL + "message"):
        part = message.find(_WSDL + "part")
        if part is not None and part.get("element"):
            name = f"{{{root.get('targetNamespace', '')}}}{message.get('name')}"
            yield name, expand(part, part.get("element", ""))


def _message(operation: etree._Element, way: str, messages: Mapping[str, str]) -> str | None:
    node = operation.find(_WSDL + way)
    return None if node is None else messages.get(expand(node, node.get("message", "")))
