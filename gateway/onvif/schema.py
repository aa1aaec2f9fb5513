"""Reads XML Schema into plans: for each element and type its children in order, attributes, wildcard and text.

Only what the contract's documents use is understood: sequences, choices, extensions, attributes, wildcards, simple
types by restriction, list and union (XML Schema 1.0 part 1 §3). Content models are flattened into one ordered list,
which is all that writing needs, and which lets requests with children out of order be read.
"""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from lxml import etree

from gateway.onvif.catalogue import Catalogue
from gateway.onvif.simple import ANY_SIMPLE, BUILTIN, SimpleType, restrict, simple_list, union

_XS = "{http://www.w3.org/2001/XMLSchema}"
ANY_TYPE = _XS + "anyType"
TEXT, WILDCARD = "_", "_any"
"""Keys of an element's own text beside its attributes, and of its undeclared children."""


@dataclass(frozen=True, slots=True)
class Child:
    """One declared child element."""

    name: str
    tag: str
    type: "Type"
    required: bool
    repeated: bool


@dataclass(frozen=True, slots=True)
class Attribute:
    """One declared attribute; `tag` is its name as lxml writes it."""

    name: str
    tag: str
    type: SimpleType
    required: bool


@dataclass(slots=True, eq=False)
class ComplexType:
    """The plan of a complex type. Filled after it is made, since types refer to themselves."""

    name: str
    children: dict[str, Child] = field(default_factory=dict)
    """By tag, in the order of the schema."""
    attributes: dict[str, Attribute] = field(default_factory=dict)
    """By tag."""
    text: SimpleType | None = None
    wildcard: bool = False
    order: dict[str, int] = field(default_factory=dict)
    """Position of every key of a plain value."""
    by_key: dict[str, Child | Attribute | None] = field(default_factory=dict)
    """What a key of a plain value means; None for text and wildcard."""

    @property
    def required(self) -> Iterator[Child | Attribute]:
        """Everything that must be there."""
        for parts in (self.children, self.attributes):
            yield from (part for part in parts.values() if part.required)

    def add(self, key: str, part: Child | Attribute | None) -> None:
        """Append a key. Raises ValueError when an element and an attribute share it."""
        if self.by_key.get(key, part) != part:
            raise ValueError(f"type {self.name} has two different parts named {key!r}")
        self.order[key] = len(self.order) if key not in self.order or key == WILDCARD else self.order[key]
        self.by_key[key] = part


Type: TypeAlias = SimpleType | ComplexType


def expand(node: etree._Element, name: str) -> str:
    """Turn a `prefix:name` in a document's text into `{namespace}name`."""
    prefix, _, local = name.rpartition(":")
    namespace = node.nsmap.get(prefix or None)
    return f"{{{namespace}}}{local}" if namespace else local


