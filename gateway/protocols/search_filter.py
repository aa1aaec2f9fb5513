"""The filter of recording searches: a subset of XPath 1.0 over one RecordingInformation (Recording Search §5.25).

Expression = Term { "or" Term }        Term = Factor { "and" Factor }
Factor     = "not(" Expression ")" | "(" Expression ")" | "boolean(" Expression ")"
           | "contains(" Path "," String ")" | Path [ ("=" | "!=" | "<" | "<=" | ">" | ">=") String ]
Path       = ["/" | "//"] Step { ("/" | "//") Step }
Step       = ["@"] [prefix ":"] Name { "[" Expression "]" } | "*" | "."

Prefixes count for nothing, and a path is true when it finds anything. Values compare as numbers where both are, else
as text, so that UTC times compare rightly. Strings stand in either kind of quotes, the specification's own “ ” too.

Milestone's bridge has its clients append a window, which selects single recorded sequences near a moment:
`boolean(//Track[TrackType = "Video"]),2026-01-31T12:00:00Z,BEFORE_MS,BEFORE_COUNT,AFTER_MS,AFTER_COUNT`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import eq, ge, gt, le, lt, ne
from typing import Any, TypeAlias

MAX_LENGTH = 2000
MAX_TOKENS = 300
MAX_DEPTH = 16
MAX_VISITS = 5000
"""Elements that one evaluation may look at: predicates in predicates multiply."""

ROOT = "RecordingInformation"

_TOKEN = re.compile(r"""\s*(//|[<>!]=|[()\[\]=<>/@,*]|\.(?!\w)|"[^"]*"|'[^']*'|“[^”]*”|(?:[\w.-]+:)?[\w.-]+)""")
_WINDOW = re.compile(
    r"(.*),\s*([^,\"']+?)\s*,\s*(\d{1,15})\s*,\s*(\d{1,9})\s*,\s*(\d{1,15})\s*,\s*(\d{1,9})\s*", re.DOTALL
)
_NUMBER = re.compile(r"-?\d{1,18}(\.\d{1,18})?", re.ASCII)
_QUOTES = "\"'“"
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}

_Node: TypeAlias = tuple[str, Any]
"""Name and content: a mapping of children's names to content, or to lists of it; else a value."""


