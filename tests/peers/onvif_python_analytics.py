"""Reads and changes rules and modules with onvif-python, as an operator would in a VMS.

Run with the Python of an environment that has onvif-python: onvif_python_analytics.py HOST PORT USER PASSWORD CAMERA.
Prints {"called": ["analytics.GetRules", …], "rules": [NAME, …], …}; in the end all is as it was.
"""

# ruff: noqa: T201 - it prints what it found

import json
import sys
import warnings
from typing import Any

from lxml import etree
from onvif import CacheMode, ONVIFClient

TT, AXT = "http://www.onvif.org/ver10/schema", "http://www.onvif.org/ver20/analytics"
CORNERS = ((-1, 1), (0, 1), (0, 0))
ALL_ACTIVE = "z/8="


class Recorder:
    """Calls operations and notes their names."""

    def __init__(self) -> None:
        self.called: set[str] = set()

    def __call__(self, service: Any, operation: str, *arguments: Any, **named: Any) -> Any:
        self.called.add(f"analytics.{operation}")
        return getattr(service, operation)(*arguments, **named)


def main(host: str, port: str, user: str, password: str, camera: str) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    client = ONVIFClient(host, int(port), user, password, http_digest=True, cache=CacheMode.NONE)
    call, analytics, rules = Recorder(), client.analytics(), client.ruleengine()
    call(analytics, "GetServiceCapabilities")
    call(analytics, "GetSupportedMetadata")
    [token] = {
        profile.Configurations.Analytics.token
        for profile in client.media2().GetProfiles(Type=["All"])
        if profile.token.startswith(camera)
    }
    supported = call(rules, "GetSupportedRules", token)
    call(rules, "GetRuleOptions", token)
    before = names(call(rules, "GetRules", token))
    call(
        rules,
        "CreateRules",
        token,
        [config("Cells", "CellMotionDetector", ActiveCells=ALL_ACTIVE), region("Corner", 0.5)],
    )
    call(rules, "ModifyRules", token, [region("Corner", 0.75)])
    listed = rules.GetRules(token)
    corner = next(rule for rule in listed if rule.Name == "Corner").Parameters.ElementItem[0]._value_1
    corner = corner[0] if isinstance(corner, list) else corner
    call(rules, "DeleteRules", token, ["Cells", "Corner"])
    call(analytics, "GetSupportedAnalyticsModules", token)
    call(analytics, "GetAnalyticsModuleOptions", token)
    [module] = call(analytics, "GetAnalyticsModules", token)
    engine = config(module.Name, "CellMotionEngine", Sensitivity="80")
    call(analytics, "ModifyAnalyticsModules", token, [engine])
    call(analytics, "DeleteAnalyticsModules", token, [module.Name])
    call(analytics, "CreateAnalyticsModules", token, [engine])
    [sensitivity] = [item.Value for item in analytics.GetAnalyticsModules(token)[0].Parameters.SimpleItem]
    analytics.ModifyAnalyticsModules(token, [config(module.Name, "CellMotionEngine", Sensitivity="50")])
    return {
        "called": sorted(call.called),
        "supported": [each.Name.rpartition(":")[2] for each in supported.RuleDescription],
        "before": before,
        "created": names(listed),
        "corner": [corner.get("Sensitivity"), len(corner[0])],
        "after": names(rules.GetRules(token)),
        "sensitivity": sensitivity,
    }


def names(rules: Any) -> list[str]:
    return [rule.Name for rule in rules]


def config(name: str, kind: str, **items: str) -> dict[str, Any]:
    simple = [{"Name": key, "Value": value} for key, value in items.items()]
    return {"Name": name, "Type": etree.QName(TT, kind), "Parameters": {"SimpleItem": simple}}


def region(name: str, sensitivity: float) -> dict[str, Any]:
    element = etree.Element(f"{{{AXT}}}MotionRegionConfig", Armed="true", Sensitivity=str(sensitivity))
    polygon = etree.SubElement(element, f"{{{TT}}}Polygon")
    for x, y in CORNERS:
        etree.SubElement(polygon, f"{{{TT}}}Point", x=str(x), y=str(y))
    rule = config(name, "MotionRegionDetector")
    rule["Parameters"]["ElementItem"] = [{"Name": "MotionRegion", "_value_1": element}]
    return rule


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
