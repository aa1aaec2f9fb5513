"""What successive pictures amount to, and the rules that zones are."""

from gateway.domain.motion import WHOLE_PICTURE, MotionRegion, MotionResult, MotionZone, Point, Polygon, Tampering
from gateway.domain.motion_rules import ALL_CELLS, COLUMNS, ROWS, MotionRule, RuleKind, polygon_of
from gateway.services.motion_states import ANYWHERE, Change, MotionMarks, MotionStates, strength

_SECOND = 1_000_000_000
RULES = [MotionRule(RuleKind.REGION, MotionZone(name), hold) for name, hold in (("gate", 2.0), ("dark", 5.0))]


def seen(seconds: float, *zones: str, tampering: frozenset[Tampering] = frozenset()) -> MotionResult:
    return MotionResult(round(seconds * _SECOND), frozenset(zones), tampering=tampering)


def changes(states: MotionStates, result: MotionResult) -> list[tuple[str, bool, float]]:
    return [(each.subject[1], each.on, each.utc_ns / _SECOND) for each in states.take(result)]


def test_the_first_picture_tells_every_state() -> None:
    states = MotionStates(RULES, [Tampering.DARK])
    assert states.end(5) == []
    assert states.take(seen(1)) == [
        Change(ANYWHERE, False, _SECOND),  # noqa: FBT003 - a state
        Change(("rule", "gate"), False, _SECOND),  # noqa: FBT003
        Change(("rule", "dark"), False, _SECOND),  # noqa: FBT003
        Change(("tampering", "dark"), False, _SECOND),  # noqa: FBT003
    ]
    assert states.take(seen(2)) == []


def test_motion_lasts_for_its_hold_time_after_it_was_last_seen() -> None:
    states = MotionStates(RULES, [])
    states.take(seen(0))
    assert changes(states, seen(1, "gate")) == [("", True, 1), ("gate", True, 1)]
    assert changes(states, seen(1.5, "gate")) == []
    assert changes(states, seen(3.4)) == []
    assert changes(states, seen(3.5)) == [("", False, 3.5), ("gate", False, 3.5)]


def test_motion_anywhere_ends_with_the_last_rule() -> None:
    states = MotionStates(RULES, [])
    states.take(seen(0, "gate", "dark"))
    assert changes(states, seen(3)) == [("gate", False, 3)]
    assert changes(states, seen(5)) == [("", False, 5), ("dark", False, 5)]


def test_pictures_far_apart_do_not_flicker() -> None:
    states = MotionStates(RULES, [])
    states.take(seen(0, "gate"))
    assert changes(states, seen(10, "gate")) == []


def test_a_zone_without_a_rule_is_nothing() -> None:
    states = MotionStates(RULES, [])
    states.take(seen(0))
    assert states.take(seen(1, "gone")) == []


def test_a_clock_that_is_set_back_ends_what_was_seen_later() -> None:
    states = MotionStates(RULES, [])
    states.take(seen(100, "gate"))
    assert changes(states, seen(50)) == [("", False, 50), ("gate", False, 50)]


def test_an_end_spares_tampering() -> None:
    states = MotionStates(RULES, [Tampering.DARK])
    states.take(seen(0, "gate", tampering=frozenset({Tampering.DARK})))
    assert [each.subject for each in states.end(1)] == [ANYWHERE, ("rule", "gate")]
    assert changes(states, seen(2)) == [("dark", False, 2)]


def test_strength_is_the_share_of_what_counts() -> None:
    counting, other = MotionRegion(0, 0, 0.5, 0.5, ("gate",)), MotionRegion(0, 0, 1, 1)
    assert strength(MotionResult(0, frozenset(), (other,))) == 0
    assert strength(MotionResult(0, frozenset({"gate"}))) == 1
    assert strength(MotionResult(0, frozenset({"gate"}), (counting, other))) == 64
    assert strength(MotionResult(0, frozenset({"gate"}), (counting,) * 9)) == 255


def test_marks_tell_the_strongest_of_a_stretch() -> None:
    marks = MotionMarks()
    for time, side in ((1, 0.1), (2, 0.5), (3, 0.2), (4, 0.0)):
        region = MotionRegion(0, 0, side, side, ("gate",))
        marks.take(MotionResult(time, frozenset({"gate"} if side else ()), (region,)))
    assert [marks.strongest(*span) for span in ((0, 1), (1, 2), (1, 4), (3, 9), (4, 9))] == [0, 3, 64, 10, 0]


def inside(polygon: Polygon, point: Point) -> bool:
    """Tell by the even-odd rule."""
    x, y = point
    odd = False
    for (x0, y0), (x1, y1) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
            odd = not odd
    return odd


def test_a_polygon_covers_exactly_its_cells() -> None:
    ring = frozenset(
        row * COLUMNS + column for row in range(3, 9) for column in range(5, 15) if row in {3, 8} or column in {5, 14}
    )
    cells = ring | {ROWS * COLUMNS - 1, 6 * COLUMNS + 9, 0}
    polygon = polygon_of(cells)
    middles = {
        row * COLUMNS + column: ((column + 0.5) / COLUMNS, (row + 0.5) / ROWS)
        for row in range(ROWS)
        for column in range(COLUMNS)
    }
    assert {cell for cell, middle in middles.items() if inside(polygon, middle)} == cells
    assert polygon_of(ALL_CELLS) == WHOLE_PICTURE
