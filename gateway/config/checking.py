"""Turns tables into typed values, collecting every error with the path of its key."""

import dataclasses
import difflib
import math
import os
import re
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from gateway.config.secrets import read_secret
from gateway.config.values import Parsed
from gateway.domain.access import Secret
from gateway.domain.errors import ErrorKind, GatewayError

_PASSWORD_IN_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#\s]*:[^/?#\s]*@")
_PLAIN_TYPES: dict[type, str] = {
    str: "a string",
    bool: "true or false",
    int: "an integer",
    float: "a number",
    dict: "a table",
}


class _Bad:
    """Stands for a value that has already been complained about."""


BAD: Final = _Bad()


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    key: str
    attribute: str
    hint: Any
    required: bool


class Checker:
    """Converts values from TOML to types, and keeps a sentence about each one that does not fit.

    `base` is the directory that relative paths start from; `environment` holds what `{ env = … }` refers to.
    """

    def __init__(self, base: Path, environment: Mapping[str, str] | None = None) -> None:
        self.problems: list[str] = []
        self._base = base
        self._environment = os.environ if environment is None else environment

    def complain(self, path: str, sentence: str) -> _Bad:
        """Note what is wrong with the value at a path."""
        self.problems.append(f"{path}: {sentence}" if path else sentence)
        return BAD

    def convert(self, value: object, hint: Any, path: str) -> Any:  # noqa: ANN401 - of the type that `hint` says
        """Return the value as the type of an annotation, or BAD after a complaint.

        Types: str, int, float, bool, Path, Secret, Literal, `X | None`, tuple[X, ...], dict[str, Any], msgspec
        structs, dataclasses, and Annotated with `Parsed` or msgspec.Meta(ge, le).
        """
        if get_origin(hint) not in {None, dict}:
            return self._generic(value, hint, path)
        kind = get_origin(hint) or hint
        special: dict[Any, Callable[[object, str], Any]] = {Secret: self._secret, Path: self._path}
        if kind in special:
            return special[kind](value, path)
        if kind in _PLAIN_TYPES:
            return self._plain(value, kind, path)
        if isinstance(kind, type) and (issubclass(kind, msgspec.Struct) or dataclasses.is_dataclass(kind)):
            return self._table(value, kind, path)
        return _unsupported(hint, path)

    def _generic(self, value: object, hint: Any, path: str) -> Any:  # noqa: ANN401
        origin, arguments = get_origin(hint), get_args(hint)
        if origin is Annotated:
            return self._annotated(value, arguments[0], arguments[1:], path)
        if origin is Literal:
            return self._choice(value, arguments, path)
        if origin is tuple and arguments[1:] == (...,):
            return self._array(value, arguments[0], path)
        inner = [argument for argument in arguments if argument is not types.NoneType]
        if origin in {Union, types.UnionType} and len(inner) == 1:
            return self.convert(value, inner[0], path)
        return _unsupported(hint, path)

    def _annotated(self, value: object, hint: Any, extras: Sequence[object], path: str) -> Any:  # noqa: ANN401
        for extra in extras:
            if isinstance(extra, Parsed):
                text = value if extra.any_type else self._plain(value, str, path)
                return text if text is BAD else self._parsed(text, extra, path)
        number = self.convert(value, hint, path)
        for extra in extras:
            if isinstance(extra, msgspec.Meta) and number is not BAD:
                low, high = extra.ge, extra.le
                if (low is not None and number < low) or (high is not None and number > high):
                    return self.complain(path, f"must be from {low} to {high}, not {number}")
        return number

    def _parsed(self, text: Any, rule: Parsed, path: str) -> object:  # noqa: ANN401 - as in the file
        try:
            return rule.parse(text)
        except (ValueError, GatewayError) as error:
            return self.complain(path, str(error))

    def _plain(self, value: object, kind: type, path: str) -> Any:  # noqa: ANN401
        if kind is float and type(value) in {int, float}:
            return self._number(value, path)
        if type(value) is not kind:
            return self.complain(path, f"must be {_PLAIN_TYPES[kind]}, not {_shown(value)}")
        if isinstance(value, str) and _PASSWORD_IN_URL.match(value):
            return self.complain(
                path, "has a password in the URL; take it out, and give the password by a key of its own"
            )
        return value

    def _number(self, value: Any, path: str) -> float | _Bad:  # noqa: ANN401 - an int or a float
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        return number if math.isfinite(number) else self.complain(path, "must be a finite number")

    def _choice(self, value: object, choices: Sequence[object], path: str) -> Any:  # noqa: ANN401
        if value in choices and type(value) in {type(choice) for choice in choices}:
            return value
        listed = ", ".join(repr(choice) for choice in choices)
        return self.complain(path, f"must be one of {listed}, not {_shown(value)}{did_you_mean(value, choices)}")

    def _array(self, value: object, hint: Any, path: str) -> Any:  # noqa: ANN401
        if not isinstance(value, list):
            return self.complain(path, f"must be an array, not {_shown(value)}")
        items = tuple(self.convert(item, hint, f"{path}[{index}]") for index, item in enumerate(value))
        return BAD if BAD in items else items

    def _path(self, value: object, path: str) -> Any:  # noqa: ANN401
        text = self._plain(value, str, path)
        if text is BAD:
            return BAD
        if not text or "\0" in text:
            return self.complain(path, f"{text!r} is not the path of a file or directory")
        try:
            return self._base / Path(text).expanduser()
        except RuntimeError:
            return self.complain(path, f"{text!r} begins with the name of an unknown user")

    def _table(self, value: object, kind: type, path: str) -> Any:  # noqa: ANN401
        if not isinstance(value, dict):
            return self.complain(path, f"must be a table, not {_shown(value)}")
        fields = {field.key: field for field in _fields(kind)}
        for key in value:
            if key not in fields:
                hint = did_you_mean(key, list(fields)) or f"; there are {', '.join(sorted(fields)) or 'none'}"
                self.complain(_join(path, key), f"unknown key{hint}")
        given = {
            field.attribute: self.convert(value[key], field.hint, _join(path, key))
            for key, field in fields.items()
            if key in value
        }
        missing = [key for key, field in fields.items() if field.required and key not in value]
        for key in missing:
            self.complain(_join(path, key), "is missing")
        if missing or BAD in given.values():
            return BAD
        try:
            return kind(**given)
        except (ValueError, GatewayError) as error:
            return self.complain(path, str(error))

    def _secret(self, value: object, path: str) -> Secret | _Bad:
        try:
            return read_secret(value, self._base, self._environment)
        except ValueError as error:
            return self.complain(path, str(error))