class _Context:
    """What one evaluation is about, and how much it may still look at."""

    __slots__ = ("left", "root")

    def __init__(self, information: Mapping[str, Any]) -> None:
        self.root: _Node = ("", {ROOT: information})
        self.left = MAX_VISITS

    def visit(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise ValueError(f"the filter looks at more than {MAX_VISITS} elements of one recording")


_Path: TypeAlias = Callable[[_Context, _Node], Iterator[_Node]]
"""Takes where to begin; yields what is found."""

_Test: TypeAlias = Callable[[_Context, _Node], bool]


@dataclass(frozen=True, slots=True)
class Window:
    """Which sequences are wanted around a moment: so many that reach into the time before, and so many after."""

    at: datetime
    before: timedelta
    before_count: int
    after: timedelta
    after_count: int


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """A parsed filter."""

    matches: Callable[[Mapping[str, Any]], bool]
    """Takes the content of a tt:RecordingInformation as a plain value. Raises ValueError when that costs too much."""
    window: Window | None = None


def parse_search_filter(text: str) -> SearchFilter:
    """Parse a RecordingInformationFilter. Raises ValueError with a sentence."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"the filter has {len(text)} characters, more than {MAX_LENGTH}")
    windowed = _WINDOW.fullmatch(text)
    test = _Parser(windowed[1] if windowed else text).whole()

    def matches(information: Mapping[str, Any]) -> bool:
        context = _Context(information)
        return test(context, (ROOT, information))

    return SearchFilter(matches, _window(windowed) if windowed else None)


def _window(match: re.Match[str]) -> Window:
    try:
        at = datetime.fromisoformat(match[2])
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        before, after = (timedelta(milliseconds=int(match[group])) for group in (3, 5))
    except (ValueError, OverflowError):
        raise ValueError(f"the filter's window begins with {match[2]!r}, which is no time") from None
    return Window(at, before, int(match[4]), after, int(match[6]))


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._index = 0
        self._depth = 0

    def whole(self) -> _Test:
        test = self._any()
        if self._peek():
            raise ValueError(f"the filter goes on with {self._peek()!r} after its end")
        return test

    def _any(self) -> _Test:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError(f"the filter nests deeper than {MAX_DEPTH}")
        tests = [self._all()]
        while self._accept("or"):
            tests.append(self._all())
        self._depth -= 1
        return tests[0] if len(tests) == 1 else lambda context, node: any(test(context, node) for test in tests)

    def _all(self) -> _Test:
        tests = [self._one()]
        while self._accept("and"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda context, node: all(test(context, node) for test in tests)

    def _one(self) -> _Test:
        if self._accept("("):
            return self._closed(self._any())
        if self._peek(1) != "(":
            return self._comparison()
        match function := self._next():
            case "boolean":
                self._take("(")
                return self._closed(self._any())
            case "not":
                self._take("(")
                test = self._closed(self._any())
                return lambda context, node: not test(context, node)
            case "contains":
                return self._contains()
        raise ValueError(f"the filter calls {function}(); there are boolean(), not() and contains()")

    def _closed(self, test: _Test) -> _Test:
        self._take(")")
        return test

    def _contains(self) -> _Test:
        self._take("(")
        path = self._path()
        self._take(",")
        wanted = self._string()
        self._take(")")
        return lambda context, node: any(wanted in _text(found) for found in path(context, node))

    def _comparison(self) -> _Test:
        path = self._path()
        if self._peek() not in _OPERATORS:
            return lambda context, node: any(True for _ in path(context, node))
        holds, wanted = _OPERATORS[self._next()], self._string()
        return lambda context, node: any(_compare(holds, _text(found), wanted) for found in path(context, node))

    def _path(self) -> _Path:
        separator = self._next() if self._peek() in ("/", "//") else ""
        steps = [self._step(deep=separator == "//")]
        absolute = bool(separator)
        while self._peek() in ("/", "//"):
            steps.append(self._step(deep=self._next() == "//"))

        def find(context: _Context, node: _Node) -> Iterator[_Node]:
            found: Iterable[_Node] = [context.root if absolute else node]
            for step in steps:
                found = [each for start in found for each in step(context, start)]
            yield from found

        return find

    def _step(self, *, deep: bool) -> _Path:
        attribute = self._accept("@")
        name = self._next().rpartition(":")[2]
        if not re.fullmatch(r"[\w-]+|\*|\.", name) or (attribute and name in "*."):
            raise ValueError(f"the filter has {name!r} where the name of an element is expected")
        tests = []
        while self._accept("["):
            tests.append(self._any())
            self._take("]")

        def find(context: _Context, node: _Node) -> Iterator[_Node]:
            reached = [node] if name == "." else _descendants(node) if deep else _children(node)
            for each in reached:
                context.visit()
                if name in ("*", ".", each[0]) and all(test(context, each) for test in tests):
                    yield each

        return find

    def _string(self) -> str:
        token = self._next()
        if token[0] in _QUOTES:
            return token[1:-1]
        if _NUMBER.fullmatch(token):
            return token
        raise ValueError(f"the filter has {token!r} where a quoted text is expected")

    def _peek(self, ahead: int = 0) -> str:
        index = self._index + ahead
        return self._tokens[index] if index < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise ValueError("the filter ends too early")
        self._index += 1
        return token

    def _accept(self, token: str) -> bool:
        found = self._peek() == token
        self._index += found
        return found

    def _take(self, expected: str) -> None:
        token = self._next()
        if token != expected:
            raise ValueError(f"the filter has {token!r} where {expected!r} is expected")


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    text, position = text.strip(), 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"the filter can't be read from {text[position : position + 40]!r} on")
        tokens.append(match[1])
        position = match.end()
        if len(tokens) > MAX_TOKENS:
            raise ValueError(f"the filter has more than {MAX_TOKENS} parts")
    return tokens


def _children(node: _Node) -> Iterator[_Node]:
    if isinstance(node[1], Mapping):
        for name, content in node[1].items():
            for item in content if isinstance(content, list | tuple) else (content,):
                yield name, item


def _descendants(node: _Node) -> Iterator[_Node]:
    for child in _children(node):
        yield child
        yield from _descendants(child)


def _text(node: _Node) -> str:
    content = node[1]
    if isinstance(content, Mapping):
        return "".join(_text(child) for child in _children(node))
    if isinstance(content, datetime):
        return content.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(content).lower() if isinstance(content, bool) else str(content)


def _compare(holds: Callable[[Any, Any], bool], left: str, right: str) -> bool:
    if _NUMBER.fullmatch(left) and _NUMBER.fullmatch(right):
        return holds(float(left), float(right))
    return holds(left, right)
