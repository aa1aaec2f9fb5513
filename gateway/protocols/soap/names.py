"""A budget for the names in strangers' documents, since libxml2 never forgets one.

It keeps every name and namespace that a thread has read, until the thread ends: whoever sends new names with each
message, which needs no login, fills the memory. So documents whose names are new are read in the thread that asks as
long as a budget lasts, which those of all honest clients do not use up, and after that each in a thread of its own.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from lxml import etree

MAX_NAMES: Final = 16_384
MAX_NAME: Final = 256
"""Bytes; longer ones count as new ones each time."""

_KEPT = re.compile(rb"""<([^\s<>/]+)|\s(xmlns[^\s=]*\s*=\s*(?:"[^"<]*"|'[^'<]*')|[^\s<>/="']+\s*=)""")
"""What libxml2 keeps, and a little more: names of elements and attributes, and namespaces."""


class NameBudget:
    """Remembers names up to a number of them."""

    def __init__(self, limit: int = MAX_NAMES) -> None:
        self._limit = limit
        self._known: set[tuple[bytes, ...]] = set()

    def __len__(self) -> int:
        """Return how many are known."""
        return len(self._known)

    def parse(self, data: bytes, parser: etree.XMLParser) -> etree._Element:
        """Parse a document. Raises what lxml raises."""
        if self._covers(data):
            return etree.fromstring(data, parser)
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(etree.fromstring, data, parser).result()

    def _covers(self, data: bytes) -> bool:
        new = set(_KEPT.findall(data)) - self._known
        if len(self._known) + len(new) > self._limit or any(len(name) > MAX_NAME for found in new for name in found):
            return False
        self._known |= new
        return True
