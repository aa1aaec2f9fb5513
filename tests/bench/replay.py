"""What replay costs: GB per CPU-second with Rate-Control=no beside a plain file sender, and the wait for a packet.

`python tests/bench/replay.py [--seconds 20]`. The gateway records sixteen cameras for so long and goes on recording;
one client replays recordings over TCP as fast as it can, and asks for random moments. The plain sender sends the files.
"""

import argparse
import os
import random
import re
import socket
import statistics
import sys
import tempfile
import time
from contextlib import closing
from multiprocessing import Process
from pathlib import Path
from typing import Any

from process import usage
from run import CAMERAS, LOAD_CPU, SERVER_CPU, farm, gateway

PLAYS = 60
_NS = 1_000_000_000
_GB = 1e9
_BLOCK = 1 << 20


class Client:
    """Replays one recording over TCP; it reads and throws away."""

    def __init__(self, url: str) -> None:
        host, port = re.findall(r"//([^:/]+):(\d+)/", url)[0]
        self._socket = socket.create_connection((host, int(port)))
        self._socket.settimeout(10)
        self._url, self._cseq, self._session = url, 0, ""
        self._rest = b""
        description = self.ask("DESCRIBE", url)
        start, end = re.findall(r"a=range:clock=([\dTZ.]+)-([\dTZ.]+)", description)[0]
        self.start, self.end = start, end
        answer = self.ask("SETUP", f"{url}/trackID=0", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n")
        [session] = re.findall(r"Session: ([^;\r]+)", answer)
        self._session = f"Session: {session}\r\n"

    def ask(self, method: str, url: str, extra: str = "") -> str:
        """Send a request; returns the head and body of its answer, media in front of it thrown away."""
        self._cseq += 1
        self._socket.sendall(f"{method} {url} RTSP/1.0\r\nCSeq: {self._cseq}\r\n{self._session}{extra}\r\n".encode())
        data = self._rest
        while (at := data.find(b"RTSP/1.0 ")) < 0 or b"\r\n\r\n" not in data[at:]:
            data = data[-16:] + self._socket.recv(_BLOCK) if at < 0 else data + self._socket.recv(_BLOCK)
        head, _, rest = data[at:].partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        size = int(length[1]) if length else 0
        while len(rest) < size:
            rest += self._socket.recv(_BLOCK)
        self._rest = rest[size:]
        if b" 200 " not in head[:16]:
            raise SystemExit(f"{method} {url}: {head.decode()}")
        return (head + b"\r\n\r\n" + rest[:size]).decode("latin-1")

    def play(self, start: str, end: str = "") -> None:
        """Play from a moment, as fast as it goes."""
        self.ask("PLAY", self._url, f"Range: clock={start}-{end}\r\nRate-Control: no\r\nImmediate: yes\r\n")

    def first_packet(self) -> None:
        """Wait for media."""
        while not self._rest:
            self._rest = self._socket.recv(_BLOCK)
        self._rest = b""

    def drain(self) -> int:
        """Read until nothing has come for half a second; returns the bytes."""
        got, self._rest = len(self._rest), b""
        buffer = bytearray(_BLOCK)
        self._socket.settimeout(0.5)
        try:
            while size := self._socket.recv_into(buffer):
                got += size
        except TimeoutError:
            return got
        return got

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def replay_figures(seconds: float = 20.0) -> dict[str, Any]:
    """Record, replay and measure."""
    os.sched_setaffinity(0, {LOAD_CPU})
    with tempfile.TemporaryDirectory(prefix="gateway-bench-archive-") as folder:
        storage = f'[[storage]]\nid = "disk"\n[storage.settings]\npath = "{folder}/disk"\n'
        with farm() as cameras, gateway(cameras, storage, Path(folder)) as running:
            base = running.report()["rtsp"]
            time.sleep(seconds)
            urls = [f"{base}/replay/Recording_cam{number}" for number in range(CAMERAS)]
            recorded = [_replay(url, running.pid) for url in urls]
            waits = _waits(urls)
        files = sorted(Path(folder, "disk").rglob("*.mp4"))
        plain = _plain(files)
    size, cpu = sum(each[0] for each in recorded), sum(each[1] for each in recorded)
    return {
        "gigabytes": size / _GB,
        "replay_gb_per_cpu_second": size / _GB / cpu,
        "plain_gb_per_cpu_second": plain,
        "first_packet_ms": {
            "p50": statistics.median(waits) * 1000,
            "p99": sorted(waits)[round(0.99 * (len(waits) - 1))] * 1000,
        },
    }


def _replay(url: str, pid: int) -> tuple[int, float]:
    """Replay a whole recording; returns its bytes and the CPU-seconds beyond what recording takes meanwhile."""
    with closing(Client(url)) as client:
        idle, began = usage(pid).cpu, time.monotonic()
        time.sleep(0.5)
        rate = (usage(pid).cpu - idle) / (time.monotonic() - began)
        before, began = usage(pid).cpu, time.monotonic()
        client.play(client.start, client.end)
        size = client.drain()
        return size, usage(pid).cpu - before - rate * (time.monotonic() - began)


def _waits(urls: list[str]) -> list[float]:
    dice, waits = random.Random(1), []
    for number in range(PLAYS):
        with closing(Client(urls[number % len(urls)])) as client:
            start, end = (_seconds(text) for text in (client.start, client.end))
            moment = time.gmtime(dice.uniform(start, end - 1))
            began = time.perf_counter()
            client.play(time.strftime("%Y%m%dT%H%M%SZ", moment))
            client.first_packet()
            waits.append(time.perf_counter() - began)
    return waits


def _seconds(text: str) -> float:
    return time.mktime(time.strptime(text[:15], "%Y%m%dT%H%M%S")) - time.timezone


def _plain(files: list[Path]) -> float:
    """Send the files over a socket from a process of its own; returns GB per CPU-second."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = Process(target=_send, args=(files, listener.getsockname()[1]), daemon=True)
        sender.start()
        receiver, _ = listener.accept()
        buffer, got = bytearray(_BLOCK), 0
        with receiver:
            while size := receiver.recv_into(buffer):
                got += size
                cpu = usage(sender.pid or 0).cpu
            sender.join()
    return got / _GB / cpu


def _send(files: list[Path], port: int) -> None:
    os.sched_setaffinity(0, {SERVER_CPU})
    with socket.create_connection(("127.0.0.1", port)) as out:
        for file in files:
            with file.open("rb") as data:
                while block := data.read(_BLOCK):
                    out.sendall(block)
        time.sleep(0.2)


def show_replay(figures: dict[str, Any]) -> None:
    """Print the figures."""
    first = figures["first_packet_ms"]
    replay, plain = figures["replay_gb_per_cpu_second"], figures["plain_gb_per_cpu_second"]
    print(f"replay of {figures['gigabytes']:.2f} GB: {replay:.2f} GB per CPU-second; a plain sender: {plain:.2f}")
    print(f"PLAY to first packet: p50 {first['p50']:.1f} ms, p99 {first['p99']:.1f} ms")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to record (default 20)")
    show_replay(replay_figures(parser.parse_args().seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
