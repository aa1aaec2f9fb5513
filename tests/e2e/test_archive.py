"""The archive of the installed program: its commands, its files, and clients that others wrote."""

import asyncio
import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from e2e.conftest import (
    HTTP_PORT,
    PASSWORD,
    PEERS,
    SYSTEM_PYTHON,
    USER,
    FilmCamera,
    Gateway,
    command,
    run_json,
    running,
)
from e2e.network import HOUSE, LAN, Network
from e2e.test_vms_clients import client

from gateway.servers.control import ask

pytestmark = pytest.mark.peer
OWN_HTTP_PORT, OWN_RTSP_PORT = 8081, 8555
WAIT_SECONDS = 30
OWN = f"""
[http]
listen = "{HOUSE}:{OWN_HTTP_PORT}"

[rtsp]
listen = "{HOUSE}:{OWN_RTSP_PORT}"

[discovery]
enabled = false

[multicast]
enabled = false

[[camera]]
id = "film"
driver = "rtsp"
[camera.settings]
main = "rtsp://{LAN}:7554/main"
username = "film"
password = {{ env = "FILM_PASSWORD" }}

[[camera]]
id = "pattern"
driver = "testpattern"

[[camera]]
id = "efficient"
driver = "testpattern"
[camera.settings]
codec = "h265"
width = 640
height = 360
"""
STORAGE = """
[[storage]]
id = "disk"
[storage.settings]
path = "archive"
"""
ARCHIVE_SERVICES = {f"http://www.onvif.org/ver10/{name}/wsdl" for name in ("recording", "search", "replay", "receiver")}
PROFILE_G = "onvif://www.onvif.org/Profile/G"
RECEIVED = f"rtsp://film:film-Pass.1@{LAN}:7554/sub"
CODECS = {
    "film": ["h264", "aac", "data"],
    "pattern": ["h264", "pcm_mulaw", "data"],
    "efficient": ["hevc", "pcm_mulaw", "data"],
}
"""Of the tracks that are recorded; metadata is data to others."""
NO_DECODER = "Unsupported codec with id 0 for input stream 2\n"


def archive(gateway: Gateway, *arguments: object, port: int = HTTP_PORT) -> dict[str, Any]:
    """Work with the archive through onvif-python."""
    program = (client("onvif_python"), PEERS / "onvif_python_archive.py", HOUSE, port, USER, PASSWORD)
    return dict(run_json(gateway.place, *program, *arguments))


def own(gateway: Gateway, *arguments: object) -> dict[str, Any]:
    return archive(gateway, *arguments, port=OWN_HTTP_PORT)


def recorded(gateway: Gateway) -> dict[str, dict[str, Any]]:
    """Return what `gateway recordings list` prints, by recording."""
    done = gateway.command("recordings", "list", "--json")
    assert done.returncode == 0, done.stderr
    return {each["recording"]: each for each in json.loads(done.stdout)}


def rows(gateway: Gateway) -> dict[str, dict[str, Any]]:
    """Return the same, quicker than a new process could."""
    found = asyncio.run(ask(gateway.folder / "data", "recordings", {}))
    return {each["recording"]: each for each in found}


def starts(gateway: Gateway) -> dict[str, int]:
    """Return when each recording that has data begins."""
    return {token: each["start_ns"] for token, each in rows(gateway).items()}