def did_you_mean(word: object, known: Sequence[object]) -> str:
    """Return `; did you mean 'x'?` if something known is close to a word, else nothing."""
    names = [name for name in known if isinstance(name, str)]
    close = difflib.get_close_matches(word, names, 1) if isinstance(word, str) else []
    return f"; did you mean {close[0]!r}?" if close else ""


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, str) and _PASSWORD_IN_URL.match(value):
        return "a URL with a password"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _join(path: str, key: str) -> str:
    bare = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else repr(key)
    return f"{path}.{bare}" if path else bare


def _fields(kind: Any) -> list[_Field]:  # noqa: ANN401 - a struct or a dataclass
    hints = get_type_hints(kind, include_extras=True)
    if issubclass(kind, msgspec.Struct):
        structs = msgspec.structs.fields(kind)
        return [
            _Field(each.encode_name, each.name, hints[each.name], each.required)
            for each in structs
            if not each.encode_name.startswith("_")
        ]
    return [
        _Field(each.name, each.name, hints[each.name], _is_required(each))
        for each in dataclasses.fields(kind)
        if each.init
    ]


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _unsupported(hint: object, path: str) -> Any:  # noqa: ANN401 - never returns
    raise GatewayError(ErrorKind.INTERNAL, f"{path}: a configuration can't hold the type {hint!r}")
