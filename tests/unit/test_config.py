"""Configuration: what loads, and the sentence for everything that does not."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_network
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import (
    Config,
    ConfigError,
    ListenAddress,
    data_directory,
    from_table,
    load,
    parse_listen,
    settings_for,
)
from gateway.domain.access import Secret
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.recording import WeeklyPeriod
from gateway.sdk.driver import CameraDriver, MediaSink

ROOT = Path(__file__).parents[2]
BASE = Path("/etc/gateway")
EXAMPLE = "such as [[0.1, 0.2], [0.9, 0.2], [0.5, 0.8]]"
CAMERA = '[[camera]]\nid = "door"\ndriver = "rtsp"\n[camera.motion]\n'


def read(text: str) -> Config:
    return from_table(tomli.loads(text), BASE)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert caught.value.kind is ErrorKind.INVALID
    return list(caught.value.problems)


def test_an_empty_file_is_the_default() -> None:
    config = read("")
    assert msgspec.structs.replace(config, directory=Path()) == Config()
    assert str(config.http.listen) == "0.0.0.0:8080"
    assert str(config.rtsp.listen) == "0.0.0.0:8554"
    assert config.cameras == ()


EXAMPLES = sorted(path for path in (ROOT / "examples").glob("**/*.toml") if path.name != "pyproject.toml")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_loads(path: Path) -> None:
    assert load(path).cameras


def test_full_example_sets_every_key() -> None:
    table = tomli.loads((ROOT / "examples/full.toml").read_text())
    config = load(ROOT / "examples/full.toml")
    for section in msgspec.structs.fields(Config):
        if isinstance(section.type, type) and section.encode_name != "_directory":
            expected = {each.encode_name for each in msgspec.structs.fields(section.type)}
            assert set(table[section.encode_name]) == expected
    assert config.http.listen == ListenAddress("::", 80)
    assert str(config.http.listen) == "[::]:80"
    assert config.access.anonymous_viewers == (ip_network("192.168.20.0/24"), ip_network("fd00:20::/64"))
    assert config.tls.certificate == ROOT / "examples/tls/chain.pem"
    assert config.gateway.data == Path("/var/lib/gateway")
    assert config.cameras[0].name == "Front door"
    assert (config.storages[0].limit, config.retention.max_size) == (4 * 10**12, 4 * 10**12)
    saturday, sunday = ((WeeklyPeriod(day, 1320, 1440), WeeklyPeriod((day + 1) % 7, 0, 360)) for day in (5, 6))
    working_days = tuple(WeeklyPeriod(day, 480, 1080) for day in range(5))
    assert config.recordings[0].schedule == (working_days, saturday + sunday)


def test_motion_of_a_camera() -> None:
    camera = load(ROOT / "examples/full.toml").cameras[0]
    assert camera.motion.enabled
    assert camera.motion.mode == "keyframes"
    assert camera.motion.masks == (((0.0, 0.0), (0.4, 0.0), (0.4, 0.1), (0.0, 0.1)),)
    assert [zone.name for zone in camera.motion.zones] == ["Drive", "Gate"]
    assert camera.motion.zones[0].polygon == ((0.1, 0.5), (0.9, 0.5), (0.9, 1.0), (0.1, 1.0))


def test_a_recording_is_named_after_its_camera_and_profile() -> None:
    cameras = '[[camera]]\nid = "door"\ndriver = "rtsp"\n'
    lines = ('camera = "door"', 'camera = "door"\nprofile = "sub"', 'camera = "door"\nid = "night"')
    config = read(cameras + "".join(f"[[recording]]\n{line}\n" for line in lines))
    assert [recording.name for recording in config.recordings] == ["door", "door_sub", "night"]


def keys() -> list[str]:
    sections = [each for each in msgspec.structs.fields(Config) if not each.encode_name.startswith("_")]
    return [key for section in sections for key in keys_of(section.type, section.encode_name)]


def keys_of(hint: Any, path: str) -> list[str]:
    """Return the keys in a section or array of sections, those of its own sections behind it."""
    kind = hint if isinstance(hint, type) else hint.__args__[0]
    found = []
    for each in msgspec.structs.fields(kind):
        inner = next(iter(getattr(each.type, "__args__", ())), each.type)
        is_section = isinstance(inner, type) and issubclass(inner, msgspec.Struct)
        name = f"{path}.{each.encode_name}"
        found += keys_of(each.type, name) if is_section else [name]
    return found


@pytest.mark.parametrize("key", keys())
def test_every_key_is_documented(key: str) -> None:
    assert f"| `{key}` |" in (ROOT / "docs/reference/configuration.md").read_text()


def test_documentation_names_no_other_key() -> None:
    lines = (ROOT / "docs/reference/configuration.md").read_text().splitlines()
    assert [line.split("`")[1] for line in lines if line.startswith("| `")] == keys()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "[motion]\nmode = 'some'",
            "motion.mode: must be 'keyframes', 'all' or a number of pictures per second, not 'some'",
        ),
        (
            "[motion]\nmode = true",
            "motion.mode: must be 'keyframes', 'all' or a number of pictures per second, not True",
        ),
        ("[motion]\nmode = 100", "motion.mode: must be from 0.1 to 60 pictures per second, not 100"),
        ("[motion]\nwidth = 8", "motion.width: must be from 80 to 1920, not 8"),
        (
            CAMERA + "masks = [[[0, 0], [1, 0]]]",
            f"camera[0].motion.masks[0]: must be an array of 3 to 64 corners, {EXAMPLE}",
        ),
        (
            CAMERA + "masks = [[[0, 0], [1, 2], [0, 1]]]",
            f"camera[0].motion.masks[0]: [1, 2] is no corner: x and y are from 0 to 1, {EXAMPLE}",
        ),
        (
            CAMERA + '[[camera.motion.zone]]\nname = "a"\n[[camera.motion.zone]]\nname = "a"',
            "camera[0].motion.zone[1].name: 'a' is already the name of camera[0].motion.zone[0]",
        ),
        ('[http]\nlisten_ = "1.2.3.4:5"', "http.listen_: unknown key; did you mean 'listen'?"),
        ("[htpp]", "htpp: unknown key; did you mean 'http'?"),
        ("[http]\nzzz = 1", "http.zzz: unknown key; there are external, listen"),
        ("_directory = 1", "_directory: unknown key"),
        ('"sp ace" = 1', "'sp ace': unknown key"),
        ("http = 8080", "http: must be a table, not 8080"),
        ("camera = {}", "camera: must be an array, not a table"),
        ("[http]\nlisten = 8080", "http.listen: must be a string, not 8080"),
        ("[http]\nlisten = true", "http.listen: must be a string, not true"),
        (
            '[http]\nlisten = "8080"',
            "http.listen: '8080' must be ADDRESS:PORT, such as '0.0.0.0:8080' or '[::]:8080'",
        ),
        (
            '[http]\nlisten = "0.0.0.0:70000"',
            "http.listen: '0.0.0.0:70000' must be ADDRESS:PORT, such as '0.0.0.0:8080' or '[::]:8080'",
        ),
        ('[http]\nlisten = "nvr:80"', "http.listen: 'nvr' in 'nvr:80' is not an IP address"),
        (
            '[http]\nlisten = "[1.2.3.4]:80"',
            "http.listen: '[1.2.3.4]:80' must have an IPv6 address in brackets, and no other",
        ),
        (
            '[http]\nexternal = "nvr.example"',
            "http.external: 'nvr.example' must be http://HOST or http://HOST:PORT",
        ),
        (
            '[http]\nexternal = "http://nvr/path"',
            "http.external: 'http://nvr/path' must be http://HOST or http://HOST:PORT",
        ),
        (
            '[rtsp]\nexternal = "rtsp://[::1"',
            "rtsp.external: 'rtsp://[::1' must be rtsp://HOST or rtsp://HOST:PORT",
        ),
        ('[retention]\nmax_size = "5"', "retention.max_size: '5' is not a size such as '500 GB' or '2 TiB'"),
        ("[retention]\nmax_days = 361", "retention.max_days: must be from 1 to 360, not 361"),
        ('[[recording]]\ncamera = "x"', "recording[0].camera: there is no camera 'x'"),
        (
            '[[camera]]\nid = "x"\ndriver = "rtsp"\n[[recording]]\ncamera = "x"\nmode = "event"',
            "recording[0].topics: is missing: the mode is 'event'",
        ),
        (
            '[[camera]]\nid = "x"\ndriver = "rtsp"\n[[recording]]\ncamera = "x"\nschedule = ["mon 08:00-09:00"]',
            "recording[0].schedule: has no meaning in the mode 'continuous'",
        ),
        (
            '[[recording]]\ncamera = "x"\nschedule = ["monday 08:00-09:00"]',
            (
                "recording[0].schedule[0]: 'monday 08:00-09:00' is not a part of the week "
                "such as 'mon-fri 08:00-18:00' or 'sat,sun 22:00-06:00'"
            ),
        ),
        (
            '[[recording]]\ncamera = "x"\nschedule = ["mon 08:00-25:00"]',
            "recording[0].schedule[0]: 'mon 08:00-25:00' must have two different times from 00:00 to 24:00",
        ),
        (
            '[[storage]]\nid = "Disk"',
            "storage[0].id: storage id 'Disk' must be 1 to 32 of a-z, 0-9, '-' and '_', beginning with a letter",
        ),
        ('[[storage]]\nid = "a"\n[[storage]]\nid = "a"', "storage[1].id: 'a' is already the id of storage[0]"),
        ("[rtsp]\nsession_timeout = 5", "rtsp.session_timeout: must be from 10 to 3600, not 5"),
        ("[rtsp]\nsession_timeout = 60.0", "rtsp.session_timeout: must be an integer, not 60.0"),
        ("[rtsp]\nmax_connections = true", "rtsp.max_connections: must be an integer, not true"),
        ("[discovery]\nenabled = 1", "discovery.enabled: must be true or false, not 1"),
        ('[discovery]\ninterfaces = "eth0"', "discovery.interfaces: must be an array, not 'eth0'"),
        ("[discovery]\ninterfaces = [1]", "discovery.interfaces[0]: must be a string, not 1"),
        (
            '[access]\nanonymous_viewers = ["10.0.0.0/8", "10.0.0.1/8"]',
            "access.anonymous_viewers[1]: '10.0.0.1/8' has host bits set; did you mean '10.0.0.0/8'?",
        ),
        (
            '[access]\nanonymous_viewers = ["lan"]',
            "access.anonymous_viewers[0]: 'lan' is not a network such as '192.168.1.0/24' or 'fd00::/8'",
        ),
        (
            '[access]\ndigest_algorithms = ["SHA256"]',
            "access.digest_algorithms[0]: must be one of 'MD5', 'SHA-256', not 'SHA256'; did you mean 'SHA-256'?",
        ),
        ("[access]\ndigest_algorithms = []", "access.digest_algorithms: must name at least one algorithm"),
        (
            '[multicast]\naddress = "224.0.0.1"',
            "multicast.address: '224.0.0.1' is not a multicast address that may be routed, such as '239.192.0.1'",
        ),
        ('[multicast]\naddress = "ff02::1"', "multicast.address: 'ff02::1' is not an IPv4 address"),
        (
            '[[camera]]\nid = "a"\ndriver = "x"\n[multicast]\naddress = "239.255.255.255"',
            "multicast.address: there is no room for 2 streams up to 239.255.255.255",
        ),
        ('[tls]\nkey = "k.pem"', "tls.certificate: is missing: a certificate and its key go together"),
        ('[tls]\ncertificate = "c.pem"', "tls.key: is missing: a certificate and its key go together"),
        ('[tls]\nhttp_listen = "0.0.0.0:443"', "tls.http_listen: needs tls.certificate and tls.key"),
        ('[gateway]\nname = ""', "gateway.name: '' must have 1 to 64 printable characters"),
        ('[gateway]\ndata = ""', "gateway.data: '' is not the path of a file or directory"),
        ('[gateway]\ndata = "~nobody-has-this-name/x"', "gateway.data: '~nobody-has-this-name/x' begins with the name"),
        ('[[camera]]\nid = "a"', "camera[0].driver: is missing"),
        (
            '[[camera]]\nid = "Door"\ndriver = "rtsp"',
            "camera[0].id: camera id 'Door' must be 1 to 32 of a-z, 0-9, '-' and '_', beginning with a letter",
        ),
        (
            '[[camera]]\nid = "a"\ndriver = "x"\n[[camera]]\nid = "a"\ndriver = "x"',
            "camera[1].id: 'a' is already the id of camera[0]",
        ),
        (
            '[database]\nurl = "postgresql://u:hunter2@db/x"',
            "database.url: has a password in the URL; take it out, and give the password by a key of its own",
        ),
    ],
)
def test_problems(text: str, problem: str) -> None:
    (found,) = problems(text)
    assert found.startswith(problem)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[http]\nlisen = "x"\nlisten = 1\n[rtsp]\nlisten = "y"\n')
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert caught.value.message == (
        f"{file}: 3 errors\n"
        "  http.lisen: unknown key; did you mean 'listen'?\n"
        "  http.listen: must be a string, not 1\n"
        "  rtsp.listen: 'y' must be ADDRESS:PORT, such as '0.0.0.0:8080' or '[::]:8080'"
    )


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    with pytest.raises(GatewayError) as caught:
        load(missing)
    assert caught.value.message == f"the configuration {str(missing)!r} can't be read: No such file or directory"
    assert caught.value.kind is ErrorKind.NOT_FOUND
    broken = tmp_path / "broken.toml"
    broken.write_text("[http\n")
    with pytest.raises(ConfigError, match=r"broken.toml: not valid TOML: .* \(at line 1, column 6\)"):
        load(broken)
    broken.write_bytes(b"[http]\n\xff")
    with pytest.raises(ConfigError, match=r"broken.toml: not UTF-8 text at byte 7"):
        load(broken)
    broken.write_bytes(b'\xef\xbb\xbf[gateway]\nname = "x"')
    assert load(broken).gateway.name == "x"


@pytest.mark.parametrize(
    ("configured", "environment", "expected"),
    [
        ("/srv/data", {"STATE_DIRECTORY": "/var/lib/gateway"}, "/srv/data"),
        ("data", {}, "/etc/gateway/data"),
        ("", {"STATE_DIRECTORY": "/var/lib/gateway:/other", "HOME": "/root"}, "/var/lib/gateway"),
        ("", {"XDG_STATE_HOME": "/home/x/state", "HOME": "/home/x"}, "/home/x/state/onvif-vms-gateway"),
        ("", {"HOME": "/home/x"}, "/home/x/.local/state/onvif-vms-gateway"),
    ],
)
def test_data_directory(configured: str, environment: dict[str, str], expected: str) -> None:
    config = read(f'[gateway]\ndata = "{configured}"' if configured else "")
    assert data_directory(config, environment) == Path(expected)


def test_multicast_groups() -> None:
    multicast = read('[multicast]\naddress = "239.1.1.255"').multicast
    assert multicast.groups(["/a", "/b"]) == {"/a": ("239.1.1.255", 40000), "/b": ("239.1.2.0", 40000)}
    assert read("[multicast]\nenabled = false").multicast.groups(["/a"]) == {}
    assert Config().multicast.address == IPv4Address("239.192.64.0")


@pytest.mark.parametrize("text", ["127.0.0.1:0", "[::]:8080", "[fe80::1%eth0]:80", "0.0.0.0:65535"])
def test_listen_round_trips(text: str) -> None:
    assert str(parse_listen(text)) == text


@dataclass(frozen=True, slots=True)
class Zoom:
    steps: tuple[int, ...] = ()
    mode: Literal["optical", "digital"] = "optical"


@dataclass(frozen=True, slots=True)
class Settings:
    url: str
    password: Secret | None = None
    rate: float = 25.0
    retries: int | None = None
    tls: bool = False
    file: Path | None = None
    zoom: Zoom = field(default_factory=Zoom)

    def __post_init__(self) -> None:
        if not self.url.startswith("rtsp://"):
            raise ValueError(f"url {self.url!r} must begin with rtsp://")


class Driver(CameraDriver):
    Settings = Settings

    def profiles(self) -> tuple[str, ...]:
        return ("main",)

    async def stream(self, profile: str, sink: MediaSink) -> None:
        raise NotImplementedError


def settings(text: str, **environment: str) -> Any:
    return settings_for(Driver, tomli.loads(text), "camera[0].settings", base=BASE, environment=environment)


class TestDriverSettings:
    def test_every_type(self) -> None:
        read = settings(
            'url = "rtsp://h/"\npassword = { env = "PW" }\nrate = 12\nretries = 3\ntls = true\nfile = "a.h264"\n'
            '[zoom]\nsteps = [1, 2]\nmode = "digital"',
            PW="hunter2",
        )
        assert read == Settings(
            "rtsp://h/", Secret("hunter2"), 12.0, 3, tls=True, file=BASE / "a.h264", zoom=Zoom((1, 2), "digital")
        )
        assert type(read.rate) is float
        assert "hunter2" not in repr(read)
        assert settings('url = "rtsp://user@h/"') == Settings("rtsp://user@h/")

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "url: is missing"),
            ('url = "http://h"', "url 'http://h' must begin with rtsp://"),
            ('ulr = "x"\nurl = "rtsp://h/"', "ulr: unknown key; did you mean 'url'?"),
            (
                'url = "rtsp://u:hunter2@h/"',
                "url: has a password in the URL; take it out, and give the password by a key of its own",
            ),
            (
                'url = "rtsp://h/"\npassword = "hunter2"',
                'password: a secret must be given as { env = "NAME" } or { file = "PATH" }, never as clear text',
            ),
            (
                'url = "rtsp://h/"\npassword = { value = "hunter2" }',
                'password: a secret must be given as { env = "NAME" } or { file = "PATH" }',
            ),
            (
                'url = "rtsp://h/"\npassword = { env = "A", file = "b" }',
                'password: a secret must be given as { env = "NAME" } or { file = "PATH" }',
            ),
            (
                'url = "rtsp://h/"\npassword = { env = 5 }',
                'password: a secret must be given as { env = "NAME" } or { file = "PATH" }',
            ),
            (
                'url = "rtsp://h/"\npassword = { env = "NOPE" }',
                "password: the environment variable 'NOPE' is not set",
            ),
            (
                'url = "rtsp://h/"\npassword = { file = "nope" }',
                "password: the file '/etc/gateway/nope' can't be read: No such file or directory",
            ),
            ('url = "rtsp://h/"\nrate = "fast"', "rate: must be a number, not 'fast'"),
            ('url = "rtsp://h/"\nrate = nan', "rate: must be a finite number"),
            (f'url = "rtsp://h/"\nrate = 1{"0" * 400}', "rate: must be a finite number"),
            ('url = "rtsp://h/"\n[zoom]\nsteps = ["a"]', "zoom.steps[0]: must be an integer, not 'a'"),
            (
                'url = "rtsp://h/"\n[zoom]\nmode = "optcal"',
                "zoom.mode: must be one of 'optical', 'digital', not 'optcal'; did you mean 'optical'?",
            ),
        ],
    )
    def test_problems(self, text: str, problem: str) -> None:
        with pytest.raises(ConfigError) as caught:
            settings(text)
        assert caught.value.message.removeprefix("camera[0].settings").lstrip(".: ") == problem
        assert caught.value.message.startswith("camera[0].settings")
        assert "hunter2" not in caught.value.message

    @pytest.mark.parametrize(
        ("content", "expected"),
        [(b"hunter2\n", "hunter2"), (b"hunter2\r\n", "hunter2"), (b" two words ", " two words "), (b"a\n\n", "a\n")],
    )
    def test_secret_file(self, tmp_path: Path, content: bytes, expected: str) -> None:
        (tmp_path / "pw").write_bytes(content)
        read = settings(f'url = "rtsp://h/"\npassword = {{ file = "{tmp_path}/pw" }}')
        assert read.password.reveal() == expected

    @pytest.mark.parametrize(
        ("content", "reason"),
        [(b"", "is empty"), (b"\n", "is empty"), (b"\xff", "is not UTF-8 text"), (b"x" * 4097, "has more than 4096")],
    )
    def test_bad_secret_file(self, tmp_path: Path, content: bytes, reason: str) -> None:
        (tmp_path / "pw").write_bytes(content)
        with pytest.raises(ConfigError, match=reason):
            settings(f'url = "rtsp://h/"\npassword = {{ file = "{tmp_path}/pw" }}')

    def test_a_driver_without_a_dataclass(self) -> None:
        class Odd(Driver):
            Settings = dict

        with pytest.raises(GatewayError, match=r"Odd.Settings is not a dataclass"):
            settings_for(Odd, {}, "camera[0].settings")

    def test_a_type_that_toml_has_not(self) -> None:
        @dataclass(frozen=True)
        class Strange:
            value: complex = 0j

        class Odd(Driver):
            Settings = Strange

        with pytest.raises(GatewayError, match=r"camera\[0\].settings.value: a configuration can't hold the type"):
            settings_for(Odd, {"value": 1}, "camera[0].settings")


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
tables = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
section_names = st.sampled_from([each.encode_name for each in msgspec.structs.fields(Config)]) | st.text(max_size=8)


def complaints(table: dict[str, Any]) -> tuple[str, ...]:
    try:
        assert isinstance(from_table(table, BASE), Config)
    except ConfigError as error:
        return error.problems or ("",)
    return ()


@given(st.dictionaries(section_names, tables, max_size=5))
def test_any_table_is_a_configuration_or_an_error(table: dict[str, Any]) -> None:
    assert all(complaints(table))


@given(st.sampled_from(keys()), tables)
def test_any_value_of_any_key_is_taken_or_named(key: str, value: object) -> None:
    section, *names = key.split(".")
    content = value
    for name in reversed(names):
        content = {name: [content] if name == "zone" else content}
    found = complaints({section: [content] if section == "camera" else content})
    assert all(problem.startswith(section) for problem in found)
