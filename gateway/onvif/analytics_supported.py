"""The kinds of rules and modules that there can be, as `tt:ConfigDescription` (ONVIF Analytics annex B)."""

from typing import Any

from gateway.domain.event import TopicDescription
from gateway.domain.motion_rules import RuleKind
from gateway.onvif.analytics_rules import CELL_ENGINE
from gateway.services.motion_events import RULE_TOPICS
from gateway.services.motion_rules import MAX_RULES

Plain = dict[str, Any]

_INTEGER = "xs:integer"


def supported_rules() -> Plain:
    """Return the content of `tt:SupportedRules`."""
    cells = _simple(
        ("MinCount", _INTEGER),
        ("AlarmOnDelay", _INTEGER),
        ("AlarmOffDelay", _INTEGER),
        ("ActiveCells", "xs:base64Binary"),
    )
    region = {"ElementItemDescription": [{"Name": "MotionRegion", "Type": "axt:MotionRegionConfig"}]}
    descriptions = [
        _rule(kind, parameters) for kind, parameters in ((RuleKind.CELLS, cells), (RuleKind.REGION, region))
    ]
    return {"RuleDescription": descriptions, "Limit": MAX_RULES}


def supported_modules() -> Plain:
    """Return the content of `tt:SupportedAnalyticsModules`."""
    parameters = _simple(("Sensitivity", _INTEGER))
    parameters["ElementItemDescription"] = [{"Name": "Layout", "Type": "tt:CellLayout"}]
    description = {"Name": f"tt:{CELL_ENGINE}", "maxInstances": 1, "Parameters": parameters}
    return {"AnalyticsModuleDescription": [description], "Limit": 1}


def _rule(kind: RuleKind, parameters: Plain) -> Plain:
    return {
        "Name": f"tt:{kind}",
        "maxInstances": MAX_RULES,
        "Parameters": parameters,
        "Messages": [_message(RULE_TOPICS[kind])],
    }


def _message(topic: TopicDescription) -> Plain:
    return {
        "IsProperty": topic.is_property,
        "Source": _simple(*topic.source),
        "Data": _simple(*topic.data),
        "ParentTopic": topic.topic,
    }


def _simple(*items: tuple[str, str]) -> Plain:
    return {"SimpleItemDescription": [{"Name": name, "Type": kind} for name, kind in items]}
