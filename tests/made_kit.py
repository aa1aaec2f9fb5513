"""Objects that a running gateway makes for itself, kept so that a test can look at them."""

from typing import Any, TypeVar

import pytest

T = TypeVar("T")


def kept(monkeypatch: pytest.MonkeyPatch, module: object, kind: type[T]) -> list[T]:
    """Return what will hold every object of a class that a module makes."""
    made: list[T] = []

    def make(*arguments: Any, **options: Any) -> T:
        made.append(kind(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(module, kind.__name__, make)
    return made
