"""Motion and tampering as events: the topics, and what is published when a camera's states change."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.domain.event import Event, Items, TopicDescription
from gateway.domain.motion import Tampering
from gateway.domain.motion_rules import MotionRule, RuleKind
from gateway.services.eventbus import EventBus
from gateway.services.motion_alarm import MOTION_ALARM, MotionAlarms
from gateway.services.motion_states import Change

_WHO = "gateway"
_TOKEN, _BOOLEAN = "tt:ReferenceToken", "xs:boolean"
_STATE = (("State", _BOOLEAN),)


def _of_source(topic: str) -> TopicDescription:
    return TopicDescription(f"tns1:VideoSource/{topic}", (("Source", _TOKEN),), _STATE, is_property=True)


RULE_TOPICS = {
    RuleKind.CELLS: TopicDescription(
        "tns1:RuleEngine/CellMotionDetector/Motion",
        (
            ("VideoSourceConfigurationToken", _TOKEN),
            ("VideoAnalyticsConfigurationToken", _TOKEN),
            ("Rule", "xs:string"),
        ),
        (("IsMotion", _BOOLEAN),),
        is_property=True,
    ),
    RuleKind.REGION: TopicDescription(
        "tns1:RuleEngine/MotionRegionDetector/Motion",
        (("VideoSource", _TOKEN), ("RuleName", "xs:string")),
        _STATE,
        is_property=True,
    ),
}
TAMPERING_TOPICS = {
    Tampering.DARK: _of_source("ImageTooDark/AnalyticsService"),
    Tampering.BLURRED: _of_source("ImageTooBlurry/AnalyticsService"),
    Tampering.CHANGED: _of_source("GlobalSceneChange/AnalyticsService"),
}


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a VMS knows a camera's picture by."""

    source: str
    """Its VideoSource."""
    configuration: str
    """Its VideoSourceConfiguration."""
    analytics: str
    """Its VideoAnalyticsConfiguration."""


class MotionEvents:
    """Tells the bus of the cameras' states."""

    def __init__(self, bus: EventBus, tokens: Callable[[str], Tokens], alarms: MotionAlarms | None = None) -> None:
        """`tokens` gives those of a camera's id; `alarms` are shared with others who see motion."""
        self._bus = bus
        self._alarms = alarms or MotionAlarms(bus, lambda camera: tokens(camera).source)
        self._tokens = tokens

    def declare(self, tampering: Iterable[Tampering]) -> None:
        """Announce the topics, and those of the kinds of tampering that some engine recognises."""
        kinds = sorted(set(tampering))
        self._bus.declare(MOTION_ALARM, *RULE_TOPICS.values(), *(TAMPERING_TOPICS[kind] for kind in kinds))

    def tell(self, camera: str, rules: Iterable[MotionRule], changes: Iterable[Change]) -> None:
        """Publish what has changed of a camera with these rules."""
        tokens = self._tokens(camera)
        kinds = {rule.name: rule.kind for rule in rules}
        for change in changes:
            what, name = change.subject
            if what == "motion":
                self._alarms.tell(camera, _WHO, on=change.on, utc_ns=change.utc_ns)
                continue
            if what == "rule":
                topic, source = RULE_TOPICS[kinds[name]], _source_of(kinds[name], name, tokens)
            else:
                topic, source = TAMPERING_TOPICS[Tampering(name)], (("Source", tokens.source),)
            data = ((topic.data[0][0], str(change.on).lower()),)
            self._bus.publish(Event(topic.topic, source, data, utc_ns=change.utc_ns))

    def forget(self, camera: str, rules: Iterable[MotionRule]) -> None:
        """Take back the states of rules that are gone."""
        for rule in rules:
            self._bus.delete(RULE_TOPICS[rule.kind].topic, _source_of(rule.kind, rule.name, self._tokens(camera)))

    def forget_picture(self, camera: str, tampering: Iterable[Tampering]) -> None:
        """Take back what was told of a camera's picture, which nobody looks at any more."""
        self._alarms.leave(camera, _WHO)
        source = (("Source", self._tokens(camera).source),)
        for kind in tampering:
            self._bus.delete(TAMPERING_TOPICS[kind].topic, source)


def _source_of(kind: RuleKind, name: str, tokens: Tokens) -> Items:
    """Return the source items of a rule's events."""
    if kind is RuleKind.REGION:
        return (("VideoSource", tokens.source), ("RuleName", name))
    return (
        ("VideoSourceConfigurationToken", tokens.configuration),
        ("VideoAnalyticsConfigurationToken", tokens.analytics),
        ("Rule", name),
    )
