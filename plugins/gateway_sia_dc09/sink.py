"""The sink of a monitoring station: events in, acknowledged reports out, with a link test between them."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from gateway.domain.access import Secret
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event
from gateway.sdk.sink import EventSink, SinkContext, SinkEntry
from gateway_sia_dc09.codes import TEST, CodeRule, Codes, Signal
from gateway_sia_dc09.frame import Frame, time_text
from gateway_sia_dc09.link import ReceiverSettings
from gateway_sia_dc09.sender import Patience, Sender
from gateway_sia_dc09.zones import check_zones, give_zones

LATE_SECONDS = 20.0
"""An event older than this is reported with its own time, besides that of the report."""

_RANGES = {"timeout": (1, 10), "attempts": (1, 5), "return_after": (10, 86_400), "area": (1, 99)}
_SHORTEST_TEST, _LONGEST_TEST = 5, 86_400
_HEXADECIMAL = {"account": (3, 16), "receiver": (1, 6), "line": (1, 6)}
_KEY_SIZES = (16, 24, 32)
_LAST_SEQUENCE = 9999
_MOST_TEXT = 64
_SENT = "sent"
_ZONES = "zones"
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class SiaSettings:
    """`[sink.settings]` of a monitoring station."""

    receivers: tuple[ReceiverSettings, ...]
    """The primary, and perhaps the backup."""
    account: str
    format: Literal["SIA-DCS", "ADM-CID"] = "SIA-DCS"
    receiver: str = "0"
    line: str = "0"
    key: Secret | None = None
    key_format: Literal["hex", "ascii"] = "hex"
    timeout: float = 5.0
    attempts: int = 3
    return_after: float = 300.0
    test_every: float = 0.0
    """Seconds between link tests; 0: none."""
    test: Literal["null", "report"] = "null"
    area: int = 1
    text: bool = True
    """Whether the camera's name is sent too."""
    zones: dict[str, Any] = field(default_factory=dict)
    codes: tuple[CodeRule, ...] = ()

    def __post_init__(self) -> None:
        """Check what types can't say. Raises ValueError."""
        if len(self.receivers) not in {1, 2}:
            raise ValueError(f"receivers: there must be one or two, not {len(self.receivers)}")
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name}: must be from {low} to {high}, not {getattr(self, name):g}")
        for name, (low, high) in _HEXADECIMAL.items():
            if not re.fullmatch(rf"[0-9A-Fa-f]{{{low},{high}}}", getattr(self, name)):
                raise ValueError(f"{name}: {getattr(self, name)!r} must be {low} to {high} hexadecimal digits")
        if self.test_every and not _SHORTEST_TEST <= self.test_every <= _LONGEST_TEST:
            limits = f"0 or from {_SHORTEST_TEST} to {_LONGEST_TEST}"
            raise ValueError(f"test_every: must be {limits} seconds, not {self.test_every:g}")
        check_zones(self.zones)
        self.key_bytes()

    def key_bytes(self) -> bytes | None:
        """Return the AES key, None when nothing is encrypted. Raises ValueError without telling it."""
        if self.key is None:
            return None
        text = self.key.reveal()
        try:
            key = bytes.fromhex(text) if self.key_format == "hex" else text.encode("ascii")
        except ValueError:
            key = b""
        if len(key) not in _KEY_SIZES:
            wanted = "32, 48 or 64 hexadecimal digits" if self.key_format == "hex" else "16, 24 or 32 ASCII characters"
            raise ValueError(f"key: it must have {wanted}")
        return key


class SiaSink(EventSink):
    """One station. Sequence numbers and zones are kept over restarts, so that a repeat has the number of the first."""

    Settings = SiaSettings
    settings: SiaSettings

    def __init__(self, settings: SiaSettings, context: SinkContext) -> None:
        super().__init__(settings, context)
        known: Mapping[str, int] = context.memory.load(_ZONES) or {}
        try:
            self.zones, kept = give_zones(context.cameras, settings.zones, known)
        except ValueError as error:
            raise GatewayError(ErrorKind.INVALID, str(error)) from None
        context.memory.store(_ZONES, kept)
        self.supervision = settings.test_every or None
        self._codes = Codes(settings.codes)
        self._key = settings.key_bytes()
        patience = Patience(settings.timeout, settings.attempts, settings.return_after)
        self._sender = Sender(context.sink_id, settings.receivers, self._key, patience, context.clock)

    def wants(self, event: Event) -> bool:
        """Tell whether there is something to report of an event."""
        found = self._codes.find(event)
        return found is not None and bool(self._data(Signal(*found)))

    async def send(self, entry: SinkEntry) -> None:
        """Return when a receiver has acknowledged the report, or when there is nothing to report."""
        found = self._codes.find(entry.event)
        if found is None:
            return
        data = self._data(Signal(*found, self.zones.get(entry.camera, 0), self.settings.area))
        if data:
            await self._deliver(self._sequence(entry.id), self.settings.format, data, self._extended(entry))

    async def supervise(self) -> None:
        """Test the link."""
        if self.settings.test == "null":
            await self._deliver(0, "NULL")
        else:
            data = self._data(Signal(TEST, area=self.settings.area))
            await self._deliver(self._sequence(""), self.settings.format, data)

    def _data(self, signal: Signal) -> str:
        account = self.settings.account.upper()
        write = signal.sia_data if self.settings.format == "SIA-DCS" else signal.cid_data
        return write(account)

    async def _deliver(self, sequence: int, token: str, data: str = "", extended: tuple[str, ...] = ()) -> None:
        settings = self.settings
        frame = Frame(
            token,
            sequence,
            settings.account.upper(),
            data,
            extended,
            receiver=settings.receiver.upper(),
            line=settings.line.upper(),
            encrypted=self._key is not None,
        )
        await self._sender.deliver(frame)

    def _sequence(self, identity: str) -> int:
        """Return an entry's sequence number: a new one, or that of its first attempt."""
        last = self.context.memory.load(_SENT) or {"sequence": 0, "id": ""}
        number = int(last["sequence"])
        if not identity or last["id"] != identity:
            number = number % _LAST_SEQUENCE + 1
            self.context.memory.store(_SENT, {"sequence": number, "id": identity})
        return number

    def _extended(self, entry: SinkEntry) -> tuple[str, ...]:
        """Return the time of a late event, a link to its footage, and the camera's name.

        An ADM-CID frame has one of them at most, since receivers are known that read no more.
        """
        found = []
        late_ns = self.context.clock.utc_ns() - entry.event.utc_ns
        if late_ns > LATE_SECONDS * _SECOND:
            found.append("H" + time_text(datetime.fromtimestamp(entry.event.utc_ns // _SECOND, UTC)))
        if clip := self.context.link(entry):
            found.append(f"V{clip}")
        name = _plain(self.context.cameras.get(entry.camera, ""))
        if self.settings.text and name:
            found.append(f"I{name}")
        return tuple(found[:1] if self.settings.format == "ADM-CID" else found)


def _plain(text: str) -> str:
    """Return a text in the characters that every receiver knows: ASCII without accents, brackets and bars."""
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(letter for letter in letters if letter.isprintable() and letter not in "[]|_")[:_MOST_TEXT].strip()