def wait_for(gateway: Gateway, what: str, arrived: Callable[[set[str]], bool]) -> None:
    """Return when the recordings that have data are as wanted."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not arrived(set(found := starts(gateway))):
        assert time.monotonic() < deadline, f"{what}: not within {WAIT_SECONDS} s, but {sorted(found)}"
        time.sleep(0.2)


def assert_fsck_is_clean(folder: Path) -> None:
    done = command(folder, "fsck", "--depth", 3)
    assert done.returncode == 0, done.stdout
    assert re.fullmatch(r"[1-9]\d* files, .*: 0 wrong, 0 mended\n", done.stdout)


def assert_plays(file: Path, codecs: list[str]) -> None:
    """Have ffprobe decode every frame of every track; in a few seconds nothing may happen that makes a document."""
    entries = "stream=codec_name,codec_type,nb_read_frames"
    options = ("-v", "warning", "-count_frames", "-show_entries", entries, "-of", "json")
    done = subprocess.run(("ffprobe", *options, file), check=False, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, NO_DECODER if "data" in codecs else ""), file
    streams = json.loads(done.stdout)["streams"]
    assert [stream.get("codec_name", stream["codec_type"]) for stream in streams] == codecs, file
    assert all(int(stream["nb_read_frames"]) for stream in streams[:2]), file


# The gateway that all tests share


def test_storages_are_listed(gateway: Gateway) -> None:
    done = gateway.command("storage", "list", "--json")
    [storage] = json.loads(done.stdout)
    assert (done.returncode, storage["id"], storage["state"], storage["cause"]) == (0, "disk", "ok", "")
    assert 0 < storage["left"] <= storage["free"] < storage["capacity"]
    assert re.match(r"disk +ok +\d+(\.\d)? \w+ used, ", gateway.command("storage", "list").stdout)


def test_retention_has_nothing_to_delete_yet(gateway: Gateway) -> None:
    assert gateway.command("storage", "plan").stdout == "0 segments, 0 B, would be deleted now\n"
    assert json.loads(gateway.command("storage", "plan", "--json").stdout)["deletions"] == []


def test_formatting_takes_two_steps(measured: Gateway) -> None:
    before = recorded(measured)
    asked = measured.command("storage", "format", "disk")
    assert asked.returncode == 0
    assert re.search(r"Formatting disk deletes \d.* of recordings", asked.stdout)
    assert "gateway storage format disk --confirm disk" in asked.stdout
    wrong = measured.command("storage", "format", "disk", "--confirm", "yes")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "'yes' is not the id of the storage, 'disk'" in wrong.stderr
    after = recorded(measured)
    assert all(after[token]["start_ns"] == each["start_ns"] for token, each in before.items())


def test_every_connected_camera_is_recorded(measured: Gateway) -> None:
    found = recorded(measured)
    tracks = {token: sorted(each["tracks"]) for token, each in found.items()}
    assert tracks["Recording_film"] == tracks["Recording_pattern"] == ["AUDIO001", "META001", "VIDEO001"]
    assert tracks["Recording_ipycam"] == ["META001", "VIDEO001"]
    assert len(found["Recording_film"]["runs"]) == 1, "nothing is missing"
    assert re.search(r"(?m)^Recording_film +20\S+Z to 20\S+Z +\S+ [kM]B  0 gaps$",
                     measured.command("recordings", "list").stdout)  # fmt: skip


def test_milestone_retrieves_what_was_recorded(measured: Gateway) -> None:
    found = archive(measured, "milestone")
    channels = ["VideoSource_film", "VideoSource_ipycam", "VideoSource_returning", "VideoSource_pattern"]
    assert (found["extension"], found["channels"], found["attributes"]) == ([True] * 3, channels, 4)
    film = found["recordings"]["Recording_film"]
    assert film["source"] == film["channel"] == "VideoSource_film"
    assert film["tracks"] == ["Video", "Audio", "Metadata"]
    assert film["uri"].startswith(f"rtsp://{HOUSE}:8554/replay/Recording_film")
    begun = [[track, "true", "False"] for track in ("", "VIDEO001", "AUDIO001")]
    assert [event for event in film["events"] if event in begun] == begun


def test_vios_finds_recordings_by_profiles(measured: Gateway) -> None:
    """Recordings, and their extents to the second, are those that the command line knows."""
    kept = recorded(measured)
    found = archive(measured, "vios")
    for camera in ("film", "ipycam", "pattern"):
        main, sub = (found[f"{camera}_{profile}"] for profile in ("main", "sub"))
        assert main["uri"] == sub["uri"] == main["live"].replace(f"live/{camera}/main", f"replay/Recording_{camera}")
        assert [token for token, _, _ in main["stretches"]] == [f"Recording_{camera}"] * len(main["stretches"])
        begin = datetime.fromisoformat(main["stretches"][0][1]).timestamp()
        assert begin == kept[f"Recording_{camera}"]["start_ns"] // 10**9


# A gateway of one's own


def test_services_come_and_go_with_the_storage(network: Network, film_camera: FilmCamera, tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(OWN)
    with running(network, tmp_path) as gateway:
        before = own(gateway, "look")
        assert not ARCHIVE_SERVICES & set(before["services"])
        assert PROFILE_G not in before["scopes"]
        refused = gateway.command("storage", "list")
        assert (refused.returncode, refused.stdout) == (0, "")
        url = f"rtsp://{USER}:{PASSWORD}@{HOUSE}:{OWN_RTSP_PORT}/live/film/main"
        viewer = gateway.place.start(SYSTEM_PYTHON, PEERS / "gst_viewer.py", url, "--seconds", 8)

        (tmp_path / "archive").mkdir()
        (tmp_path / "gateway.toml").write_text(OWN + STORAGE)
        gateway.process.send_signal(signal.SIGHUP)
        wait_for_services(gateway, there=True)
        assert json.loads(gateway.command("storage", "list", "--json").stdout)[0]["state"] == "formatting-required"
        assert gateway.command("storage", "format", "disk", "--confirm", "disk").returncode == 0
        wait_for(gateway, "recordings on a new storage", lambda found: "Recording_pattern" in found)

        (tmp_path / "gateway.toml").write_text(OWN)
        gateway.process.send_signal(signal.SIGHUP)
        assert not wait_for_services(gateway, there=False)["scopes"].count(PROFILE_G)
        output, errors = viewer.communicate(timeout=30)
        assert viewer.returncode == 0, errors
        assert json.loads(output)["video"]["lost"] == 0, "a live stream was disturbed"
        assert gateway.process.poll() is None
    (tmp_path / "gateway.toml").write_text(OWN + STORAGE)
    assert_fsck_is_clean(tmp_path)


def wait_for_services(gateway: Gateway, *, there: bool) -> dict[str, Any]:
    """Return what is announced, once the services of the archive have come or gone."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        found = own(gateway, "look")
        have = ARCHIVE_SERVICES & set(found["services"])
        if have == (ARCHIVE_SERVICES if there else set()):
            assert (PROFILE_G in found["scopes"]) == there
            return found
        assert time.monotonic() < deadline, f"after {WAIT_SECONDS} s there is {sorted(have)}"


