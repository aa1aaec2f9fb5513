"""Rules and modules as ONVIF writes them (`tt:Config`), what there can be of them, and back (ONVIF Analytics annex B).

Positions are ONVIF's normalised ones: -1 to 1 from the left and from the bottom (Analytics §5.1.2).
"""

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from lxml import etree

from gateway.domain.motion import WHOLE_PICTURE, MotionZone, Point, Polygon
from gateway.domain.motion_rules import ALL_CELLS, CELL_SIZE, COLUMNS, ROWS, MotionRule, RuleKind
from gateway.onvif.analytics_cells import pack_cells, unpack_cells
from gateway.onvif.codec import Codec
from gateway.services.motion_rules import SENSITIVITY, CellModule, cell_rule

Plain: TypeAlias = dict[str, Any]

TT = "http://www.onvif.org/ver10/schema"
AXT = "http://www.onvif.org/ver20/analytics"
CELL_ENGINE = "CellMotionEngine"
MAX_CORNERS = 64
MAX_NAME = 64
MAX_ON_DELAY, MAX_OFF_DELAY = 60_000, 300_000
"""Milliseconds."""
_REGION = f"{{{AXT}}}MotionRegionConfig"


@dataclass(frozen=True, slots=True)
class RuleWriter:
    """Writes what has to be XML inside plain values."""

    codec: Codec

    def rule(self, rule: MotionRule) -> Plain:
        """Return a rule as `tt:Config`."""
        if rule.kind is RuleKind.CELLS:
            parameters = self._items(
                MinCount=round(rule.zone.min_size / CELL_SIZE),
                AlarmOnDelay=round(rule.zone.min_duration * 1000),
                AlarmOffDelay=round(rule.hold * 1000),
                ActiveCells=b64encode(pack_cells(rule.cells)).decode(),
            )
        else:
            points = [{"x": round(2 * x - 1, 6), "y": round(1 - 2 * y, 6)} for x, y in rule.zone.polygon]
            region = {"Polygon": {"Point": points}, "Armed": True, "Sensitivity": rule.zone.sensitivity / 100}
            parameters = {"ElementItem": [{"Name": "MotionRegion", "_any": [self.codec.written(_REGION, region)]}]}
        return {"Name": rule.name, "Type": f"tt:{rule.kind}", "Parameters": parameters}

    def module(self, module: CellModule) -> Plain:
        """Return a module as `tt:Config`."""
        layout = {
            "Columns": COLUMNS,
            "Rows": ROWS,
            "Transformation": {
                "Translate": {"x": -1.0, "y": 1.0},
                "Scale": {"x": round(2 / COLUMNS, 6), "y": round(-2 / ROWS, 6)},
            },
        }
        parameters = self._items(Sensitivity=module.sensitivity)
        parameters["ElementItem"] = [{"Name": "Layout", "_any": [self.codec.typed("tt:CellLayout", layout)]}]
        return {"Name": module.name, "Type": f"tt:{CELL_ENGINE}", "Parameters": parameters}

    def rule_options(self) -> list[Plain]:
        """Return `tan:ConfigOptions` for all kinds of rules."""
        ranges = {
            "MinCount": (1, COLUMNS * ROWS),
            "AlarmOnDelay": (0, MAX_ON_DELAY),
            "AlarmOffDelay": (0, MAX_OFF_DELAY),
        }
        cells = [
            {"RuleType": f"tt:{RuleKind.CELLS}", "Name": name, **self._range(*span)} for name, span in ranges.items()
        ]
        region = {
            "DisarmSupport": False,
            "PolygonSupport": True,
            "PolygonLimits": {"Min": 3, "Max": MAX_CORNERS},
            "SingleSensitivitySupport": False,
            "RuleNotification": True,
            "PTZPresetMotionSupport": False,
        }
        element = self.codec.written(f"{{{AXT}}}MotionRegionConfigOptions", region)
        option = {"Name": "MotionRegion", "Type": "axt:MotionRegionConfigOptions", "_any": [element]}
        return [*cells, {"RuleType": f"tt:{RuleKind.REGION}", **option}]

    def module_options(self) -> list[Plain]:
        """Return `tan:ConfigOptions` for the module."""
        return [{"AnalyticsModule": f"tt:{CELL_ENGINE}", "Name": "Sensitivity", **self._range(0, 100)}]

    def _range(self, low: int, high: int) -> Plain:
        return {"Type": "tt:IntRange", "_any": [self.codec.written(f"{{{TT}}}IntRange", {"Min": low, "Max": high})]}

    def _items(self, **values: object) -> Plain:
        return {"SimpleItem": [{"Name": name, "Value": str(value)} for name, value in values.items()]}


