"""The Receiver service: RTSP sources elsewhere that recording jobs record."""

from collections.abc import Mapping
from typing import Any, ClassVar

from gateway.domain.access import UserLevel
from gateway.onvif.capabilities import RECEIVER
from gateway.onvif.context import Context
from gateway.onvif.recording import Audit
from gateway.onvif.recording_events import without_login
from gateway.onvif.recording_faults import faulting
from gateway.onvif.recording_schema import Plain
from gateway.services.receivers import MAX_RECEIVERS, MAX_URI, Receiver, ReceiverMode, Receivers, ReceiverTransport
from gateway.services.recordings_errors import Reason, RecordingError

_UNICAST = "RTP-Unicast"


class ReceiverService:
    """Operations of the receiver service (Receiver Service Specification)."""

    namespace: ClassVar[str] = RECEIVER
    path: ClassVar[str] = "/onvif/receiver_service"

    def __init__(self, receivers: Receivers, audit: Audit) -> None:
        self._receivers = receivers
        self._audit = audit

    def capabilities(self) -> Plain:
        """Return what is announced: only what works."""
        return {
            "RTP_Multicast": False,
            "RTP_TCP": False,
            "RTP_RTSP_TCP": True,
            "SupportedReceivers": MAX_RECEIVERS,
            "MaximumRTSPURILength": MAX_URI,
        }

    async def GetReceivers(self, _request: Plain, context: Context) -> Plain:
        """List receivers."""
        return {"Receivers": [_plain(receiver, context) for receiver in self._receivers.all()]}

    @faulting
    async def GetReceiver(self, request: Plain, context: Context) -> Plain:
        """Return a receiver."""
        return {"Receiver": _plain(self._receivers.receiver(request["ReceiverToken"]), context)}

    @faulting
    async def CreateReceiver(self, request: Plain, context: Context) -> Plain:
        """Make a receiver."""
        receiver = self._receivers.create(*_read(request["Configuration"]))
        self._audit(context, "CreateReceiver", receiver.token)
        return {"Receiver": _plain(receiver, context)}

    @faulting
    async def DeleteReceiver(self, request: Plain, context: Context) -> Plain:
        """Delete a receiver that no job refers to."""
        token = request["ReceiverToken"]
        self._receivers.delete(token)
        self._audit(context, "DeleteReceiver", token)
        return {}

    @faulting
    async def ConfigureReceiver(self, request: Plain, context: Context) -> Plain:
        """Change where a receiver gets its stream from."""
        token = request["ReceiverToken"]
        self._receivers.receiver(token)
        self._receivers.configure(token, *_read(request["Configuration"]))
        self._audit(context, "ConfigureReceiver", token)
        return {}

    @faulting
    async def SetReceiverMode(self, request: Plain, context: Context) -> Plain:
        """Change when a receiver connects."""
        token, mode = request["ReceiverToken"], request["Mode"]
        self._receivers.receiver(token)
        self._receivers.set_mode(token, _mode(mode))
        self._audit(context, "SetReceiverMode", f"{token} {mode}")
        return {}

    @faulting
    async def GetReceiverState(self, request: Plain, _context: Context) -> Plain:
        """Tell whether a receiver is connected."""
        receiver = self._receivers.receiver(request["ReceiverToken"])
        state = self._receivers.state(receiver.token)
        return {"ReceiverState": {"State": str(state), "AutoCreated": receiver.automatic}}


def _plain(receiver: Receiver, context: Context) -> Plain:
    """Return a receiver as a client may see it: only administrators see the login in its URI."""
    uri = receiver.uri if context.account.level is UserLevel.ADMINISTRATOR else without_login(receiver.uri)
    setup = {"Stream": _UNICAST, "Transport": {"Protocol": str(receiver.transport)}}
    configuration = {"Mode": str(receiver.mode), "MediaUri": uri, "StreamSetup": setup}
    return {"Token": receiver.token, "Configuration": configuration}


def _read(plain: Mapping[str, Any]) -> tuple[ReceiverMode, str, ReceiverTransport]:
    """Return mode, URI and transport of a `tt:ReceiverConfiguration`. Raises RecordingError."""
    setup = plain["StreamSetup"]
    stream, protocol = setup["Stream"], setup["Transport"]["Protocol"]
    if stream != _UNICAST or protocol not in set(ReceiverTransport):
        message = f"receiving {stream} over {protocol} is not supported"
        raise RecordingError(Reason.BAD_CONFIGURATION, message)
    return _mode(plain["Mode"]), plain["MediaUri"], ReceiverTransport(protocol)


def _mode(text: str) -> ReceiverMode:
    if text not in set(ReceiverMode):
        modes = ", ".join(ReceiverMode)
        raise RecordingError(Reason.BAD_CONFIGURATION, f"receiver mode {text!r} is none of {modes}")
    return ReceiverMode(text)
