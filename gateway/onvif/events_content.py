"""The content filter of events: ONVIF's ItemFilter dialect (Core §11.5.2).

Expr     = Term { "or" Term }          Term = Factor { "and" Factor }
Factor   = "boolean(" Path ")" | "(" Expr ")" | "not(" Expr ")"
Path     = "//" [prefix ":"] ("SimpleItem" | "ElementItem") "[" AttrExpr "]"
AttrExpr = @Name="…" and @Value="…", joined in the same way
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from gateway.domain.event import Event

ITEM_FILTER = "http://www.onvif.org/ver10/tev/messageContentFilter/ItemFilter"

_MAX_DEPTH = 32
_TOKEN = re.compile(r"""\s*(//|[()\[\]=@]|"[^"]*"|'[^']*'|[\w.:-]+)""")
_Item: TypeAlias = tuple[str, str | None]
"""Name and value of an item; a structure has no value."""

_T = TypeVar("_T")
_Test: TypeAlias = Callable[[_T], bool]


@dataclass(frozen=True, slots=True)
class ContentFilter:
    """A parsed expression."""

    passes: Callable[[Event], bool]
    names: tuple[str, ...]
    """Names of items that it asks for."""


def parse_content_filter(text: str) -> ContentFilter:
    """Parse an ItemFilter expression. Raises ValueError with a sentence."""
    tokens = _Tokens(text)
    names: list[str] = []

    def attribute() -> _Test[_Item]:
        tokens.take("@")
        name = tokens.next()
        tokens.take("=")
        value = tokens.next()
        if value[0] not in "\"'":
            raise ValueError(f"the content filter has {value!r} where a quoted text is expected")
        value = value[1:-1]
        if name == "Name":
            names.append(value)
            return lambda item: item[0] == value
        if name == "Value":
            return lambda item: item[1] == value
        raise ValueError(f"the content filter asks for the attribute {name!r}; items have Name and Value")

    def path() -> _Test[Event]:
        tokens.take("boolean")
        tokens.take("(")
        tokens.take("//")
        element = tokens.next().rpartition(":")[2]
        if element not in ("SimpleItem", "ElementItem"):
            raise ValueError(f"the content filter asks for {element!r}; there are SimpleItem and ElementItem")
        items = _simple_items if element == "SimpleItem" else _element_items
        tokens.take("[")
        test = _Boolean(tokens, attribute).any_of()
        tokens.take("]")
        tokens.take(")")
        return lambda event: any(test(item) for item in items(event))

    passes = _Boolean(tokens, path).any_of()
    tokens.end()
    return ContentFilter(passes, tuple(names))


class _Tokens:
    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        self._index = 0
        text, position = text.strip(), 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise ValueError(f"the content filter can't be read from {text[position : position + 40]!r} on")
            self._tokens.append(match[1])
            position = match.end()

    def peek(self) -> str:
        return self._tokens[self._index] if self._index < len(self._tokens) else ""

    def next(self) -> str:
        token = self.peek()
        if not token:
            raise ValueError("the content filter ends too early")
        self._index += 1
        return token

    def take(self, expected: str) -> None:
        token = self.next()
        if token != expected:
            raise ValueError(f"the content filter has {token!r} where {expected!r} is expected")

    def end(self) -> None:
        if self.peek():
            raise ValueError(f"the content filter goes on with {self.peek()!r} after its end")


class _Boolean(Generic[_T]):
    """Tests joined by and, or, not and parentheses; `leaf` reads one test."""

    def __init__(self, tokens: _Tokens, leaf: Callable[[], _Test[_T]]) -> None:
        self._tokens = tokens
        self._leaf = leaf
        self._depth = 0

    def any_of(self) -> _Test[_T]:
        """Read tests joined by `or`."""
        tests = [self._all_of()]
        while self._tokens.peek() == "or":
            self._tokens.next()
            tests.append(self._all_of())
        return tests[0] if len(tests) == 1 else lambda value: any(test(value) for test in tests)

    def _all_of(self) -> _Test[_T]:
        tests = [self._one()]
        while self._tokens.peek() == "and":
            self._tokens.next()
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda value: all(test(value) for test in tests)

    def _one(self) -> _Test[_T]:
        negated = self._tokens.peek() == "not"
        if negated:
            self._tokens.next()
        elif self._tokens.peek() != "(":
            return self._leaf()
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ValueError(f"the content filter nests deeper than {_MAX_DEPTH}")
        self._tokens.take("(")
        test = self.any_of()
        self._tokens.take(")")
        self._depth -= 1
        return (lambda value: not test(value)) if negated else test


def _simple_items(event: Event) -> Iterator[_Item]:
    yield from event.source
    yield from event.key
    yield from event.data


def _element_items(event: Event) -> Iterator[_Item]:
    for name, _ in event.elements:
        yield name, None
