"""The front door of the RTSP server: which requests are answered, and who may ask."""

from collections.abc import Awaitable
from typing import Final

from gateway.domain.access import AccessClass, Account, may
from gateway.protocols.rtsp import url
from gateway.protocols.rtsp.messages import VERSION, Request, RtspError
from gateway.servers.rtsp_answer import Answer, Call, Peer, refusal
from gateway.servers.rtsp_first_look import FirstLook
from gateway.servers.rtsp_methods import Methods
from gateway.servers.rtsp_ports import Authenticator
from gateway.servers.rtsp_replay_methods import ReplayMethods
from gateway.servers.rtsp_talk import Backchannels

_CSEQ_DIGITS: Final = 10


class Requests:
    """Answers requests; it owns no connection."""

    def __init__(
        self,
        authenticator: Authenticator,
        supported: frozenset[str],
        backchannels: Backchannels,
        methods: Methods,
        replay: ReplayMethods,
        first_look: FirstLook,
    ) -> None:
        """`supported` are the option tags that always are."""
        self._authenticator = authenticator
        self._supported = supported
        self._backchannels = backchannels
        self._methods = methods
        self._replay = replay
        self._first_look = first_look

    def answer(self, request: Request, peer: Peer) -> Answer | Awaitable[Answer]:
        """Return the answer to a request, or wait for the archive or a camera; a refusal is an answer too."""
        try:
            call = self._admitted(request, peer)
            later = self._replay.answer(call) if self._replay.answers(call) else self._first_look.answer(call)
            if later is not None:
                return self._answer_later(later, request.cseq)
            answer = self._methods.by_name[request.method](call)
        except RtspError as error:
            return Answer(refusal(error, request.cseq))
        return answer.numbered(request.cseq)

    async def _answer_later(self, later: Awaitable[Answer], cseq: str) -> Answer:
        try:
            answer = await later
        except RtspError as error:
            return Answer(refusal(error, cseq))
        return answer.numbered(cseq)

    def _admitted(self, request: Request, peer: Peer) -> Call:
        """Return a request that makes sense, of somebody who may ask. Raises RtspError."""
        if request.version != VERSION:
            raise RtspError(505, f"version {request.version!r} is not {VERSION}")
        if not request.cseq:
            raise RtspError(400, "the request has no CSeq")
        if not (request.cseq.isascii() and request.cseq.isdigit() and len(request.cseq) <= _CSEQ_DIGITS):
            raise RtspError(400, f"CSeq {request.cseq[:40]!r} is not a number of 32 bits")
        if request.method not in self._methods.by_name:
            raise RtspError(501, f"method {request.method!r} is not implemented", headers=[self._methods.public])
        if request.method != "OPTIONS":
            peer.account = self._viewer(request, peer)
        call = Call(request, url.parse(request.uri), peer, peer.account)
        self._check_options(call)
        return call

    def _viewer(self, request: Request, peer: Peer) -> Account:
        """Return who asks. Raises RtspError 401 or 403."""
        authorization = request.headers.get("Authorization") or None
        found = self._authenticator.admit(peer.address, request.method, authorization, request.uri)
        if not isinstance(found, Account):
            if found.blocked:
                raise RtspError(403, "too many failed logins came from this address")
            # Many clients read only the first challenge; FFmpeg only the last, and it knows nothing but MD5.
            offered = (*found.challenges, *found.challenges[:1]) if len(found.challenges) > 1 else found.challenges
            challenges = [("WWW-Authenticate", challenge) for challenge in offered]
            raise RtspError(401, "the request needs a login", headers=challenges)
        if not may(found.level, AccessClass.READ_MEDIA):
            raise RtspError(403, f"user {found.name!r} may not see media")
        return found

    def _check_options(self, call: Call) -> None:
        unknown = [
            tag
            for tag in call.required
            if tag not in self._supported and not self._backchannels.understands(tag, call.path, call.account)
        ]
        if unknown:
            unsupported = ("Unsupported", ", ".join(unknown))
            raise RtspError(551, f"option {unknown[0]!r} is not supported", headers=[unsupported])
