"""Where recordings and jobs survive a restart, side by side with those of the operator's configuration.

A client may change what the operator configured. The change is kept together with what it was made to: once the
operator changes the configuration, that counts again.
"""

import logging
from collections.abc import Iterable
from typing import Any, Generic, Protocol, TypeVar

import msgspec

_log = logging.getLogger(__name__)


class ObjectStore(Protocol):
    """Keeps records of plain JSON values by token. Writes return at once."""

    def load(self) -> dict[str, dict[str, Any]]:
        """Return every stored record by token, oldest first."""
        ...

    def save(self, token: str, record: dict[str, Any]) -> None:
        """Keep a record, in place of an older one."""
        ...

    def delete(self, token: str) -> None:
        """Forget a record; one that is not there is no error."""
        ...


class Named(Protocol):
    """A dataclass of JSON-like fields that has a token."""

    @property
    def token(self) -> str:
        """Its token."""
        ...


_T = TypeVar("_T", bound=Named)


class Table(Generic[_T]):
    """All recordings, or all jobs, by token: the configured ones first, then those made by clients."""

    def __init__(self, kind: type[_T], configured: Iterable[_T], store: ObjectStore) -> None:
        self._kind = kind
        self._store = store
        self._configured = {each.token: each for each in configured}
        self._entries = dict(self._configured)
        for token, record in store.load().items():
            self._restore(token, record)

    def values(self) -> tuple[_T, ...]:
        """Return every entry, in order."""
        return tuple(self._entries.values())

    def get(self, token: str) -> _T | None:
        """Return an entry, or None."""
        return self._entries.get(token)

    def put(self, entry: _T) -> None:
        """Keep a new or changed entry."""
        self._entries[entry.token] = entry
        base = self._configured.get(entry.token)
        if entry == base:
            self._store.delete(entry.token)
            return
        self._store.save(
            entry.token,
            {"entry": msgspec.to_builtins(entry), "base": None if base is None else msgspec.to_builtins(base)},
        )

    def remove(self, token: str) -> None:
        """Forget an entry that a client made."""
        del self._entries[token]
        self._store.delete(token)

    def _restore(self, token: str, record: dict[str, Any]) -> None:
        try:
            entry = msgspec.convert(record["entry"], self._kind)
            base = None if record["base"] is None else msgspec.convert(record["base"], self._kind)
        except (KeyError, msgspec.ValidationError) as error:
            _log.warning("the stored %s %r is left out: %s", self._kind.__name__, token, error)
            return
        if base == self._configured.get(token):
            self._entries[token] = entry
        else:
            _log.info("what clients changed of %s %r is dropped: its configuration changed", self._kind.__name__, token)
            self._store.delete(token)
