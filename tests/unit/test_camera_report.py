"""What a support engineer reads of a camera's history."""

from typing import Any

import pytest

from gateway.domain.camera_history import HistoryEntry, HistoryKind
from gateway.services.camera_report import DAY_NS, in_words, report

S = 1_000_000_000
NOW = 1_700_000_000 * S
MADE = {"manufacturer": "Acme", "model": "Eye", "firmware": "1.2", "serial": "A7", "hardware": ""}
LOST: dict[str, Any] = {"why": "camera h does not answer", "down": 0.0, "since_ns": NOW - 600 * S}


def entry(kind: HistoryKind, ago: int, subject: str = "", *, until: int | None = None, **more: Any) -> HistoryEntry:
    end_ns = None if until is None else NOW - until * S
    return HistoryEntry("door", kind, NOW - ago * S, subject, end_ns, **more)


PAST = [
    entry(HistoryKind.WATCH, 2 * 86_400, until=10),
    entry(HistoryKind.IDENTITY, 2 * 86_400, value=MADE),
    entry(HistoryKind.CREDENTIALS, 2 * 86_400, value={"fingerprint": "5ec2e7"}),
    entry(
        HistoryKind.STREAM, 2 * 86_400, "main", value={"video": "H264", "width": 64, "height": 48, "audio": ["PCMU"]}
    ),
    entry(HistoryKind.OUTAGE, 100_000, until=90_000, count=3, value=LOST | {"down": 500.0}),
    entry(HistoryKind.IDENTITY, 5000, value=MADE | {"firmware": "1.3"}),
    entry(HistoryKind.CLOCK, 4000, value={"offset": -3600.0}),
    entry(HistoryKind.CAPABILITIES, 4000, value={"names": ["Media2", "PTZ"]}),
    entry(HistoryKind.CREDENTIALS, 3000, value={"fingerprint": "0dd5"}),
    entry(HistoryKind.ERROR, 700, "main: gone", until=20, count=12),
    entry(HistoryKind.ERROR, 600, "sub: gone", until=30, count=7),
    entry(HistoryKind.OUTAGE, 600, value=LOST),
]


def test_what_is_known_and_when_it_changed() -> None:
    found = report(PAST, NOW, running=True)
    assert found["identity"] == MADE | {"firmware": "1.3", "since": "2023-11-14T20:50:00Z"}
    assert found["streams"]["main"]["width"] == 64
    assert (found["clock"]["offset"], found["capabilities"]["names"]) == (-3600.0, ["Media2", "PTZ"])
    assert found["login_changed"] == "2023-11-14T21:23:20Z"
    assert (found["last_seen"], found["lost_since"]) == ("2023-11-14T22:03:20Z", "2023-11-14T22:03:20Z")
    assert found["uptime"] == {"24h": 99.3, "7d": 99.36}
    assert found["losses"] == {"24h": 1, "7d": 4}
    assert [(each["count"], each["error"]) for each in found["errors"]] == [(12, "main: gone"), (7, "sub: gone")]
    assert [each["text"] for each in found["history"]] == [
        "is manufacturer Acme, model Eye, firmware 1.2, serial A7",
        "login set",
        "main is H264 64x48, PCMU",
        "lost 3 times until 2023-11-13T21:13:20Z, for 500 s: camera h does not answer",
        "firmware '1.3' instead of '1.2'",
        "clock 3600.0 s behind",
        "has Media2, PTZ",
        "login changed",
        "lost, and still away: camera h does not answer",
    ]
    assert "5ec2e7" not in str(found)


def test_nothing_is_made_up_of_the_time_in_which_no_gateway_ran() -> None:
    later = NOW + 30 * DAY_NS
    found = report(PAST, later, running=False)
    assert found["uptime"] == {"24h": 99.31, "7d": 99.36}
    assert (found["last_seen"], found["lost_since"]) == ("2023-11-14T22:03:20Z", "2023-11-14T22:03:20Z")
    assert report([], NOW, running=False)["uptime"] == {"24h": None, "7d": None}


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (entry(HistoryKind.CLOCK, 0, value={"offset": 0.6}), "clock right"),
        (entry(HistoryKind.CLOCK, 0, value={"offset": 7.0}, count=9), "clock 7.0 s ahead (9 changes)"),
        (entry(HistoryKind.OUTAGE, 9, until=1, value=LOST | {"down": 8.0, "why": ""}), "lost, for 8 s"),
    ],
)
def test_words(what: HistoryEntry, words: str) -> None:
    assert in_words(what, None) == words
