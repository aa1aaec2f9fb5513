"""Many subscribers and many events beside live media: `python tests/bench/events.py [--seconds 60]`.

64 pull points and 10 consumers of base notification hear 200 events a second while 64 viewers watch 16 cameras. Prints
what was lost, how long events took, the gateway's CPU, and the viewers' figures without and with the events. The exit
status is 1 when an event or a packet was lost.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from process import usage
from run import GATEWAY, HERE, LOAD_CPU, PASSWORD, farm, gateway

EACH = 4
WINDOW = 2.0
_ARCHIVE = (
    '[[storage]]\nid = "disk"\n[storage.settings]\npath = "archive"\n[[recording]]\ncamera = "cam0"\nmode = "off"\n'
)
_FLOOD = HERE.parent / "peers" / "event_flood.py"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=200.0)
    options = parser.parse_args()
    with farm() as cameras, tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder:
        data = Path(folder)
        with gateway(cameras, _ARCHIVE, data) as running:
            report = running.report()
            command = [GATEWAY, "storage", "format", "disk", "--confirm", "disk"]
            where = ["--config", str(data / "bench.toml"), "--data", folder]
            subprocess.run([*command, *where], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            alone = json.loads(_swarm(report, running.pid, WINDOW * 5).communicate()[0])
            swarm = _swarm(report, running.pid, options.seconds)
            before, began = usage(running.pid).cpu, time.monotonic()
            flood = _flood(report["onvif"], options)
            share = (usage(running.pid).cpu - before) / (time.monotonic() - began) * 100
            beside = json.loads(swarm.communicate()[0])
    return _show(flood, share, alone, beside)


def _swarm(report: dict[str, Any], pid: int, seconds: float) -> subprocess.Popen[str]:
    urls = [argument for camera in report["cameras"] for argument in ("--url", camera["main"])]
    windows = ["--windows", str(max(1, round(seconds / WINDOW))), "--seconds", str(WINDOW)]
    more = ["--each", str(EACH), "--pid", str(pid), "--cpu", str(LOAD_CPU)]
    command = [sys.executable, str(HERE / "swarm.py"), *urls, *windows, *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _flood(url: str, options: argparse.Namespace) -> dict[str, Any]:
    login = ["--url", url, "--user", "admin", "--password", PASSWORD]
    load = ["--rate", str(options.rate), "--seconds", str(options.seconds), "--cpu", str(LOAD_CPU)]
    done = subprocess.run([sys.executable, str(_FLOOD), *login, *load], check=True, stdout=subprocess.PIPE)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def _show(flood: dict[str, Any], share: float, alone: dict[str, Any], beside: dict[str, Any]) -> int:
    print(
        f"{flood['sent']} events at {flood['rate']:.0f} a second; the gateway used {share:.0f} % of a core with media"
    )
    print(f"from the call to the hearing: p50 {flood['p50_ms']:.0f} ms, p99 {flood['p99_ms']:.0f} ms")
    lost = 0
    for kind, words in (("pull", "pull points"), ("notify", "consumers")):
        found = flood[kind]
        lost += flood["sent"] - found["fewest"]
        print(f"{found['readers']:4} {words:12} heard at least {found['fewest']}, {found['twice']} twice")
    print(f"\n{'viewers':20} Mbit/s  CPU %   p50 ms   p99 ms  gaps")
    for words, figures in (("without events", alone), ("with events", beside)):
        print(
            f"{words:20} {figures['megabits_per_second']:6.0f} {figures['cpu_percent']:6.1f}"
            f" {figures['p50_us'] / 1000:8.2f} {figures['p99_us'] / 1000:8.2f} {figures['gaps']:5}"
        )
    return int(lost > 0 or beside["gaps"] > 0 or beside["alive"] < beside["viewers"])


if __name__ == "__main__":
    sys.exit(main())
