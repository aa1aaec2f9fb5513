"""What a request to the RTSP server asks, and what answers it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.domain.access import Account
from gateway.protocols.rtsp import url
from gateway.protocols.rtsp.messages import Headers, Request, Response, RtspError
from gateway.servers.rtsp_playback import Replay
from gateway.servers.rtsp_session import Carrier


class Peer(Carrier, Protocol):
    """The connection that a request came over."""

    account: Account | None
    """Who authenticated last."""

    @property
    def address(self) -> str:
        """The peer's IP address."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was admitted."""

    request: Request
    target: url.Target
    peer: Peer
    account: Account | None
    """Who asks; nobody needs a login for OPTIONS."""
    replay: Replay | None = None
    """The recording that it is about, once it was opened."""

    @property
    def path(self) -> str:
        """The path of the stream that it is about."""
        return self.target.path

    @property
    def user(self) -> str:
        """Who asks, by name."""
        return "" if self.account is None else self.account.name

    @property
    def required(self) -> tuple[str, ...]:
        """The option tags that it can't do without (RFC 2326 §12.32)."""
        return tuple(tag for name in ("Require", "Proxy-Require") for tag in self.request.headers.tokens(name))

    def header(self, name: str) -> str:
        """Return the value of a header, empty without it."""
        return self.request.headers.get(name)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, and what to do once it has been sent."""

    response: Response
    then: Callable[[], None] | None = None

    def numbered(self, cseq: str) -> "Answer":
        """Return it with the number of the request that it answers."""
        pairs = (("CSeq", cseq), *self.response.headers)
        return replace(self, response=replace(self.response, headers=Headers(pairs)))


def ok(*pairs: tuple[str, str], body: bytes = b"", then: Callable[[], None] | None = None) -> Answer:
    """Return an answer with status 200 and these headers."""
    return Answer(Response(200, Headers(pairs), body), then)


def refusal(error: RtspError, cseq: str) -> Response:
    """Return the response that refuses a message; its body is the error's sentence."""
    pairs = [("CSeq", cseq)] if cseq else []
    pairs += [*error.headers, ("Content-Type", "text/plain; charset=utf-8")]
    return Response(error.status, Headers(pairs), error.message.encode())
