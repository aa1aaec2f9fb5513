"""What SOAP services of plug-ins are declared with: spyne's types, importable on Python 3.12 and later too.

spyne 2.14 brings a copy of `six` that these Pythons can't import; the real one takes its place.
"""

# ruff: noqa: E402 - spyne can be imported only after the repair

import sys
from importlib import import_module
from typing import Final

_MOVES: Final = ("urllib", "urllib.parse", "urllib.request", "urllib.error", "http_cookies", "collections_abc")


def _repair() -> None:
    """Give spyne the installed `six` under the name of its own."""
    import six  # noqa: PLC0415 - needed on these Pythons only

    six.get_function_name = lambda function: function.__name__
    modules = {"": six, ".moves": six.moves}
    modules |= {f".moves.{name}": import_module(f"six.moves.{name}") for name in _MOVES}
    for name, module in modules.items():
        sys.modules.setdefault(f"spyne.util.six{name}", module)


if sys.version_info >= (3, 12):
    _repair()

from spyne import (
    Array,
    Boolean,
    ComplexModel,
    Date,
    DateTime,
    Decimal,
    Double,
    Duration,
    Enum,
    Fault,
    Integer,
    Iterable,
    ServiceBase,
    Unicode,
    rpc,
)

__all__ = [
    "Array",
    "Boolean",
    "ComplexModel",
    "Date",
    "DateTime",
    "Decimal",
    "Double",
    "Duration",
    "Enum",
    "Fault",
    "Integer",
    "Iterable",
    "ServiceBase",
    "Unicode",
    "rpc",
]
