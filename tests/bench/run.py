"""Measure the gateway from outside: `python tests/bench/run.py [--quick]`.

The gateway runs on one CPU; the cameras and the viewers or clients run on the other. Every case is set beside a plain
loopback sender of the same frames to as many sockets, measured just before it: only such ratios mean something.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from process import usage
from soap_load import OPERATIONS

from gateway.protocols.discovery import MULTICAST_IPV4, PORT, Message, Probe, ProbeMatches, parse, serialize

HERE = Path(__file__).parent
SERVER_CPU, LOAD_CPU = 0, 1
CAMERAS = 16
PASSWORD = "bench-password"
GATEWAY = os.environ.get("GATEWAY_PROGRAM") or str(Path(sys.executable).parent / "gateway")
START_LIMIT = 60.0
"""Seconds in which a ProbeMatch must come."""


@dataclass(frozen=True, slots=True)
class Case:
    """One load on the relay."""

    name: str
    each: int
    udp: bool = False
    slow: int = 0


MOST_VIEWERS = 2048
CASES = (
    Case("16 x 4 TCP", 4),
    Case("16 x 16 TCP", 16),
    Case("16 x 64 TCP", 64),
    Case("16 x 4 UDP", 4, udp=True),
    Case("16 x 16 UDP", 16, udp=True),
    Case("16 x 4 TCP, 4 slow", 4, slow=4),
)


class Gateway:
    """A running gateway; its process is pinned, its data thrown away."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.pid = process.pid
        self.started = time.monotonic()
        self._process, self._log = process, log

    def report(self) -> dict[str, Any]:
        """Wait until it is ready; returns what it says of itself."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the gateway did not start:\n{self._log.read_text()[-2000:]}")
        report: dict[str, Any] = json.loads(line)
        return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short windows and fewer cases, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) <= max(SERVER_CPU, LOAD_CPU):
        print("the bench needs two CPUs: one for the gateway, one for cameras and viewers", file=sys.stderr)
        return 2
    figures: dict[str, Any] = {"start": _start_up()}
    cases = CASES[:2] if options.quick else CASES
    windows, seconds = (2, 1.0) if options.quick else (5, 2.0)
    with farm() as cameras:
        for case in cases:
            floor = _loopback(case, windows, seconds)
            with gateway(cameras) as running:
                figures[case.name] = {"loopback": floor} | _relay(case, running, windows, seconds)
            _show_relay(case, figures[case.name], first=case is cases[0])
        with gateway(cameras) as running:
            report = running.report()
            for operation in OPERATIONS:
                figures[operation] = _soap(operation, report, running.pid, seconds * 2)
                _show_soap(operation, figures[operation], first=operation is next(iter(OPERATIONS)))
    _show_start(figures["start"])
    _archive(quick=options.quick)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))
    return 0


def _archive(*, quick: bool) -> None:
    """Measure recording, replay, the catalogue and events; each prints its own figures."""
    programs = {
        "recording": ["recording.py", *(["--gb", "0.1"] if quick else [])],
        "replay": ["replay.py", *(["--seconds", "8"] if quick else [])],
        "seek": ["seek.py", *(["--quick"] if quick else [])],
        "catalogue": ["catalogue.py", *(["--quick"] if quick else [])],
        "events": ["events.py", *(["--seconds", "8"] if quick else [])],
    }
    for program in programs.values():
        print(flush=True)
        subprocess.run([sys.executable, str(HERE / program[0]), *program[1:]], check=True)


@contextmanager
def farm() -> Iterator[list[str]]:
    """Run the cameras; returns their addresses."""
    command = [sys.executable, str(HERE / "farm.py"), "--cameras", str(CAMERAS), "--cpu", str(LOAD_CPU)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().split()[1]
            yield [f"rtsp://127.0.0.1:{port}/cam{number}" for number in range(CAMERAS)]
        finally:
            process.terminate()


@contextmanager
def gateway(cameras: Sequence[str], more: str = "", data: Path | None = None) -> Iterator[Gateway]:
    """Run the gateway with these cameras and `more` configuration; storages in `data` are its own to format."""
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as temporary:
        folder = str(data or temporary)
        config, log = Path(folder, "bench.toml"), Path(folder, "log")
        config.write_text(_config(cameras) + more)
        command = ["taskset", "-c", str(SERVER_CPU), GATEWAY, "run", str(config), "--data", folder, "--json"]
        environment = os.environ | {"GATEWAY_ADMIN_PASSWORD": PASSWORD}
        with (
            log.open("w") as errors,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as process,
        ):
            try:
                yield Gateway(process, log)
            except subprocess.CalledProcessError:
                print(f"the gateway's log ends so:\n{log.read_text()[-2000:]}", file=sys.stderr)
                raise
            finally:
                process.terminate()


def _config(cameras: Sequence[str]) -> str:
    head = (
        '[http]\nlisten = "127.0.0.1:0"\n'
        f'[rtsp]\nlisten = "127.0.0.1:0"\nmax_connections_per_address = {MOST_VIEWERS}\n'
        '[access]\nanonymous_viewers = ["127.0.0.0/8"]\n[discovery]\ninterfaces = ["lo"]\n'
    )
    return head + "".join(
        f'[[camera]]\nid = "cam{number}"\nname = "Camera {number}"\ndriver = "rtsp"\n'
        f'[camera.settings]\nmain = "{url}"\n'
        for number, url in enumerate(cameras)
    )


def _relay(case: Case, running: Gateway, windows: int, seconds: float) -> dict[str, Any]:
    urls = [argument for camera in running.report()["cameras"] for argument in ("--url", camera["main"])]
    slow = ["--slow", str(case.slow), "--warm-up", "5", "--catch-up", "10"] if case.slow else []
    if case.slow:
        windows *= 3  # a slow viewer must fall back by more than all buffers hold
    return _load(
        "swarm.py",
        *(*urls, "--each", str(case.each), "--pid", str(running.pid)),
        *("--windows", str(windows), "--seconds", str(seconds), *(["--udp"] if case.udp else []), *slow),
    )


def _loopback(case: Case, windows: int, seconds: float) -> dict[str, Any]:
    return _load(
        "loopback.py",
        *("--streams", str(CAMERAS), "--each", str(case.each), *(["--udp"] if case.udp else [])),
        *("--windows", str(windows), "--seconds", str(seconds), "--cpus", str(SERVER_CPU), str(LOAD_CPU)),
        cpu=False,
    )


def _soap(operation: str, report: dict[str, Any], pid: int, seconds: float) -> dict[str, Any]:
    url = report["onvif"]
    if operation == "GetProfiles":
        url = url.replace("device_service", "media_service")
    return _load(
        "soap_load.py",
        *("--url", url, "--operation", operation, "--username", "admin", "--password", PASSWORD),
        *("--pid", str(pid), "--seconds", str(seconds)),
    )


def _load(script: str, *arguments: str, cpu: bool = True) -> dict[str, Any]:
    pinned = ["--cpu", str(LOAD_CPU)] if cpu else []
    done = subprocess.run([sys.executable, str(HERE / script), *arguments, *pinned], stdout=subprocess.PIPE, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def _start_up() -> dict[str, float]:
    """Measure a gateway without cameras: seconds from its start to its first ProbeMatch, and its memory then."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, gateway(()) as running:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.02)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        answered = _first_match(sock, running.started + START_LIMIT) - running.started
        running.report()
        return {"seconds_to_probe_match": answered, "resident_mb": usage(running.pid).resident}


