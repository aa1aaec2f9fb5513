"""The commands about recordings, on a data directory that no gateway runs on."""

import json
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.db import open_database
from gateway.domain.recording import Fragment, Segment

MINUTE = 60_000_000_000
START = 1_795_334_400_000_000_000
"""2026-11-22T08:00:00Z."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    assert main(["storage", "list", "--data", str(folder)]) == 0
    database = open_database(folder)
    fragment = Fragment(100, 900, START, START + MINUTE)
    name = "Recording_door/2026-11-22/08-00-00.000Z.mp4"
    database.catalogue.add(
        Segment(
            "Recording_door", START, START + MINUTE, START, "demo", name, 1000, ("VIDEO001",), (fragment,), closed=True
        )
    )
    database.close()
    return folder


def test_what_is_recorded_and_held_is_listed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--data", str(data)]
    capsys.readouterr()
    assert main(["recordings", "list", "--json", *options]) == 0
    [row] = json.loads(capsys.readouterr().out)
    assert (row["recording"], row["runs"], row["bytes"]) == ("Recording_door", [[START, START + MINUTE]], 1000)
    span = ["2026-11-22T08:00:00Z", "2026-11-22T08:00:30Z"]
    assert main(["recordings", "hold", "door", *span, "--reason", "theft", *options]) == 0
    hold = capsys.readouterr().out.strip()
    assert main(["recordings", "holds", *options]) == 0
    assert "2026-11-22T08:00:00.000Z to 2026-11-22T08:00:30.000Z" in capsys.readouterr().out
    assert main(["storage", "format", "demo", "--confirm", "demo", *options]) == 1
    assert "storage 'demo' has footage that 1 holds protect" in capsys.readouterr().err
    assert main(["recordings", "release", hold, *options]) == 0
    assert main(["storage", "format", "demo", *options]) == 0
    assert "deletes 1.0 kB of recordings" in capsys.readouterr().out
    assert main(["recordings", "list", *options]) == 0
    assert "Recording_door" in capsys.readouterr().out
    assert main(["storage", "format", "demo", "--confirm", "demo", *options]) == 0
    capsys.readouterr()
    assert main(["recordings", "list", *options]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["recordings", "hold", "gate", "2026-11-22T08:00:00", "2026-11-22T09:00:00"], "nothing is recorded of 'gate'"),
        (["recordings", "hold", "door", "noon", "2026-11-22T09:00:00"], "FROM 'noon' is not a time such as"),
        (["recordings", "hold", "door", "2026-11-22T09:00:00", "2026-11-22T08:00:00"], "a hold can't end at"),
        (["recordings", "release", "0815"], "there is no hold '0815'"),
        (["storage", "format", "demo", "--confirm", "disk"], "'disk' is not the id of the storage, 'demo'"),
        (["storage", "format", "disk"], "there is no storage 'disk'"),
        (["storage", "remove", "disk"], "there is no storage 'disk'"),
        (["export", "gate", "2026-11-22T08:00:00", "2026-11-22T09:00:00", "x.mp4"], "nothing is recorded of 'gate'"),
    ],
)
def test_what_can_t_be_done_is_told(
    data: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main([*arguments, "--data", str(data)]) == 1
    assert sentence in capsys.readouterr().err


def test_fsck_finds_the_row_without_a_file_and_mends_it(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--data", str(data)]
    assert main(["fsck", *options]) == 1
    assert "the file is missing" in capsys.readouterr().out
    assert main(["fsck", "--repair", *options]) == 0
    assert main(["fsck", "--depth", "3", "--json", *options]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["findings"] == []
    assert main(["storage", "plan", *options]) == 0
    assert "0 segments" in capsys.readouterr().out
