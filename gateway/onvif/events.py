"""The Event service: pull points, base notification and the set of topics (ONVIF Core §11, WS-BaseNotification 1.3)."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeAlias

from lxml import etree

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.reach import Reach
from gateway.onvif.codec import Codec
from gateway.onvif.context import Context
from gateway.onvif.contract import Contract
from gateway.onvif.events_brokers import BrokerOperations
from gateway.onvif.events_content import ITEM_FILTER
from gateway.onvif.events_faults import EventFaults
from gateway.onvif.events_filter import LONGEST, SHORTEST, FilterReader, seconds_until
from gateway.onvif.events_message import EventMessages
from gateway.onvif.events_notify import Consumer, NotifySender, Post, consumer_of
from gateway.onvif.events_topics import CONCRETE, CONCRETE_SET, parse_topics, topic_set
from gateway.onvif.faults import SoapFault
from gateway.sdk.clock import Clock
from gateway.services.eventbus import EventBus
from gateway.services.notifications import Notifications
from gateway.services.subscriptions import Subscription, Subscriptions, Wants

Plain: TypeAlias = dict[str, Any]

LONGEST_PULL = timedelta(seconds=120)
MOST_MESSAGES = 256
"""Messages in one answer; asking for more is no mistake."""

SUBSCRIPTION_PATH = "/onvif/events/subscription/"
_SUBSCRIPTION = re.compile(re.escape(SUBSCRIPTION_PATH) + r"([^/?#]{1,64})")
_NS = 1_000_000_000


class EventService:
    """Operations of the Event service; those of a subscription come to its own address."""

    namespace: ClassVar[str] = "http://www.onvif.org/ver10/events/wsdl"
    path: ClassVar[str] = "/onvif/event_service"

    def __init__(
        self,
        bus: EventBus,
        subscriptions: Subscriptions,
        contract: Contract,
        codec: Codec,
        post: Post,
        clock: Clock,
        brokers: BrokerOperations,
        reach: Reach | None = None,
    ) -> None:
        """`post` brings notifications to their consumers; `reach` says where these may be."""
        self._bus = bus
        self._subscriptions = subscriptions
        self._codec = codec
        self._prefixes = contract.prefixes
        self._clock = clock
        self._brokers = brokers
        self._reach = reach or Reach()
        self._faults = EventFaults(codec)
        self._filters = FilterReader(bus.topics, contract.prefixes, self._faults)
        self.messages = EventMessages(codec, bus.topics)
        send = NotifySender(codec, self.messages, contract.service(self.namespace).declares, post)
        self.notifications: Notifications[Consumer] = Notifications(subscriptions, send, clock)
        """Its `run` sends."""

    def capabilities(self) -> Plain:
        """Return the limits. An account can have so many pull points; there is room for more accounts."""
        limits = self._subscriptions.limits
        return {
            "WSSubscriptionPolicySupport": False,
            "WSPausableSubscriptionManagerInterfaceSupport": False,
            "MaxNotificationProducers": limits.consumers_per_account,
            "MaxPullPoints": limits.pull_points_per_account,
            "PersistentNotificationStorage": self._subscriptions.history.persistent,
            **self._brokers.capabilities(),
        }

    def read_filter(self, nodes: Sequence[etree._Element]) -> Wants:
        """Return the test of the expressions in a wsnt:Filter. Raises SoapFault."""
        return self._filters.wants({"Filter": {"_any": nodes}}, self._now())

    async def GetEventProperties(self, _request: Plain, _context: Context) -> Plain:
        """Return the topics with their messages, and the kinds of filter."""
        return {
            "TopicNamespaceLocation": ["http://www.onvif.org/onvif/ver10/topics/topicns.xml"],
            "FixedTopicSet": True,
            "TopicSet": topic_set(self._bus.topics(), self._codec),
            "TopicExpressionDialect": [CONCRETE, CONCRETE_SET],
            "MessageContentFilterDialect": [ITEM_FILTER],
            "MessageContentSchemaLocation": ["http://www.onvif.org/onvif/ver10/schema/onvif.xsd"],
        }

    async def CreatePullPointSubscription(self, request: Plain, context: Context) -> Plain:
        """Begin a subscription that the client pulls."""
        now = self._now()
        wants, changed_only = self._filters.wants(request, now), self._filters.changed_only(request, now)
        seconds = self._seconds(request.get("InitialTerminationTime"), now, initial=True)
        try:
            made = self._subscriptions.create(context.account.name, wants, seconds, changed_only=changed_only)
        except GatewayError as error:
            raise self._faults.creation_failed(error.message, now) from None
        return self._made(made, context, now)

    async def Subscribe(self, request: Plain, context: Context) -> Plain:
        """Begin a subscription whose events are sent to a consumer."""
        now = self._now()
        wants, changed_only = self._filters.wants(request, now), self._filters.changed_only(request, now)
        seconds = self._seconds(request.get("InitialTerminationTime"), now, initial=True)
        name = context.account.name
        try:
            consumer = consumer_of(request["ConsumerReference"], context.address, self._reach)
            made = self.notifications.subscribe(name, wants, consumer, seconds, changed_only=changed_only)
        except (GatewayError, ValueError) as error:
            raise self._faults.creation_failed(str(error), now) from None
        return self._made(made, context, now)

    async def PullMessages(self, request: Plain, context: Context) -> Plain:
        """Return waiting events; with none wait for the first."""
        timeout, limit = request["Timeout"], request["MessageLimit"]
        subscription = self._addressed(context)
        if timeout > LONGEST_PULL:
            reason = f"a pull can't wait {timeout.total_seconds():g} seconds"
            raise self._faults.pull_limits(reason, LONGEST_PULL, MOST_MESSAGES)
        most = min(limit, MOST_MESSAGES) if limit > 0 else MOST_MESSAGES
        try:
            events = await self._subscriptions.pull(subscription, timeout.total_seconds(), most)
        except GatewayError as error:
            make = {ErrorKind.NOT_FOUND: self._faults.resource_unknown}
            raise make.get(error.kind, self._faults.unable_to_get_messages)(error.message, self._now()) from None
        return {**self._times(subscription), "NotificationMessage": self.messages.texts(events)}

    async def SetSynchronizationPoint(self, _request: Plain, context: Context) -> Plain:
        """Tell the state of every property again."""
        self._subscriptions.synchronize(self._addressed(context))
        return {}

    async def Seek(self, request: Plain, context: Context) -> Plain:
        """Go back to past events."""
        subscription = self._addressed(context)
        utc_ns = round(request["UtcTime"].timestamp() * 1_000_000) * 1_000
        await self._subscriptions.seek(subscription, utc_ns, reverse=request.get("Reverse", False))
        return {}

    async def Renew(self, request: Plain, context: Context) -> Plain:
        """Set the time at which a subscription ends."""
        subscription, now = self._addressed(context), self._now()
        self._subscriptions.prolong(subscription, self._seconds(request.get("TerminationTime"), now, initial=False))
        return self._times(subscription)

    async def Unsubscribe(self, _request: Plain, context: Context) -> Plain:
        """End a subscription."""
        self._subscriptions.remove(self._addressed(context))
        return {}

    async def AddEventBroker(self, request: Plain, context: Context) -> Plain:
        """Publish events to a broker from now on, or change how."""
        self._brokers.add(request["EventBroker"], context, self._filters, self._now())
        return {}

    async def DeleteEventBroker(self, request: Plain, context: Context) -> Plain:
        """Publish events to a broker no more."""
        self._brokers.delete(request["Address"], context)
        return {}

    async def GetEventBrokers(self, request: Plain, _context: Context) -> Plain:
        """Return the configured brokers and whether they are connected."""
        return {"EventBroker": self._brokers.found(request.get("Address"))}

    async def GetCurrentMessage(self, request: Plain, _context: Context) -> Plain:
        """Return the state of a topic that has exactly one."""
        matches = self._topic_of(request["Topic"])
        found = [event for event in self._bus.properties() if matches(event.topic)]
        if len(found) != 1:
            reason = f"the topic {request['Topic']['_'].strip()!r} has {len(found)} states, not one"
            raise self._faults.no_current_message(reason, self._now())
        return {"_any": [self.messages.message(found[0])]}

    def _topic_of(self, topic: Plain) -> Callable[[str], bool]:
        element = self._codec.element("{http://docs.oasis-open.org/wsn/b-2}TopicExpression", {**topic})
        try:
            return parse_topics(element, self._prefixes)
        except ValueError as error:
            raise self._faults.filter_fault("InvalidTopicExpression", str(error), self._now()) from None

    def _addressed(self, context: Context) -> Subscription:
        """Return the subscription that a request is for: the path says it, or else the To header."""
        match = _SUBSCRIPTION.search(context.uri) or _SUBSCRIPTION.search(context.to)
        try:
            return self._subscriptions.get(match[1] if match else "")
        except GatewayError as error:
            raise self._faults.resource_unknown(error.message, self._now()) from None

    def _made(self, subscription: Subscription, context: Context, now: datetime) -> Plain:
        address = context.base + SUBSCRIPTION_PATH + subscription.id
        return {
            "SubscriptionReference": {"Address": address},
            "CurrentTime": now,
            "TerminationTime": self._times(subscription)["TerminationTime"],
        }

    def _times(self, subscription: Subscription) -> Plain:
        now = self._now()
        return {"CurrentTime": now, "TerminationTime": _time(self._subscriptions.termination_ns(subscription))}

    def _seconds(self, time: datetime | timedelta | None, now: datetime, *, initial: bool) -> float | None:
        seconds = seconds_until(time, now)
        if seconds is not None and seconds <= 0:
            raise self._unacceptable(f"a subscription can't end {-seconds:g} seconds ago", now, initial=initial)
        return seconds

    def _unacceptable(self, reason: str, now: datetime, *, initial: bool) -> SoapFault:
        return self._faults.unacceptable_time(reason, now, SHORTEST, LONGEST, initial=initial)

    def _now(self) -> datetime:
        return _time(self._clock.utc_ns())


def _time(utc_ns: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=utc_ns // 1_000)