class Schema:
    """All global declarations of the catalogue's documents; a document is read when its namespace is first needed."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._documents: dict[str, etree._Element] = {}
        self._declared: dict[tuple[str, str], etree._Element] = {}
        self._read: set[str] = set()
        self._types: dict[str, Type] = {_XS + name: simple for name, simple in BUILTIN.items()}
        self._elements: dict[str, Child] = {}
        anything = ComplexType(ANY_TYPE, wildcard=True, text=ANY_SIMPLE)
        anything.add(TEXT, None)
        anything.add(WILDCARD, None)
        self._types[ANY_TYPE] = anything

    def document(self, path: str) -> etree._Element:
        """Return a document's root. The path is relative to the documents' folder."""
        if path not in self._documents:
            parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)
            self._documents[path] = etree.parse(str(self._catalogue.folder / path), parser).getroot()
        return self._documents[path]

    def resolve(self, path: str, location: str) -> str:
        """Return the path of a document that another one refers to."""
        return posixpath.normpath(posixpath.join(posixpath.dirname(path), location))

    def element(self, tag: str) -> Child:
        """Return the plan of a global element. Raises KeyError with the name of what is missing."""
        if tag not in self._elements:
            node = self._global("element", tag)
            self._elements[tag] = Child(_local(tag), tag, self._type_of(node, tag), required=True, repeated=False)
        return self._elements[tag]

    def type(self, name: str) -> Type:
        """Return the plan of a named type. Raises KeyError with the name of what is missing."""
        if name not in self._types:
            simple = self._find("simpleType", name)
            if simple is not None:
                self._types[name] = self._simple(simple, name)
            else:
                plan = self._types[name] = ComplexType(name)
                self._fill(plan, self._global("complexType", name))
        return self._types[name]

    def _find(self, kind: str, name: str) -> etree._Element | None:
        namespace = name[1:].partition("}")[0]
        if namespace not in self._read:
            self._read.add(namespace)
            for path in self._catalogue.documents.get(namespace, ()):
                for schema in self.document(path).iter(_XS + "schema"):
                    for node in schema.iterchildren(_XS + "*"):
                        self._declared.setdefault((str(node.tag), f"{{{namespace}}}{node.get('name')}"), node)
        return self._declared.get((_XS + kind, name))

    def _global(self, kind: str, name: str) -> etree._Element:
        node = self._find(kind, name)
        if node is None:
            raise KeyError(f"the contract declares no {kind} {name}")
        return node

    def _type_of(self, node: etree._Element, owner: str) -> Type:
        """Return the type of an element or attribute declaration, named or in place."""
        if node.get("type"):
            return self.type(expand(node, node.get("type", "")))
        if (inline := node.find(_XS + "complexType")) is not None:
            plan = ComplexType(owner)
            self._fill(plan, inline)
            return plan
        if (simple := node.find(_XS + "simpleType")) is not None:
            return self._simple(simple, owner)
        return self._types[ANY_TYPE]

    def _simple_type(self, name: str) -> SimpleType:
        plan = self.type(name)
        return plan if isinstance(plan, SimpleType) else ANY_SIMPLE

    def _simple(self, node: etree._Element, name: str) -> SimpleType:
        for part in node:
            members = [expand(part, member) for member in part.get("memberTypes", "").split()]
            inline = [self._simple(child, name) for child in part.iterchildren(_XS + "simpleType")]
            if part.tag == _XS + "restriction":
                base = self._simple_type(expand(part, part.get("base", ""))) if part.get("base") else inline[0]
                return restrict(base, name, _facets(part), self._catalogue.values.get(name, {}))
            if part.tag == _XS + "list":
                item = part.get("itemType")
                return simple_list(name, self._simple_type(expand(part, item)) if item else inline[0])
            if part.tag == _XS + "union":
                return union(name, [*(self._simple_type(member) for member in members), *inline])
        raise KeyError(f"the simple type {name} has no definition")

    def _fill(self, plan: ComplexType, node: etree._Element) -> None:
        if node.get("mixed") == "true":
            plan.text = ANY_SIMPLE
        self._content(plan, node)
        if plan.text is not None:
            plan.add(TEXT, None)

    def _content(self, plan: ComplexType, node: etree._Element) -> None:
        """Add the parts of a complexType, extension, sequence or choice."""
        for part in node:
            if part.tag in (_XS + "simpleContent", _XS + "complexContent"):
                self._derive(plan, part)
            elif part.tag == _XS + "attribute":
                self._attribute(plan, part)
            elif part.tag in (_XS + "sequence", _XS + "choice", _XS + "all"):
                self._particles(plan, part, choice=False, repeated=False)

    def _derive(self, plan: ComplexType, content: etree._Element) -> None:
        if content.get("mixed") == "true":
            plan.text = ANY_SIMPLE
        derivation = next(part for part in content if part.tag in (_XS + "extension", _XS + "restriction"))
        base = self.type(expand(derivation, derivation.get("base", "")))
        if isinstance(base, SimpleType):
            plan.text = base
        elif derivation.tag == _XS + "extension":
            plan.text = plan.text or base.text
            plan.wildcard = base.wildcard
            plan.children.update(base.children)
            plan.attributes.update(base.attributes)
            for key, part in base.by_key.items():
                plan.add(key, part)
        self._content(plan, derivation)

    def _attribute(self, plan: ComplexType, node: etree._Element) -> None:
        if node.get("ref"):
            name = expand(node, node.get("ref", ""))
            declared = self._find("attribute", name)
            simple = ANY_SIMPLE if declared is None else self._type_of(declared, name)
        else:
            name, simple = node.get("name", ""), self._type_of(node, f"{plan.name}/@{node.get('name')}")
        attribute = Attribute(
            _local(name), name, simple if isinstance(simple, SimpleType) else ANY_SIMPLE, node.get("use") == "required"
        )
        plan.attributes[name] = attribute
        plan.add(attribute.name, attribute)

    def _particles(self, plan: ComplexType, group: etree._Element, *, choice: bool, repeated: bool) -> None:
        choice = choice or group.tag == _XS + "choice" or group.get("minOccurs") == "0"
        repeated = repeated or group.get("maxOccurs", "1") not in ("0", "1")
        for part in group:
            if part.tag == _XS + "element":
                child = self._child(plan, part, choice=choice, repeated=repeated)
                plan.children[child.tag] = child
                plan.add(child.name, child)
            elif part.tag == _XS + "any":
                plan.wildcard = True
                plan.add(WILDCARD, None)
            elif part.tag in (_XS + "sequence", _XS + "choice"):
                self._particles(plan, part, choice=choice, repeated=repeated)

    def _child(self, plan: ComplexType, node: etree._Element, *, choice: bool, repeated: bool) -> Child:
        if node.get("ref"):
            tag = expand(node, node.get("ref", ""))
            kind = self.element(tag).type
        else:
            tag = f"{{{_namespace(node)}}}{node.get('name')}" if _qualified(node) else node.get("name", "")
            kind = self._type_of(node, f"{plan.name}/{node.get('name')}")
        name = _local(tag)
        optional = choice or node.get("minOccurs") == "0" or name in self._catalogue.optional.get(plan.name, ())
        return Child(name, tag, kind, not optional, repeated or node.get("maxOccurs", "1") not in ("0", "1"))


def _facets(restriction: etree._Element) -> Iterator[tuple[str, str]]:
    for facet in restriction:
        if facet.get("value") is not None:
            yield _local(str(facet.tag)), facet.get("value", "")


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _schema(node: etree._Element) -> etree._Element:
    return next(node.iterancestors(_XS + "schema"))


def _namespace(node: etree._Element) -> str:
    return _schema(node).get("targetNamespace", "")


def _qualified(node: etree._Element) -> bool:
    return (node.get("form") or _schema(node).get("elementFormDefault")) == "qualified"
