"""Plain values to XML and back, by the plans of the contract's schema.

A value is a dict with the local names of elements and attributes as keys: repeated elements are lists, absent optional
ones have no key, text beside attributes is `_`, undeclared children are a list of lxml elements under `_any`. Scalars
are typed as `gateway.onvif.simple` says.
"""

import re
from collections.abc import Mapping
from typing import Any

from lxml import etree

from gateway.onvif.contract import Contract
from gateway.onvif.reader import DecodeError, read_element
from gateway.onvif.schema import Child
from gateway.onvif.writer import EncodeError, Write, Writer, Written, escape

__all__ = ["Codec", "DecodeError", "EncodeError", "Written"]

_START = re.compile(r"<[^\s/>]+")


class Kept(dict[str, Any]):
    """The content of one response that is given unchanged again and again; it is written once. Never change it."""

    text = ""


class Codec:
    """Reads requests and writes responses of one contract."""

    def __init__(self, contract: Contract) -> None:
        self._schema = contract.schema
        self.prefixes: Mapping[str, str] = dict(contract.prefixes)
        """Those of the catalogue."""
        self._writer = Writer(self.prefixes)
        self._writes: dict[str, Write] = {}

    def decode(self, element: etree._Element) -> dict[str, Any]:
        """Return the content of a global element. Raises DecodeError, or KeyError for an undeclared element."""
        return read_element(element, self._schema.element(str(element.tag)).type)

    def encode(self, tag: str, value: Mapping[str, Any]) -> str:
        """Return a global element as text that uses the catalogue's prefixes, all undeclared.

        Raises EncodeError, or KeyError for an undeclared element.
        """
        write = self._writes.get(tag)
        if write is None:
            write = self._writes[tag] = self._writer.element(self._schema.element(tag))
        if not isinstance(value, Kept):
            return write(value)
        if not value.text:
            value.text = write(value)
        return value.text

    def written(self, tag: str, value: Mapping[str, Any]) -> Written:
        """Return a global element as text that can be part of a larger value. Raises as `encode` does."""
        return Written(self.encode(tag, value))

    def typed(self, name: str, value: Mapping[str, Any]) -> Written:
        """Return an element named after its type, given as `prefix:Name`. Raises EncodeError, or KeyError."""
        prefix, _, local = name.partition(":")
        tag = f"{{{self.prefixes[prefix]}}}{local}"
        child = Child(local, tag, self._schema.type(tag), required=True, repeated=False)
        return Written(self._writer.element(child)(value))

    def element(self, tag: str, value: Mapping[str, Any]) -> etree._Element:
        """Return a global element by itself, for use under `_any`. Raises as `encode` does."""
        return etree.fromstring(self.standalone(tag, value))

    def standalone(self, tag: str, value: Mapping[str, Any]) -> str:
        """Return a global element as text that declares the prefixes it uses. Raises as `encode` does."""
        text = self.encode(tag, value)
        used = {prefix: uri for prefix, uri in self.prefixes.items() if f"{prefix}:" in text and prefix != "xml"}
        declared = "".join(f' xmlns:{prefix}="{escape(uri)}"' for prefix, uri in used.items())
        return _START.sub(rf"\g<0>{declared}", text, count=1)
