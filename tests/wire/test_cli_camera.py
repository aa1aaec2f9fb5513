"""The command `camera`, on cameras that are there and data that no gateway runs on."""

import asyncio
import io
import json
from pathlib import Path

import pytest
from peers.scripted_camera import ScriptedCamera
from peers.scripted_onvif import PASSWORD, ScriptedOnvif

from gateway.cli import main
from gateway.config import Config
from gateway.db import open_database
from gateway.domain.access import Secret
from gateway.drivers import with_added
from gateway.servers.probe import FoundCamera


class Terminal:
    """Runs commands in a thread, while cameras answer on the loop."""

    def __init__(self, data: Path, output: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self._data, self._output, self._patch = data, output, patch

    async def __call__(self, *arguments: str, password: str = PASSWORD) -> tuple[int, str, str]:
        self._patch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
        command = ["camera", arguments[0], "--data", str(self._data), *arguments[1:]]
        status = await asyncio.to_thread(main, command)
        printed = self._output.readouterr()
        return status, printed.out, printed.err


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path / "data", capsys, monkeypatch)


async def send_pictures(media: ScriptedCamera) -> None:
    count = 0
    while True:
        count += 1
        await media.wait_for(lambda wanted=count: len(media.of("PLAY")) >= wanted, seconds=30)
        media.send_unit(media.key_frame(0))


async def test_a_camera_is_tested_added_shown_and_removed(terminal: Terminal, tmp_path: Path) -> None:
    async with ScriptedCamera() as media, ScriptedOnvif(stream_uri=f"rtsp://10.9.8.7:{media.port}/{{token}}") as camera:
        sending = asyncio.create_task(send_pictures(media))
        status, out, _ = await terminal("add", "yard", camera.address, "--user", "admin", "--name", "Yard")
        assert status == 0
        lines = out.splitlines()
        assert lines[:4] == [
            "reachable      yes",
            "logged in      yes",
            "described      yes  Acme Eye 3, firmware 1.2",
            "first picture  yes  H264 640x360, 29.97 frames per second",
        ]
        assert lines[-1] == "camera yard is added; a running gateway follows at its next start, or with --now"
        assert any(line.split() == ["login", "HTTP", "Digest"] for line in lines)

        status, out, _ = await terminal("list", "--json")
        [row] = json.loads(out)
        assert row == {"id": "yard", "name": "Yard", "driver": "onvif", "from": "added", "state": "not running"}
        assert (await terminal("test", "yard"))[0] == 0
        status, out, _ = await terminal("show", "yard")
        assert status == 0
        assert "camera Acme Eye 3, firmware 1.2, serial number A7" in out
        assert "password             (set)" in out
        assert PASSWORD not in out
        asked = len(camera.asked)
        status, out, _ = await terminal("show", "yard", "--json")
        shown = json.loads(out)
        assert (status, shown["identity"]["serial"], shown["running"], asked) == (0, "A7", None, len(camera.asked))
        status, out, _ = await terminal("show", "yard", "--live")
        assert "camera now: Acme Eye 3, firmware 1.2, serial number A7, hardware h" in out
        status, _, err = await terminal("add", "yard", camera.address)
        assert (status, err.strip()) == (1, "gateway: there is a camera 'yard' already")
        sending.cancel()

    data = tmp_path / "data"
    assert not any(PASSWORD.encode() in path.read_bytes() for path in data.iterdir() if path.is_file())
    database = open_database(data)
    [added] = with_added(Config(), database.added_cameras.load()).cameras
    database.close()
    assert (added.id, added.driver, added.settings["password"]) == ("yard", "onvif", Secret(PASSWORD))

    status, out, _ = await terminal("show", "yard", "--live")
    assert status == 1
    assert out.splitlines()[-1].startswith(f"camera now: camera {camera.address} can't be reached: ")
    assert (await terminal("remove", "yard"))[1].startswith("camera yard is removed; ")
    assert (await terminal("list"))[1] == ""
    status, _, err = await terminal("remove", "yard")
    assert (status, err.strip()) == (1, "gateway: there is no camera 'yard'; there are: none")


