"""What of a camera is news."""

from typing import Any

import pytest

from gateway.domain.camera import CameraInfo
from gateway.domain.camera_history import HistoryKind
from gateway.services.camera_changes import (
    MAX_CHANGES,
    Changes,
    info_of,
    is_change,
    of_capabilities,
    of_clock,
    of_info,
    of_stream,
)
from gateway.testing.streams import video_description

S = 1_000_000_000
ACME = CameraInfo("Acme", "Eye", "1.2", "A7", "rev B")


@pytest.mark.parametrize(
    ("kind", "old", "new", "news"),
    [
        (HistoryKind.CLOCK, None, of_clock(0.0), True),
        (HistoryKind.CLOCK, of_clock(-0.4), of_clock(0.9), False),
        (HistoryKind.CLOCK, of_clock(-0.4), of_clock(3600.2), True),
        (HistoryKind.IDENTITY, None, of_info(ACME), True),
        (HistoryKind.IDENTITY, None, of_info(CameraInfo()), False),
        (HistoryKind.IDENTITY, of_info(ACME), of_info(CameraInfo()), False),
        (HistoryKind.IDENTITY, of_info(ACME), of_info(CameraInfo("Acme", "Eye", "1.3", "A7", "rev B")), True),
        (HistoryKind.STREAM, of_stream(video_description(1280, 720)), of_stream(video_description(1280, 720)), False),
        (HistoryKind.STREAM, of_stream(video_description(1280, 720)), of_stream(video_description(640, 360)), True),
    ],
)
def test_what_is_news(kind: HistoryKind, old: dict[str, Any] | None, new: dict[str, Any], news: bool) -> None:  # noqa: FBT001
    assert is_change(kind, old, new) is news


def test_what_a_camera_is_comes_back_as_it_was() -> None:
    assert info_of(of_info(ACME)) == ACME
    assert info_of({"serial": "A7"}) == CameraInfo(serial="A7")


def test_what_no_database_takes_is_not_kept() -> None:
    odd = of_info(CameraInfo("Acme\0\udc80", "x" * 1000, firmware=3))  # type: ignore[arg-type]
    assert (odd["manufacturer"], odd["model"], odd["firmware"]) == ("Acme??", "x" * 255, "3")
    assert of_capabilities(("PTZ\n", "Ünï")) == {"names": ["PTZ?", "Ünï"]}


def test_a_camera_that_can_not_make_up_its_mind_fills_no_disk() -> None:
    clock = Changes("door", HistoryKind.CLOCK, "", None)
    keys = set()
    for second in range(3600):
        entry = clock.told(second * S, of_clock(second % 2 * 100.0))
        assert entry is not None
        keys.add(entry.key)
    assert len(keys) == MAX_CHANGES
    assert (entry.count, entry.value) == (3600 - MAX_CHANGES + 1, {"offset": 100.0})
    assert clock.told(3600 * S, of_clock(0.0)).start_ns == 3600 * S  # type: ignore[union-attr]
