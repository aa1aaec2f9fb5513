"""One RTSP connection: bytes to requests, answers to bytes; plain, in WebSocket frames, or as an HTTP tunnel."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from gateway.domain.access import Account
from gateway.domain.errors import GatewayError
from gateway.protocols import websocket as ws
from gateway.protocols.rtsp.messages import Request, RtspError, serialize
from gateway.protocols.rtsp.parser import InterleavedFrame, Parser
from gateway.sdk.clock import Clock
from gateway.servers.rtsp_answer import Answer, refusal
from gateway.servers.rtsp_ports import RtspOptions
from gateway.servers.rtsp_requests import Requests
from gateway.servers.rtsp_sender_tcp import Tally, TcpSender
from gateway.servers.rtsp_session import Session, Sessions
from gateway.servers.rtsp_wire import Wire

LINGER: Final = 2.0
"""Seconds that a closing connection has to take our last words."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Context:
    """What all connections share."""

    loop: asyncio.AbstractEventLoop
    clock: Clock
    options: RtspOptions
    requests: Requests
    sessions: Sessions
    tally: Tally


class Connection:
    """A plain RTSP connection."""

    websocket = False

    def __init__(self, context: Context, wire: Wire, closed: Callable[["Connection"], None]) -> None:
        self.account: Account | None = None
        self.sessions: set[Session] = set()
        self.sender = TcpSender(context.loop, wire, context.clock.monotonic, self.close, context.tally)
        self._context = context
        self._wire = wire
        self._closed = closed
        self._parser = Parser(context.options.limits)
        self._touched = context.clock.monotonic()
        self._ending = ""
        self._open = True
        self._answering: asyncio.Task[None] | None = None
        """A request whose answer takes a look into the archive; those behind it wait."""

    def start(self) -> None:
        """Begin to read."""
        self._context.loop.add_reader(self._wire.fileno(), self._on_readable)
        if self._wire.pending():
            self._on_readable()

    @property
    def address(self) -> str:
        """The peer's IP address."""
        return self._wire.address

    def send_buffer(self, size: int) -> None:
        """Ask for a send buffer in the kernel, in bytes."""
        self._wire.send_buffer(size)

    def end(self, reason: str) -> None:
        """Send what is queued, then close."""
        if self._open and not self._ending:
            self._ending = reason
            self._touched = self._context.clock.monotonic()
            if self.sender.idle:
                self._wire.finish()

    def close(self, reason: str) -> None:
        """Close at once and free everything."""
        if not self._open:
            return
        self._open = False
        if self._answering is not None:
            self._answering.cancel()
        self._context.sessions.lost(self, f"the connection {reason}")
        self.sender.stop()
        self._context.loop.remove_reader(self._wire.fileno())
        self._wire.close()
        _log.debug("RTSP connection of %s %s", self.address, reason)
        self._closed(self)

    def sweep(self, now: float) -> None:
        """Close when it is idle for too long, stalled, or has had the time to take our last words."""
        if self._ending:
            if self.sender.idle or now - self._touched > LINGER:
                self.close(self._ending)
        elif not self.sessions and now - self._touched > self._context.options.idle_timeout:
            self.close(f"was silent for {self._context.options.idle_timeout:.0f} s")
        else:
            self.sender.check(now)

    def feed(self, data: bytes) -> None:
        """Take bytes of the RTSP stream, answering each request in turn."""
        if self._ending:
            return
        self._touched = self._context.clock.monotonic()
        self._parser.feed(data)
        self._go_on()

    def _go_on(self) -> None:
        """Answer what has come in whole, as long as no answer has to wait."""
        while self._open and not self._ending and self._answering is None:
            try:
                event = self._parser.next_event()
            except RtspError as error:
                self.refuse(error)
                continue
            if event is None:
                return
            if isinstance(event, Request):
                self._answer(event)
            elif isinstance(event, InterleavedFrame):
                self._heard(event)

    def refuse(self, error: RtspError) -> None:
        """Answer a message that makes no sense; end when the next one can't be found."""
        self._send(serialize(refusal(error, error.cseq)))
        if error.fatal:
            self.end(f"was refused: {error.message}")

    def _answer(self, request: Request) -> None:
        answer = self._context.requests.answer(request, self)
        if isinstance(answer, Answer):
            self._give(answer)
        else:
            self._answering = self._context.loop.create_task(self._answer_later(answer))

    async def _answer_later(self, later: Awaitable[Answer]) -> None:
        try:
            self._give(await later)
        except Exception as error:  # noqa: BLE001 - this task's supervisor
            _log.error("a replay failed", exc_info=error)
            self.end("was refused: a replay failed")
        finally:
            self._answering = None
        self._go_on()

    def _give(self, answer: Answer) -> None:
        if not self._open:
            return
        self._send(serialize(answer.response))
        if answer.then is not None:
            answer.then()

    def _heard(self, frame: InterleavedFrame) -> None:
        """The client reports or speaks: its sessions live."""
        for session in self.sessions:
            self._context.sessions.touch(session)
            session.said(frame.channel, frame.payload)

    def _send(self, data: bytes) -> None:
        self.sender.reply(data)

    def _on_readable(self) -> None:
        try:
            while self._open:
                data = self._wire.recv()
                if not data:
                    self.close("was closed by the client")
                    return
                self.received(data)
                if not (self._open and self._wire.pending()):
                    return
        except BlockingIOError:
            return
        except OSError as error:
            self.close(f"is lost: {error.strerror or error}")

    def received(self, data: bytes) -> None:
        """Take bytes as they came from the wire."""
        self.feed(data)


class WebSocketConnection(Connection):
    """RTSP as the sub-protocol `rtsp.onvif.org`: a byte stream in binary frames, whatever their borders."""

    websocket = True

    def __init__(self, context: Context, wire: Wire, closed: Callable[[Connection], None]) -> None:
        super().__init__(context, wire, closed)
        self._frames = ws.Parser()

    def _send(self, data: bytes) -> None:
        self.sender.reply(ws.binary((data,)))

    def received(self, data: bytes) -> None:
        """Take the bytes of frames."""
        self._frames.feed(data)
        try:
            while (frame := self._frames.next_frame()) is not None:
                self._frame(frame)
        except GatewayError as error:
            self.end(f"was refused: {error.message}")

    def _frame(self, frame: ws.Frame) -> None:
        match frame.opcode:
            case ws.Opcode.PING:
                self.sender.reply(ws.serialize(ws.Frame(ws.Opcode.PONG, frame.payload)))
            case ws.Opcode.CLOSE:
                self.sender.reply(ws.serialize(frame))
                self.end("was closed by the client")
            case ws.Opcode.PONG:
                pass
            case _:
                self.feed(frame.payload)


class TunnelConnection(Connection):
    """The GET of an HTTP tunnel: answers and media go out on it, requests come in by POSTs."""

    def received(self, data: bytes) -> None:
        """A client has nothing to say here, and what it says is ignored."""
