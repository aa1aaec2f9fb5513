"""Gets frames acknowledged (DC-09 §5.6): retries, ACK, NAK and DUH, receivers' clocks, the backup and the way back."""

import logging
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.sdk.clock import Clock
from gateway_sia_dc09.frame import PADDING, Frame, pack, parse
from gateway_sia_dc09.link import NotConnectedError, ReceiverSettings, ask

_ANSWERS = {"ACK", "NAK", "DUH"}
_LETTERS = string.ascii_letters + string.digits
_SECOND = 1_000_000_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How hard a receiver is tried."""

    timeout: float
    """Seconds to wait for an answer."""
    attempts: int
    """Per receiver."""
    return_after: float
    """Seconds on the backup until the primary is tried again."""


@dataclass(slots=True)
class _Receiver:
    settings: ReceiverSettings
    offset: timedelta = timedelta()
    """How far its clock is ahead of ours; from its last NAK."""


class Sender:
    """The receivers of one station, the primary first."""

    def __init__(
        self, name: str, receivers: Sequence[ReceiverSettings], key: bytes | None, patience: Patience, clock: Clock
    ) -> None:
        self._name = name
        self._receivers = [_Receiver(settings) for settings in receivers]
        self._key = key
        self._patience = patience
        self._clock = clock
        self._current = 0
        self._back_at = 0.0

    async def deliver(self, frame: Frame) -> None:
        """Return when a receiver has acknowledged; the frame's timestamp is set here.

        Raises GatewayError UNAVAILABLE, or UNSUPPORTED when a receiver can't do anything with it (DUH).
        """
        problems = []
        for index in self._order():
            receiver = self._receivers[index]
            problem = await self._try(receiver, frame)
            if not problem:
                self._served_by(index)
                return
            if index == 0:
                self._back_at = self._clock.monotonic() + self._patience.return_after
            problems.append(f"{receiver.settings}: {problem}")
        raise GatewayError(ErrorKind.UNAVAILABLE, "; ".join(problems))

    def _order(self) -> list[int]:
        """Return which receivers to try: the one in use first, but the primary when it is time to go back."""
        first = 0 if self._clock.monotonic() >= self._back_at else self._current
        return [first, *(index for index in range(len(self._receivers)) if index != first)]

    def _served_by(self, index: int) -> None:
        if index != self._current:
            which = "the backup is used" if index else "the primary is used again"
            _log.warning("sink %s: %s: %s", self._name, which, self._receivers[index].settings)
        self._current = index
        if index == 0:
            self._back_at = 0.0

    async def _try(self, receiver: _Receiver, frame: Frame) -> str:
        """Return what is wrong with a receiver; nothing when it has acknowledged."""
        problem = ""
        for _ in range(self._patience.attempts):
            try:
                answer = await self._exchange(receiver, frame)
            except NotConnectedError as error:
                return f"can't be reached: {error}"
            except TimeoutError:
                problem = f"no answer within {self._patience.timeout:g} seconds"
            except OSError as error:
                problem = str(error)
            else:
                if answer.token == "ACK":  # noqa: S105 - a token of the protocol
                    return ""
                if answer.token == "DUH":  # noqa: S105
                    reason = f"{receiver.settings} can't do anything with it (DUH): are code and key right?"
                    raise GatewayError(ErrorKind.UNSUPPORTED, reason)
                problem = "it refuses (NAK): are its account, key and clock right?"
                if answer.timestamp is not None:
                    receiver.offset = answer.timestamp - self._now()
        return problem

    async def _exchange(self, receiver: _Receiver, frame: Frame) -> Frame:
        moment = (self._now() + receiver.offset).replace(microsecond=0)
        padding = "".join(secrets.choice(_LETTERS) for _ in range(PADDING)) if frame.encrypted else ""
        question = pack(replace(frame, timestamp=moment), self._key, padding)

        def read(raw: bytes) -> Frame | None:
            return self._answer_to(frame, raw)

        return await ask(receiver.settings, question, read, self._patience.timeout)

    def _answer_to(self, frame: Frame, raw: bytes) -> Frame | None:
        """Return a receiver's answer to a frame, None for anything else.

        An encrypted frame is acknowledged by an encrypted one only: who has not the key can't have read it.
        """
        try:
            answer = parse(raw, self._key)
        except ValueError:
            return None
        if answer.token == "NAK":  # noqa: S105 - its sequence number is 0, and its account may be missing
            return answer
        same = answer.sequence == frame.sequence and answer.account.upper() in ("", frame.account)
        proven = answer.encrypted or not frame.encrypted or answer.token != "ACK"  # noqa: S105
        return answer if answer.token in _ANSWERS and same and proven else None

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.utc_ns() / _SECOND, UTC)
