"""Lets who asks for a stream that nobody has seen yet wait until its camera has said what it sends.

A player that begins with the gateway would be told of a guess, and sent away when the camera turns out to have other
tracks.
"""

import asyncio
from collections.abc import Awaitable

from gateway.domain.media import AccessUnit, StreamDescription
from gateway.servers.rtsp_answer import Answer, Call
from gateway.servers.rtsp_methods import Methods
from gateway.servers.rtsp_ports import Streams
from gateway.services.streams import LiveStream


class FirstLook:
    """Answers DESCRIBE of streams without a description."""

    def __init__(self, streams: Streams, methods: Methods, patience: float) -> None:
        """`patience` is how many seconds may pass; then the answer is what was supposed of the camera."""
        self._streams = streams
        self._methods = methods
        self._patience = patience

    def answer(self, call: Call) -> Awaitable[Answer] | None:
        """Return the answer to come; None for what needs none of this."""
        stream = self._streams.stream(call.path) if call.request.method == "DESCRIBE" else None
        return None if stream is None or stream.known else self._answer(stream, call)

    async def _answer(self, stream: LiveStream, call: Call) -> Answer:
        reader = _Reader()
        stream.attach(reader)
        try:
            await asyncio.wait_for(reader.seen.wait(), self._patience)
        except TimeoutError:
            pass  # a camera that is away
        finally:
            stream.detach(reader)
        return self._methods.by_name[call.request.method](call)


class _Reader:
    def __init__(self) -> None:
        self.seen = asyncio.Event()

    def deliver(self, unit: AccessUnit) -> None:
        pass

    def described(self, description: StreamDescription) -> None:  # noqa: ARG002 - the stream keeps it
        self.seen.set()
