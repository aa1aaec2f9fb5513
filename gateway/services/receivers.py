"""Receivers: RTSP sources elsewhere that a VMS has recorded here (ONVIF Receiver Service Specification).

One connects all the time, never, or only while a job records it, as its mode says.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol
from urllib.parse import urlsplit

from gateway.services.recordings_errors import Reason, RecordingError
from gateway.services.recordings_store import Table

MAX_RECEIVERS = 32
MAX_URI = 512
"""Characters in a media URI; 128 must work (Receiver §5.2)."""

_SCHEMES = ("rtsp", "rtsps", "http", "https")


class ReceiverMode(StrEnum):
    """When a receiver connects (tt:ReceiverMode)."""

    AUTO = "AutoConnect"
    ALWAYS = "AlwaysConnect"
    NEVER = "NeverConnect"


class ReceiverState(StrEnum):
    """Whether a receiver is connected (tt:ReceiverState)."""

    NOT_CONNECTED = "NotConnected"
    CONNECTING = "Connecting"
    CONNECTED = "Connected"


class ReceiverTransport(StrEnum):
    """How a stream comes in (tt:TransportProtocol)."""

    UDP = "UDP"
    RTSP = "RTSP"
    HTTP = "HTTP"


@dataclass(frozen=True, slots=True)
class Receiver:
    """One receiver."""

    token: str
    mode: ReceiverMode
    uri: str = field(repr=False)
    """May hold a user and a password; empty until a client sets it on one that was made for a job."""
    transport: ReceiverTransport = ReceiverTransport.RTSP
    automatic: bool = False
    """Made for a recording job, and goes with it."""


class Connections(Protocol):
    """What keeps the streams of receivers open, supervised like those of cameras."""

    def open(self, token: str, uri: str, transport: ReceiverTransport) -> str:
        """Keep a stream connected from now; returns its path, `/receiver/TOKEN`."""
        ...

    def close(self, token: str) -> None:
        """Let go of a stream."""
        ...

    def state(self, token: str) -> ReceiverState:
        """Return the state of an open stream."""
        ...


class Receivers:
    """All receivers, kept over restarts."""

    def __init__(
        self, table: Table[Receiver], connections: Connections, make_token: Callable[[], str] | None = None
    ) -> None:
        self._table = table
        self._connections = connections
        self._make_token = make_token or (lambda: f"Receiver_{secrets.token_hex(4)}")
        self._used: frozenset[str] = frozenset()
        self._open: dict[str, tuple[str, ReceiverTransport]] = {}
        self._told: dict[str, ReceiverState] = {}
        self._watchers: list[Callable[[Receiver, ReceiverState, ReceiverState], None]] = []
        self.needed: Callable[[str], bool] = lambda _token: False
        """Tells whether a job refers to a receiver; whoever builds the recordings sets it."""

    def all(self) -> tuple[Receiver, ...]:
        """Return every receiver, oldest first."""
        return self._table.values()

    def receiver(self, token: str) -> Receiver:
        """Return a receiver. Raises RecordingError UnknownToken."""
        found = self._table.get(token)
        if found is None:
            raise RecordingError(Reason.NO_RECEIVER, f"receiver token {token!r} does not exist")
        return found

    def path(self, token: str) -> str | None:
        """Return the path of a receiver's live stream, None for an unknown one."""
        return None if self._table.get(token) is None else f"/receiver/{token}"

    def state(self, token: str) -> ReceiverState:
        """Return whether a receiver is connected. Raises RecordingError UnknownToken."""
        self.receiver(token)
        return self._connections.state(token) if token in self._open else ReceiverState.NOT_CONNECTED

    def create(self, mode: ReceiverMode, uri: str, transport: ReceiverTransport) -> Receiver:
        """Make a receiver. Raises RecordingError MaxReceivers or BadConfiguration."""
        _check(uri)
        return self._add(Receiver(self._new(), mode, uri, transport))

    def create_automatic(self) -> str:
        """Make a receiver for a job, to be given its URI by a client. Raises RecordingError MaxReceivers."""
        return self._add(Receiver(self._new(), ReceiverMode.AUTO, "", automatic=True)).token

    def configure(self, token: str, mode: ReceiverMode, uri: str, transport: ReceiverTransport) -> None:
        """Change a receiver. Raises RecordingError UnknownToken or BadConfiguration."""
        old = self.receiver(token)
        _check(uri)
        self._table.put(replace(old, mode=mode, uri=uri, transport=transport))
        self.refresh()

    def set_mode(self, token: str, mode: ReceiverMode) -> None:
        """Change when a receiver connects. Raises RecordingError UnknownToken."""
        self._table.put(replace(self.receiver(token), mode=mode))
        self.refresh()

    def delete(self, token: str) -> None:
        """Delete a receiver. Raises RecordingError UnknownToken, or CannotDeleteReceiver while a job refers to it."""
        self.receiver(token)
        if self.needed(token):
            message = f"receiver {token!r} can't be deleted: a recording job refers to it"
            raise RecordingError(Reason.CANNOT_DELETE_RECEIVER, message)
        self.release(token)

    def release(self, token: str) -> None:
        """Delete a receiver that no job needs any more."""
        if self._table.get(token) is not None:
            self._table.remove(token)
            self.refresh()

    def use(self, tokens: frozenset[str]) -> None:
        """Take which receivers are recorded from now."""
        self._used = tokens
        self.refresh()

    def watch(self, watcher: Callable[[Receiver, ReceiverState, ReceiverState], None]) -> None:
        """Have a function called with a receiver, its old and its new state."""
        self._watchers.append(watcher)

    def refresh(self) -> None:
        """Open and close streams as is wanted now, and tell which states changed."""
        wanted = {each.token: (each.uri, each.transport) for each in self.all() if self._wants(each)}
        for token in [token for token, opened in self._open.items() if wanted.get(token) != opened]:
            self._connections.close(token)
            del self._open[token]
        for token, (uri, transport) in wanted.items():
            if token not in self._open:
                self._connections.open(token, uri, transport)
                self._open[token] = (uri, transport)
        told, self._told = self._told, {each.token: self.state(each.token) for each in self.all()}
        for token, state in self._told.items():
            before = told.get(token, ReceiverState.NOT_CONNECTED)
            if before is not state:
                for watcher in self._watchers:
                    watcher(self.receiver(token), before, state)

    def _wants(self, receiver: Receiver) -> bool:
        if not receiver.uri or receiver.mode is ReceiverMode.NEVER:
            return False
        return receiver.mode is ReceiverMode.ALWAYS or receiver.token in self._used

    def _new(self) -> str:
        if len(self.all()) >= MAX_RECEIVERS:
            raise RecordingError(Reason.MAX_RECEIVERS, f"there are already {MAX_RECEIVERS} receivers")
        return self._make_token()

    def _add(self, receiver: Receiver) -> Receiver:
        self._table.put(receiver)
        self.refresh()
        return receiver


def _check(uri: str) -> None:
    """Refuse what is no RTSP URI. The text is not repeated whole: it may hold a password."""
    try:
        parts = urlsplit(uri)
        valid = parts.scheme.lower() in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or any(char.isspace() for char in uri):
        scheme = uri.partition(":")[0][:20]
        message = f"a media URI that begins with {scheme!r} is not possible; one looks like rtsp://HOST:PORT/PATH"
        raise RecordingError(Reason.BAD_CONFIGURATION, message)
    if len(uri) > MAX_URI:
        raise RecordingError(Reason.BAD_CONFIGURATION, f"the media URI has {len(uri)} characters, more than {MAX_URI}")