def _first_match(sock: socket.socket, until: float) -> float:
    """Probe again and again; returns when the first answer came."""
    number = 0
    while time.monotonic() < until:
        number += 1
        sock.sendto(serialize(Message(Probe(), f"uuid:bench-{number}")), (MULTICAST_IPV4, PORT))
        try:
            message = parse(sock.recv(65_536))
        except TimeoutError:
            continue
        if isinstance(message.body, ProbeMatches):
            return time.monotonic()
    raise SystemExit(f"no ProbeMatch within {START_LIMIT:.0f} s")


def _show_start(figures: dict[str, float]) -> None:
    print(
        f"\nstart to first ProbeMatch {figures['seconds_to_probe_match']:.2f} s (up to 0.5 s of it is the delay that "
        f"WS-Discovery wants), {figures['resident_mb']:.0f} MB without cameras"
    )


def _show_relay(case: Case, figures: dict[str, Any], *, first: bool) -> None:
    if first:
        print(f"{'relay':20} Mbit/s  CPU %  CPU-s/GB      range   loopback  ratio   p50 ms   p99 ms  gaps  bad  MB")
    low, high = figures["cpu_seconds_per_gb_range"]
    cost, floor = figures["cpu_seconds_per_gb"], figures["loopback"]["cpu_seconds_per_gb"]
    print(
        f"{case.name:20} {figures['megabits_per_second']:6.0f} {figures['cpu_percent']:6.1f}"
        f"  {cost:8.3f} {low:5.2f}-{high:<5.2f} {floor:8.3f}  {cost / floor:6.2f}"
        f"  {figures['p50_us'] / 1000:7.2f}  {figures['p99_us'] / 1000:7.2f}"
        f" {figures['gaps']:5} {figures['framing_errors']:4} {figures['peak_mb']:4.0f}",
        flush=True,
    )
    if figures["alive"] < figures["viewers"]:
        print(f"  {figures['viewers'] - figures['alive']} of {figures['viewers']} viewers were disconnected")
    if case.slow:
        print(
            f"  slow viewers: {figures['slow_alive']} of {figures['slow_viewers']} still there, {figures['slow_gaps']} "
            f"gaps, {figures['slow_gaps_not_at_key']} of them not resumed at a key frame, "
            f"{figures['slow_framing_errors']} framing errors, at most {figures['slow_staleness_s']:.1f} s behind"
        )


def _show_soap(operation: str, figures: dict[str, Any], *, first: bool) -> None:
    if first:
        print(f"\n{'SOAP, 8 connections':24} calls/s  CPU ms/call   p50 ms   p99 ms   bytes")
    print(
        f"{operation:24} {figures['calls_per_second']:7.0f} {figures['cpu_ms_per_call']:12.3f} {figures['p50_ms']:8.2f}"
        f" {figures['p99_ms']:8.2f} {figures['response_bytes']:7}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