@pytest.mark.timeout(120)
def test_what_clients_make_survives_a_restart(network: Network, film_camera: FilmCamera, tmp_path: Path) -> None:
    """A recording of a profile, one of a receiver, their jobs and their data; then all files are looked at."""
    (tmp_path / "gateway.toml").write_text(OWN + STORAGE)
    assert command(tmp_path, "storage", "format", "disk", "--confirm", "disk").returncode == 0
    with running(network, tmp_path) as gateway:
        made = own(gateway, "make", RECEIVED)
        wanted = {made["received"], *(f"Recording_{camera}" for camera in CODECS)}
        wait_for(gateway, "all recordings", lambda found: wanted <= found)
        before = own(gateway, "look")
        assert before["receivers"] == {made["receiver"]: RECEIVED}
        assert before["jobs"][made["received job"]] == [made["received"], "Active", 1, made["receiver"]]
        assert set(before["states"].values()) == {"Active"}
    assert_fsck_is_clean(tmp_path)
    begun = {token: each["start_ns"] for token, each in recorded(gateway).items()}
    files = {token: sorted((tmp_path / "archive" / token).rglob("*.mp4")) for token in begun}

    with running(network, tmp_path) as gateway:
        after = own(gateway, "look")
        assert [after[kind] for kind in ("recordings", "jobs", "receivers")] == [
            before[kind] for kind in ("recordings", "jobs", "receivers")
        ]
        wait_for_more(gateway, {token: len(files[token]) for token in (made["received"], "Recording_pattern")})
        assert_fsck_is_clean(tmp_path)
        assert starts(gateway) == begun
        for token, codecs in {
            "Recording_film": CODECS["film"],
            "Recording_pattern": CODECS["pattern"],
            "Recording_efficient": CODECS["efficient"],
            made["profile"]: CODECS["film"],
            made["received"]: ["h264"],
        }.items():
            for file in files[token]:
                assert_plays(file, codecs)
        kept = own(gateway, "unmake")["kept"]
        assert [token for token, _ in kept] == ["Recording_film", "Recording_pattern", "Recording_efficient"]
        assert starts(gateway).keys() == {token for token, _ in kept}
        assert not files[made["received"]][0].exists()

        assert gateway.command("storage", "remove", "disk").stdout == "storage disk is safe to remove\n"
        assert_no_storage_works(gateway)
        assert gateway.command("storage", "format", "disk", "--confirm", "disk").returncode == 0
        wait_for(gateway, "recordings after formatting", lambda found: "Recording_pattern" in found)
        assert starts(gateway)["Recording_pattern"] > begun["Recording_pattern"]
    assert_fsck_is_clean(tmp_path)


def wait_for_more(gateway: Gateway, before: dict[str, int]) -> None:
    """Return when every recording has another file than before."""

    def counted() -> dict[str, int]:
        return {token: len(list((gateway.folder / "archive" / token).rglob("*.mp4"))) for token in before}

    deadline = time.monotonic() + WAIT_SECONDS
    while not all(count > before[token] for token, count in counted().items()):
        assert time.monotonic() < deadline, f"no new files within {WAIT_SECONDS} s: {before} files, now {counted()}"
        time.sleep(0.2)


def assert_no_storage_works(gateway: Gateway) -> None:
    """What is on a storage that was let go of is still listed, but nothing is added."""
    done = gateway.command("storage", "list", "--json")
    [storage] = json.loads(done.stdout)
    assert (done.returncode, storage["state"]) == (1, "not-installed")
