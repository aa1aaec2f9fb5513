"""Faults of the Event service: WS-BaseFaults in the Detail (ONVIF Core §11.8, WS-BaseNotification 1.3)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from lxml import etree

from gateway.onvif.codec import Codec
from gateway.onvif.faults import Receiver, SoapFault

WSNT = "http://docs.oasis-open.org/wsn/b-2"
TEV = "http://www.onvif.org/ver10/events/wsdl"
_STANDING_IN = f"{{{WSNT}}}Filter"
_R = "http://docs.oasis-open.org/wsrf/r-2"


class EventFaults:
    """Makes the faults; `now` in each is the UTC time to stamp it with."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def resource_unknown(self, reason: str, now: datetime) -> SoapFault:
        """Return the fault for a subscription that is not there."""
        return self._base(_R, "ResourceUnknown", reason, now)

    def creation_failed(self, reason: str, now: datetime) -> SoapFault:
        """Return the fault for a subscription that can't be had."""
        return self._base(WSNT, "SubscribeCreationFailed", reason, now)

    def unable_to_get_messages(self, reason: str, now: datetime) -> SoapFault:
        """Return the fault for a pull that is refused."""
        return self._base(WSNT, "UnableToGetMessages", reason, now)

    def no_current_message(self, reason: str, now: datetime) -> SoapFault:
        """Return the fault for a topic without a present state."""
        return self._base(WSNT, "NoCurrentMessageOnTopic", reason, now)

    def invalid_filter(self, reason: str, name: str, now: datetime) -> SoapFault:
        """Return the fault for a filter of unknown kind; `name` is its element, `{namespace}local`."""
        return self._naming("InvalidFilter", "UnknownFilter", name, reason, now)

    def filter_fault(self, name: str, reason: str, now: datetime) -> SoapFault:
        """Return `InvalidTopicExpression`, `TopicNotSupported` and the like."""
        return self._base(WSNT, name, reason, now)

    def policy(self, reason: str, name: str, now: datetime, *, known: bool) -> SoapFault:
        """Return the fault for a subscription policy that is not done, or not even known."""
        kind, part = ("UnsupportedPolicyRequest", "UnsupportedPolicy") if known else ("", "")
        kind, part = kind or "UnrecognizedPolicyRequest", part or "UnrecognizedPolicy"
        return self._naming(kind, part, name, reason, now)

    def unacceptable_time(
        self, reason: str, now: datetime, shortest: timedelta, longest: timedelta, *, initial: bool
    ) -> SoapFault:
        """Return the fault for a time at which no subscription could end."""
        name = "UnacceptableInitialTerminationTime" if initial else "UnacceptableTerminationTime"
        return self._base(WSNT, name, reason, now, {"MinimumTime": now + shortest, "MaximumTime": now + longest})

    def pull_limits(self, reason: str, longest: timedelta, most: int) -> SoapFault:
        """Return the fault for a pull that would wait too long."""
        detail = self._codec.element(
            f"{{{TEV}}}PullMessagesFaultResponse", {"MaxTimeout": longest, "MaxMessageLimit": most}
        )
        return SoapFault(Receiver, "", "", reason, detail)

    def _naming(self, kind: str, part: str, name: str, reason: str, now: datetime) -> SoapFault:
        """Return a fault with a name that the client sent, of whatever namespace."""
        fault = self._base(WSNT, kind, reason, now, {part: [_STANDING_IN]})
        if fault.detail is not None:
            for node in fault.detail.findall(f"{{{WSNT}}}{part}"):
                named = etree.QName(name)
                own = etree.Element(node.tag, nsmap={"q": named.namespace} if named.namespace else {})
                fault.detail.replace(node, own)
                # Where the fault declares the namespace already, lxml drops the new prefix.
                prefixes = [prefix for prefix, uri in own.nsmap.items() if prefix and uri == named.namespace]
                own.text = ":".join([*prefixes[:1], named.localname])
        return fault

    def _base(
        self, namespace: str, name: str, reason: str, now: datetime, more: Mapping[str, Any] | None = None
    ) -> SoapFault:
        content = {"Timestamp": now.astimezone(UTC), "Description": [{"_": reason}], **(more or {})}
        return SoapFault(Receiver, "", "", reason, self._codec.element(f"{{{namespace}}}{name}Fault", content))
