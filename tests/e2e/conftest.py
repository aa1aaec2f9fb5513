"""The installed program, between real cameras and real clients, in a network of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from e2e.network import HOUSE, LAN, Network, Place, cabled

ROOT = Path(__file__).parents[2]
PEERS = ROOT / "tests" / "peers"
ENVIRONMENTS = ROOT / ".venv-peers"
FILMS = ENVIRONMENTS / "films"
GATEWAY = Path(os.environ.get("GATEWAY_PROGRAM") or Path(sys.executable).parent / "gateway")
SYSTEM_PYTHON = "/usr/bin/python3"
"""Debian's: the one with GStreamer's bindings."""

FILM_GOP = 132
"""Frames; the film has one key frame."""

MAY_BE_LOST = 0.01
"""Share of datagrams: on a busy machine a socket overflows now and then, wherever it is on the way."""
HTTP_PORT, RTSP_PORT = 8080, 8554
HTTPS_PORT, RTSPS_PORT = 8443, 8322
USER, PASSWORD = "admin", "e2e-Pass.1"
FILM_PASSWORD = "film-Pass.1"
ENVIRONMENT = {**os.environ, "GATEWAY_ADMIN_PASSWORD": PASSWORD, "FILM_PASSWORD": FILM_PASSWORD}

CONFIGURATION = f"""
[gateway]
name = "House"
location = "Cellar"

[http]
listen = "{HOUSE}:{HTTP_PORT}"

[rtsp]
listen = "{HOUSE}:{RTSP_PORT}"

[tls]
certificate = "certificate.pem"
key = "key.pem"
http_listen = "{HOUSE}:{HTTPS_PORT}"
rtsp_listen = "{HOUSE}:{RTSPS_PORT}"

[multicast]
interface = "{HOUSE}"

[[camera]]
id = "film"
name = "Film camera"
driver = "rtsp"
[camera.settings]
main = "rtsp://{LAN}:7554/main"
sub = "rtsp://{LAN}:7554/sub"
username = "film"
password = {{ env = "FILM_PASSWORD" }}

[[camera]]
id = "ipycam"
driver = "rtsp"
[camera.settings]
main = "rtsp://{LAN}:9554/video_main"
sub = "rtsp://{LAN}:9554/video_sub"

[[camera]]
id = "returning"
driver = "rtsp"
[camera.settings]
main = "rtsp://{LAN}:7555/main"
username = "film"
password = {{ env = "FILM_PASSWORD" }}

[[camera]]
id = "pattern"
name = "Simulated"
driver = "testpattern"

[[storage]]
id = "disk"
[storage.settings]
path = "archive"
"""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway: what its JSON line said."""

    report: dict[str, Any]
    place: Place
    folder: Path
    """Where `gateway.toml` and the directory `data` are."""

    process: "subprocess.Popen[str]" = field(repr=False)

    def stream(self, camera: str, profile: str = "main", *, port: int = RTSP_PORT, scheme: str = "rtsp") -> str:
        """Return a stream's address with credentials."""
        return f"{scheme}://{USER}:{PASSWORD}@{HOUSE}:{port}/live/{camera}/{profile}"

    def command(self, *arguments: object) -> "subprocess.CompletedProcess[str]":
        """Run a command of the program on its configuration and data."""
        return command(self.folder, *arguments)


@pytest.fixture(scope="session")
def network() -> Iterator[Network]:
    with cabled() as network:
        yield network


@dataclass(slots=True)
class FilmCamera:
    process: "subprocess.Popen[str]"

    def sent(self, stream: str) -> dict[str, Any]:
        """Return what it sent so far on one stream: `frames`, their RTP timestamps, and `packets`."""
        self.process.send_signal(signal.SIGUSR1)
        return dict(read_json_line(self.process)[stream])


@pytest.fixture(scope="session")
def film_camera(network: Network) -> Iterator[FilmCamera]:
    """A camera made of GStreamer's RTSP server and two films."""
    camera = start_film_camera(network, 7554)
    yield camera
    camera.process.terminate()
    camera.process.communicate(timeout=10)


