"""Validation against the published schemas, relaxed in memory as far as libxml2 needs it (see `wsdl/README.md`).

For tests and for whoever wants a second opinion: the codec checks requests by the same documents, without this.
"""

from lxml import etree

from gateway.onvif.catalogue import Catalogue
from gateway.onvif.contract import Contract

_XS = "{http://www.w3.org/2001/XMLSchema}"
_WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
_FAULTS = "http://docs.oasis-open.org/wsrf/r-2"
"""Only messages of WSDL documents refer to it, no schema does."""

_RULES = "http://www.onvif.org/ver20/analytics"
"""No schema refers to it: parameters of rules are what any element may be."""

_OPEN = ("##any", "##targetNamespace")
_SCHEME = "contract:///"


class Validator:
    """The schemas of all services, compiled together (about 0.1 s)."""

    def __init__(self, contract: Contract) -> None:
        self._resolver = _Relaxed(contract.catalogue)
        parser = etree.XMLParser(no_network=True, resolve_entities=False)
        parser.resolvers.add(self._resolver)
        sources = [(entry.namespace, entry.document) for entry in contract.services()]
        sources += [(each, contract.catalogue.documents[each][0]) for each in (_FAULTS, _RULES)]
        imports = "".join(
            f'<xs:import namespace="{namespace}" schemaLocation="{_SCHEME}{path}"/>' for namespace, path in sources
        )
        root = etree.fromstring(
            f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{imports}</xs:schema>', parser, base_url=_SCHEME
        )
        self._schema = etree.XMLSchema(root)

    def errors(self, element: etree._Element) -> list[str]:
        """Return what is wrong with a body element; empty when it is valid."""
        copy = etree.fromstring(etree.tostring(element))
        if self._schema.validate(copy):
            return []
        return [f"line {error.line}: {error.message}" for error in list(self._schema.error_log)]  # type: ignore[call-overload]


class _Relaxed(etree.Resolver):
    """Hands the documents to libxml2, with the catalogue's relaxations applied."""

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__()
        self._catalogue = catalogue

    def resolve(self, system_url: str, public_id: str | None, context: object) -> object:  # type: ignore[override]
        """Return a relaxed document for a URL of the contract; others are left to the parser, which has no network."""
        del public_id
        path = system_url.removeprefix(_SCHEME)
        if path not in self._catalogue.checksums:
            return None
        return self.resolve_string(self._relaxed(path), context, base_url=_SCHEME + path)

    def _relaxed(self, path: str) -> bytes:
        root = etree.parse(str(self._catalogue.folder / path)).getroot()
        if root.tag == _WSDL + "definitions":
            root = next(root.iter(_XS + "schema"))
        for relaxation in self._catalogue.relaxations:
            if relaxation["rule"] == "foreign-wildcards":
                _close_wildcards(root)
            elif relaxation["rule"] == "drop-wildcard":
                _drop_wildcard(root, relaxation["type"])
            elif relaxation["rule"] == "include" and relaxation["document"] == path:
                root.insert(0, etree.Element(_XS + "include", schemaLocation=relaxation["include"]))
        return etree.tostring(root)


def _close_wildcards(root: etree._Element) -> None:
    for wildcard in root.iter(_XS + "any"):
        group = wildcard.getparent()
        if group is None or wildcard.get("namespace", "##any") not in _OPEN:
            continue
        beside = any(
            isinstance(part.tag, str) for part in (*wildcard.itersiblings(), *wildcard.itersiblings(preceding=True))
        )
        repeated = group.get("maxOccurs") not in (None, "1")
        if beside or repeated or group.tag == _XS + "choice":
            wildcard.set("namespace", "##other")
            wildcard.set("processContents", "lax")


def _drop_wildcard(root: etree._Element, name: str) -> None:
    """Drop those of a type, or of an element with a type of its own, at the top of a schema."""
    for kind in root.iterchildren(_XS + "complexType", _XS + "element"):
        if kind.get("name") == name:
            for wildcard in list(kind.iter(_XS + "any")):
                parent = wildcard.getparent()
                if parent is not None:
                    parent.remove(wildcard)
