"""What is reported of an event: its SIA code (DC-03) and its Contact ID code (DC-05), alarm or restore. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.event import Event, PropertyOperation
from gateway.domain.topics import parse_topic_set

_SIA = re.compile(r"(?:[A-Z]{2})?")
_CID = re.compile(r"(?:[1-9][0-9A-F]{2})?")
_NOT = frozenset({"false", "0", "inactive"})


@dataclass(frozen=True, slots=True)
class CodeRule:
    """`[[sink.settings.codes]]`: how the events of some topics are reported."""

    topic: str
    """A topic expression."""
    sia: str = ""
    """Two letters; nothing: not reported as SIA-DCS."""
    restore: str = ""
    """Two letters for the end of the state; nothing: the end is not reported, in neither format."""
    cid: str = ""
    """Three digits; nothing: not reported as ADM-CID."""

    def __post_init__(self) -> None:
        """Check the codes. Raises ValueError."""
        parse_topic_set(self.topic)
        for name, code, form in (("sia", self.sia, _SIA), ("restore", self.restore, _SIA), ("cid", self.cid, _CID)):
            if not form.fullmatch(code):
                raise ValueError(f"{name}: {code!r} is no code")


DEFAULT_RULES = (
    CodeRule("tns1:VideoSource/MotionAlarm", "BA", "BR", "130"),
    CodeRule("tns1:VideoSource/SignalLoss", "UT", "UJ", "380"),
    CodeRule(
        "tns1:VideoSource/GlobalSceneChange//.|tns1:VideoSource/ImageTooDark//.|tns1:VideoSource/ImageTooBright//."
        "|tns1:VideoSource/ImageTooBlurry//.",
        "TA",
        "TR",
        "144",
    ),
    CodeRule("tns1:Device/Trigger/DigitalInput", "UA", "UR", "150"),
    CodeRule("tns1:Device/HardwareFailure/PowerSupplyFailure", "AT", "AR", "301"),
    CodeRule("tns1:Device/HardwareFailure//.", "YX", "YZ", "300"),
    CodeRule("tns1:Monitoring/OperatingTime/LastReboot", "RR", "", "305"),
)
TEST = CodeRule("tns1:Test", "RP", "", "602")
"""The automatic test report."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One report."""

    rule: CodeRule
    restored: bool = False
    zone: int = 0
    """1 to 999; 0 for the gateway itself."""
    area: int = 1
    """1 to 99; also called partition."""

    def sia_data(self, account: str) -> str:
        """Return the data of an SIA-DCS frame, nothing when it is not reported so."""
        code = self.rule.restore if self.restored else self.rule.sia
        return f"#{account}|Nri{self.area}/{code}{self.zone:03d}" if self.rule.sia and code else ""

    def cid_data(self, account: str) -> str:
        """Return the data of an ADM-CID frame, nothing when it is not reported so."""
        if not self.rule.cid or (self.restored and not self.rule.restore):
            return ""
        return f"#{account}|{3 if self.restored else 1}{self.rule.cid} {self.area:02d} {self.zone:03d}"


class Codes:
    """The rules in force: the operator's first, then the default ones; the first that fits a topic counts."""

    def __init__(self, rules: Sequence[CodeRule]) -> None:
        self._rules = [(parse_topic_set(rule.topic), rule) for rule in (*rules, *DEFAULT_RULES)]

    def find(self, event: Event) -> tuple[CodeRule, bool] | None:
        """Return the rule of an event and whether it tells of a restore; None when there is nothing to report.

        A state that is not there at the start is no restore: nobody was told of it. One that is withdrawn is.
        """
        rule = next((rule for topics, rule in self._rules if event.topic in topics), None)
        if rule is None:
            return None
        active = not event.data or event.data[0][1] not in _NOT
        if event.operation is PropertyOperation.DELETED:
            return (rule, True) if active else None
        if event.operation is PropertyOperation.INITIALIZED and not active:
            return None
        return rule, not active