async def test_a_camera_that_fails_is_added_only_when_told_so(terminal: Terminal) -> None:
    async with ScriptedOnvif(stream_uri="rtsp://10.9.8.7:1/{token}") as camera:
        status, out, err = await terminal("add", "yard", camera.address, "--user", "admin", password="wrong")
        assert (status, camera.refused) == (1, 1)
        assert "refuses user 'admin' or the password; its clock is off by" in out.splitlines()[-1]
        assert err.strip().endswith("camera yard is not added; --untested adds it all the same")
        status, out, _ = await terminal("add", "yard", camera.address, "--user", "admin", "--untested")
        assert status == 0
        assert "first picture  NO   camera 127.0.0.1:1 can't be reached: " in out


async def test_without_an_address_what_is_found_is_listed(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    async def found(*_: object) -> list[FoundCamera]:
        near, far = (("http://127.0.0.1:1/onvif/device_service",), ("http://10.0.0.9/onvif/device_service",))
        return [FoundCamera("urn:uuid:1", near, "Front Door", "Eye", ""), FoundCamera("urn:uuid:2", far, "", "", "")]

    monkeypatch.setattr("gateway.cli_camera.probe", found)
    await terminal("add", "door", "127.0.0.1:1", "--untested")
    status, out, err = await terminal("add", "yard")
    assert (status, err.strip()) == (1, "choose one: gateway camera add yard ADDRESS")
    assert [line.split() for line in out.splitlines()] == [
        ["Front", "Door", "Eye", "http://127.0.0.1:1/onvif/device_service", "is", "camera", "door"],
        ["-", "-", "http://10.0.0.9/onvif/device_service"],
    ]


async def test_the_endpoint_of_a_camera_is_kept(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    async def endpoint(url: str) -> str:
        asked.append(url)
        return "urn:uuid:7"

    monkeypatch.setattr("gateway.cli_camera_known.endpoint_at", endpoint)
    await terminal("add", "door", "127.0.0.1", "--set", "port=1", "--untested")
    await terminal("add", "yard", "127.0.0.1:2", "--set", "endpoint=urn:uuid:8", "--untested")
    assert asked == ["http://127.0.0.1:1", "http://127.0.0.1:2"]
    database = open_database(tmp_path / "data")
    added = database.added_cameras.load()
    database.close()
    assert [camera.settings["endpoint"] for camera in added] == ["urn:uuid:7", "urn:uuid:8"]


async def test_logins_are_tried_with_consent_only(terminal: Terminal, tmp_path: Path) -> None:
    logins = tmp_path / "logins"
    logins.write_text(f"admin:{PASSWORD}\nroot:a:b\n")
    async with ScriptedOnvif(auth="token", stream_uri="rtsp://10.9.8.7:1/{token}") as camera:
        trial = ("test", "--address", camera.address, "--try-logins", str(logins))
        status, _, err = await terminal(*trial)
        assert (status, camera.asked) == (1, [])
        assert f"2 logins would be tried at {camera.address}, which may lock an account: say --consent" in err
        status, out, _ = await terminal(*trial, "--consent")
        assert (status, camera.refused) == (1, 0)  # there are no media, but the first login was taken
        assert "described      yes" in out


async def audited(data: Path) -> list[tuple[str, str]]:
    database = open_database(data)
    entries = await database.audit.latest()
    database.close()
    return [(entry.action, entry.detail) for entry in reversed(entries)]


async def test_a_replaced_camera_is_accepted_by_command(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoints = iter(("urn:uuid:1", "urn:uuid:2"))

    async def endpoint(_: str) -> str:
        return next(endpoints)

    monkeypatch.setattr("gateway.cli_camera_known.endpoint_at", endpoint)
    async with ScriptedOnvif(stream_uri="rtsp://10.9.8.7:1/{token}") as camera:
        await terminal("add", "yard", camera.address, "--user", "admin", "--untested")
        camera.serial = "B8"
        status, out, _ = await terminal("accept", "yard", "--now")
        assert (status, out.splitlines()) == (
            0,
            ["camera yard is Acme Eye 3 with serial number 'B8' now", "no gateway is running"],
        )
        _, out, _ = await terminal("show", "yard", "--json")
    assert [each["text"] for each in json.loads(out)["history"]] == [
        "is manufacturer Acme, model Eye 3, firmware 1.2, serial A7, hardware h",
        "serial 'B8' instead of 'A7'",
    ]
    assert json.loads(out)["settings"]["endpoint"] == "urn:uuid:2"
    assert await audited(tmp_path / "data") == [
        ("AddCamera", "yard: driver onvif, unavailable"),
        ("AcceptCamera", "yard: serial number 'B8' instead of 'A7'"),
    ]


async def test_the_login_of_an_added_camera_is_set_if_the_camera_takes_it(terminal: Terminal, tmp_path: Path) -> None:
    async with ScriptedOnvif(stream_uri="rtsp://10.9.8.7:1/{token}", password="n3w") as camera:
        await terminal("add", "yard", camera.address, "--user", "admin", "--untested")
        status, _, err = await terminal("passwd", "yard", password="wrong")
        assert status == 1
        assert "refuses user 'admin' or the password" in err
        status, out, _ = await terminal("passwd", "yard", password="n3w")
        assert (status, out) == (
            0,
            "the login of camera yard is set; a running gateway follows at its next start, or with --now\n",
        )
    await terminal("remove", "yard")
    assert [each for each in await audited(tmp_path / "data") if "Add" not in each[0]] == [
        ("SetCameraPassword", "yard: user 'admin'"),
        ("RemoveCamera", "yard"),
    ]


async def test_changes_of_users_are_in_the_audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for action in ("add", "passwd"):
        monkeypatch.setattr("sys.stdin", io.StringIO("Correct-Horse-9\n"))
        assert await asyncio.to_thread(main, ["users", "--data", str(tmp_path), action, "viewer"]) == 0
    assert await audited(tmp_path) == [("AddUser", "user 'viewer'"), ("SetUserPassword", "user 'viewer'")]


async def test_a_camera_of_the_configuration_is_changed_there(terminal: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    camera = '[[camera]]\nid = "yard"\ndriver = "rtsp"\n[camera.settings]\nmain = "rtsp://h/1"\n'
    path.write_text(camera + 'password = { env = "NOT_HERE" }')
    for command in ("passwd", "remove"):
        status, _, err = await terminal(command, "yard", "--config", str(path))
        assert (status, err.strip()) == (1, "gateway: camera 'yard' is in the configuration: change it there")
    status, out, _ = await terminal("show", "yard", "--config", str(path))
    assert status == 0
    assert out.splitlines() == [
        "yard: yard, driver rtsp",
        "  main                 rtsp://h/1",
        "  password             (set)",
        "  (problem)            camera yard.settings.password: the environment variable 'NOT_HERE' is not set",
        "state not running",
        "last seen never",
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("test",), "name either a camera's ID or an --address"),
        (("test", "gate"), "there is no camera 'gate'; there are: none"),
        (("add", "Yard", "h"), "camera id 'Yard' must be 1 to 32 of a-z, 0-9, '-' and '_', beginning with a letter"),
        (("add", "y", "h", "--set", "novalue"), "--set 'novalue' must be KEY=VALUE"),
        (("add", "y", "h", "--set", "prot=81"), "camera y.settings.prot: unknown key; did you mean 'port'?"),
        (("add", "y", "h", "--driver", "onvfi"), "camera y.driver: there is no driver 'onvfi'; did you mean 'onvif'?"),
        (("add", "y", "h", "--try-logins", "/nowhere"), "the logins '/nowhere' can't be read: "),
    ],
)
async def test_what_can_not_be_meant_is_said_so(terminal: Terminal, arguments: tuple[str, ...], sentence: str) -> None:
    status, _, err = await terminal(*arguments)
    assert status == 1
    assert sentence in err