class RuleReader:
    """Reads what clients send. All methods raise ValueError with a sentence about what can't be."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def rule(self, plain: Plain, hold: float, before: MotionRule | None = None) -> MotionRule:
        """Return the rule of a `tt:Config`; what it leaves out is as `before`, or as usual, with this hold time."""
        name, kind = _name(plain), _kind(plain)
        if before is not None and before.kind is not kind:
            raise ValueError(f"the rule {name!r} is a {before.kind}, and can't become a {kind}")
        values = _Values(plain, name)
        rule = self._cells(values, hold, before) if kind is RuleKind.CELLS else self._region(values, hold, before)
        values.end()
        return rule

    def module(self, plain: Plain, before: CellModule | None = None) -> CellModule:
        """Return the module of a `tt:Config`; what it leaves out is as `before`, or as usual."""
        name = _name(plain)
        if plain["Type"] != f"{{{TT}}}{CELL_ENGINE}":
            raise ValueError(f"there are no analytics modules of the type {plain['Type']}, only tt:{CELL_ENGINE}")
        values = _Values(plain, name)
        sensitivity = values.number("Sensitivity", 0, 100, SENSITIVITY if before is None else before.sensitivity)
        layout = values.element("Layout")
        if layout is not None:
            size = layout.get("Columns"), layout.get("Rows")
            if size != (str(COLUMNS), str(ROWS)):
                raise ValueError(f"the layout of {name!r} is {COLUMNS} by {ROWS} cells, not {size[0]} by {size[1]}")
        values.end()
        return CellModule(name, sensitivity)

    def _cells(self, values: "_Values", hold: float, before: MotionRule | None) -> MotionRule:
        usual = before or cell_rule(values.name, ALL_CELLS, hold=hold)
        zone = usual.zone
        count = values.number("MinCount", 1, COLUMNS * ROWS, max(1, round(zone.min_size / CELL_SIZE)))
        delay = values.number("AlarmOnDelay", 0, MAX_ON_DELAY, round(zone.min_duration * 1000))
        lasting = values.number("AlarmOffDelay", 0, MAX_OFF_DELAY, round(usual.hold * 1000))
        cells, packed = usual.cells, values.text("ActiveCells")
        if packed is not None:
            try:
                cells = unpack_cells(b64decode(packed, validate=True))
            except ValueError as error:
                raise ValueError(f"ActiveCells {packed!r} of {values.name!r} can't be read: {error}") from error
        return cell_rule(values.name, cells, min_cells=count, delay=delay / 1000, hold=lasting / 1000)

    def _region(self, values: "_Values", hold: float, before: MotionRule | None) -> MotionRule:
        usual = before or MotionRule(RuleKind.REGION, MotionZone(values.name), hold)
        element = values.element("MotionRegion")
        if element is None:
            return usual
        if element.tag != _REGION:
            raise ValueError(f"the MotionRegion of {values.name!r} is a {element.tag}, not an axt:MotionRegionConfig")
        region = self._codec.decode(element)
        if region.get("Armed") is False or "PresetToken" in region:
            raise ValueError(f"the region {values.name!r} can be neither disarmed nor bound to a preset")
        sensitivity = region.get("Sensitivity", usual.zone.sensitivity / 100)
        if not 0 <= sensitivity <= 1:
            raise ValueError(f"the sensitivity of the region {values.name!r} must be from 0 to 1, not {sensitivity:g}")
        points = region["Polygon"]["Point"] if "Polygon" in region else None
        polygon = (
            (before.zone.polygon if before else WHOLE_PICTURE) if points is None else _polygon(points, values.name)
        )
        return replace(usual, zone=replace(usual.zone, sensitivity=round(sensitivity * 100), polygon=polygon))


class _Values:
    """The parameters of one `tt:Config`, each of which has to be asked for."""

    def __init__(self, plain: Plain, name: str) -> None:
        parameters = plain.get("Parameters", {})
        self.name = name
        self._texts: dict[str, str] = {item["Name"]: item["Value"] for item in parameters.get("SimpleItem", ())}
        self._elements: dict[str, list[etree._Element]] = {
            item["Name"]: item.get("_any", []) for item in parameters.get("ElementItem", ())
        }

    def text(self, name: str) -> str | None:
        return self._texts.pop(name, None)

    def number(self, name: str, low: int, high: int, usual: int) -> int:
        text = self._texts.pop(name, None)
        if text is None:
            return usual
        value = int(text) if re.fullmatch(r"\s*[+-]?\d{1,9}\s*", text) else None
        if value is None or not low <= value <= high:
            raise ValueError(f"{name} of {self.name!r} must be a whole number from {low} to {high}, not {text!r}")
        return value

    def element(self, name: str) -> etree._Element | None:
        found = self._elements.pop(name, None)
        return found[0] if found else None

    def end(self) -> None:
        if left := sorted([*self._texts, *self._elements]):
            raise ValueError(f"{self.name!r} has no parameter {left[0]!r}")


def _name(plain: Plain) -> str:
    name = str(plain["Name"])
    if not 0 < len(name.strip()) <= MAX_NAME or not name.isprintable():
        raise ValueError(f"the name {name!r} must have 1 to {MAX_NAME} printable characters")
    return name


def _kind(plain: Plain) -> RuleKind:
    namespace, _, local = str(plain["Type"]).rpartition("}")
    if namespace != f"{{{TT}" or local not in set(RuleKind):
        kinds = " and ".join(f"tt:{kind}" for kind in RuleKind)
        raise ValueError(f"there are no rules of the type {plain['Type']}, only {kinds}")
    return RuleKind(local)


def _polygon(points: list[dict[str, float]], name: str) -> Polygon:
    """Return a polygon in shares of the picture."""
    if len(points) > MAX_CORNERS:
        raise ValueError(f"the region {name!r} can have {MAX_CORNERS} corners, not {len(points)}")
    return tuple(_point(point["x"], point["y"], name) for point in points)


def _point(x: float, y: float, name: str) -> Point:
    if not (-1 <= x <= 1 and -1 <= y <= 1):
        raise ValueError(f"the corner ({x:g}, {y:g}) of the region {name!r} is not within -1 and 1")
    return round((x + 1) / 2, 6), round((1 - y) / 2, 6)