def start_film_camera(network: Network, port: int) -> FilmCamera:
    films = (f"main={FILMS / 'bigbuckbunny.mp4'}", f"sub={FILMS / 'bikes.mp4'}")
    command = (SYSTEM_PYTHON, PEERS / "film_camera.py", LAN, port, "film", FILM_PASSWORD, *films)
    process = network.lan.start(*command)
    read_json_line(process)
    return FilmCamera(process)


@pytest.fixture(scope="session")
def ipycam(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Somebody else's software camera; it binds every address and multicasts."""
    folder = tmp_path_factory.mktemp("ipycam")
    settings = {"local_ip": LAN, "onvif_port": 9080, "rtsp_port": 9554, "hw_accel": "cpu", "show_timestamp": False}
    settings |= {"main_width": 640, "main_height": 272, "main_fps": 25, "main_bitrate": "1M"}
    settings |= {"sub_width": 320, "sub_height": 136, "sub_fps": 25, "sub_bitrate": "300K"}
    (folder / "camera.json").write_text(json.dumps(settings))
    program = ENVIRONMENTS / "ipycam" / "bin" / "ipycam"
    with (folder / "log").open("w") as log:
        command = network.lan(program, "--config", folder / "camera.json", "--source", FILMS / "bikes.mp4")
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        yield
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture(scope="session")
def gateway(
    network: Network, film_camera: FilmCamera, ipycam: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """The installed program with four cameras, which it records."""
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "gateway.toml").write_text(CONFIGURATION)
    write_certificate(folder / "certificate.pem", folder / "key.pem")
    done = command(folder, "storage", "format", "disk", "--confirm", "disk")
    assert (done.returncode, done.stdout) == (0, "storage disk is formatted and ready\n"), done.stderr
    with running(network, folder) as gateway:
        yield gateway


@contextmanager
def running(network: Network, folder: Path) -> Iterator[Gateway]:
    """Run the installed program; at the end it must stop by itself, in time and without complaint."""
    log = folder / "log"
    with log.open("w") as errors:
        program = network.house(GATEWAY, "run", folder / "gateway.toml", "--json", "--data", folder / "data")
        process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=errors, text=True, env=ENVIRONMENT)
        try:
            report = read_json_line(process)
            yield Gateway(report, network.lan, folder, process)
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=10)
        except BaseException:
            process.kill()
            sys.stderr.write(log.read_text())
            raise
    told = log.read_text()
    assert process.returncode == 0, told
    lines = output.splitlines()
    assert {json.dumps(json.loads(line)) for line in lines} <= {json.dumps(report)}, (
        "a restart prints what the start did"
    )
    assert "Traceback" not in told, told
    assert PASSWORD not in told, "a password stands in the log"
    assert FILM_PASSWORD not in told, "a camera's password stands in the log"


def command(folder: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run a command of the installed program on the configuration and data in a folder."""
    options = ("--config", folder / "gateway.toml", "--data", folder / "data")
    whole = tuple(map(str, (GATEWAY, *arguments, *options)))
    return subprocess.run(whole, check=False, capture_output=True, text=True, env=ENVIRONMENT, timeout=30)


@pytest.fixture(scope="session")
def measured(gateway: Gateway) -> Gateway:
    """A gateway that has seen two whole GOPs of the film, so that what it says of the stream changes no more."""
    viewer = (SYSTEM_PYTHON, PEERS / "gst_viewer.py", gateway.stream("film"), "--frames", 2 * FILM_GOP + 1)
    run_json(gateway.place, *viewer)
    return gateway


def write_certificate(certificate: Path, key: Path) -> None:
    """Make a self-signed certificate, as an installer without a certification authority would."""
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=gateway")
    subprocess.run([*command, "-out", certificate, "-keyout", key], check=True, capture_output=True)


def read_json_line(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Return the line that a program prints when it is ready; pytest's time limit is the deadline."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        _, errors = process.communicate(timeout=10)
        pytest.fail(f"{process.args} ended with {process.returncode}: {errors}")
    return dict(json.loads(line))


def run_json(place: Place, *command: object, timeout: float = 50.0) -> Any:
    """Run a peer to its end and return the JSON that it printed."""
    done = place.run(*command, timeout=timeout)
    assert done.returncode == 0, f"{command}: {done.stderr[-4000:]}"
    return json.loads(done.stdout)
