"""A swarm of viewers in one process, which measures a server while it plays.

`python tests/bench/swarm.py --url rtsp://127.0.0.1:9554/cam0 --url … --each 4 --pid PID` prints one JSON object.
"""

import argparse
import json
import os
import resource
import selectors
import socket
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from process import usage
from viewer import TcpViewer, UdpViewer, Viewer

KEEP_ALIVE = 20.0
_TICK = 0.05
_SLOW_BUFFER = 128 * 1024


@dataclass(frozen=True, slots=True)
class Window:
    """One stretch of time: what arrived, and what the server used for it."""

    seconds: float
    megabits_per_second: float
    cpu_percent: float
    cpu_seconds_per_gb: float
    p50_us: float
    p99_us: float
    frames: int


@dataclass(frozen=True, slots=True)
class Result:
    """A whole measurement; figures are medians over its windows, counts sums over all viewers."""

    viewers: int
    alive: int
    windows: int
    megabits_per_second: float
    cpu_percent: float
    cpu_seconds_per_gb: float
    cpu_seconds_per_gb_range: tuple[float, float]
    p50_us: float
    p99_us: float
    gaps: int
    lost: int
    framing_errors: int
    resident_mb: float
    peak_mb: float
    swarm_cpu_percent: float
    slow_viewers: int = 0
    slow_alive: int = 0
    slow_gaps: int = 0
    slow_gaps_not_at_key: int = 0
    slow_framing_errors: int = 0
    slow_staleness_s: float = 0.0


class Swarm:
    """Viewers of several URLs, set up one after the other; the first few of them may read slowly."""

    def __init__(self, urls: Sequence[str], each: int, *, udp: bool, slow: int, slow_rate: float) -> None:
        kind = UdpViewer if udp else TcpViewer
        self.viewers: list[Viewer] = []
        for url in list(urls) * each:
            viewer = kind(url)
            if len(self.viewers) < slow:  # else the kernel would hide seconds of video on the viewer's side
                viewer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SLOW_BUFFER)
            viewer.set_up()
            self.viewers.append(viewer)
        self._slow, self._quick = self.viewers[:slow], self.viewers[slow:]
        self._slow_rate = slow_rate
        self._selector = selectors.DefaultSelector()
        self._keep_alive = time.monotonic() + KEEP_ALIVE
        self._tick = 0.0

    def play(self) -> None:
        """Let them all play."""
        for viewer in self.viewers:
            viewer.play()
            for sock in viewer.sockets():
                sock.settimeout(0)
        self._watch(self._quick)

    def hurry(self) -> None:
        """Let the slow viewers read as quickly as the others."""
        self._watch(self._slow)
        self._slow_rate = 0.0

    def run(self, seconds: float) -> None:
        """Receive for so long."""
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            for key, _ in self._selector.select(min(_TICK, until - now)):
                viewer: Viewer = key.data
                viewer.on_readable(key.fileobj)  # type: ignore[arg-type]
                if not viewer.alive:
                    self._forget(viewer)
            if now >= self._tick:
                self._slow_tick(now)
            if now >= self._keep_alive:
                self._keep_alive = now + KEEP_ALIVE
                for viewer in self.viewers:
                    viewer.keep_alive()

    def measure(self, windows: int, seconds: float, pid: int) -> Result:
        """Receive for several windows and put the figures together."""
        for viewer in self.viewers:
            viewer.counts.latencies.clear()
        before = {id(viewer): (viewer.counts.gaps, viewer.counts.lost) for viewer in self.viewers}
        begin, cpu = time.monotonic(), time.process_time()
        measured = [self._window(seconds, pid) for _ in range(windows)]
        share = (time.process_time() - cpu) / (time.monotonic() - begin) * 100
        memory = usage(pid)
        quick = [viewer.counts for viewer in self._quick]

        def median(name: str) -> float:
            return float(statistics.median(getattr(window, name) for window in measured))

        costs = sorted(window.cpu_seconds_per_gb for window in measured)
        return Result(
            viewers=len(self._quick),
            alive=sum(viewer.alive for viewer in self._quick),
            windows=windows,
            megabits_per_second=median("megabits_per_second"),
            cpu_percent=median("cpu_percent"),
            cpu_seconds_per_gb=median("cpu_seconds_per_gb"),
            cpu_seconds_per_gb_range=(costs[0], costs[-1]),
            p50_us=median("p50_us"),
            p99_us=median("p99_us"),
            gaps=sum(viewer.counts.gaps - before[id(viewer)][0] for viewer in self._quick),
            lost=sum(viewer.counts.lost - before[id(viewer)][1] for viewer in self._quick),
            framing_errors=sum(counts.framing_errors for counts in quick),
            resident_mb=memory.resident,
            peak_mb=memory.peak,
            swarm_cpu_percent=share,
        )

    def slow_result(self) -> dict[str, float]:
        """Return what the slow viewers saw since the beginning."""
        counts = [viewer.counts for viewer in self._slow]
        return {
            "slow_viewers": len(counts),
            "slow_alive": sum(viewer.alive for viewer in self._slow),
            "slow_gaps": sum(one.gaps for one in counts),
            "slow_gaps_not_at_key": sum(one.gaps_not_at_key for one in counts),
            "slow_framing_errors": sum(one.framing_errors for one in counts),
            "slow_staleness_s": max((max(one.latencies, default=0) for one in counts), default=0) / 1e9,
        }

    def _window(self, seconds: float, pid: int) -> Window:
        before, begin = usage(pid), time.monotonic()
        received = sum(viewer.counts.bytes for viewer in self.viewers)
        self.run(seconds)
        elapsed, after = time.monotonic() - begin, usage(pid)
        total = sum(viewer.counts.bytes for viewer in self.viewers) - received
        latencies = sorted(value for viewer in self._quick for value in viewer.counts.latencies)
        for viewer in self._quick:
            viewer.counts.latencies.clear()
        cpu = after.cpu - before.cpu
        return Window(
            seconds=elapsed,
            megabits_per_second=total * 8 / elapsed / 1e6,
            cpu_percent=cpu / elapsed * 100,
            cpu_seconds_per_gb=cpu / (total / 1e9) if total else 0.0,
            p50_us=_quantile(latencies, 0.50),
            p99_us=_quantile(latencies, 0.99),
            frames=len(latencies),
        )

    def _slow_tick(self, now: float) -> None:
        self._tick = now + _TICK
        if self._slow_rate:
            for viewer in self._slow:
                if viewer.alive:
                    viewer.on_readable(viewer.sock, max(1, int(self._slow_rate * _TICK)))

    def _watch(self, viewers: Sequence[Viewer]) -> None:
        for viewer in viewers:
            for sock in viewer.sockets():
                self._selector.register(sock, selectors.EVENT_READ, viewer)

    def _forget(self, viewer: Viewer) -> None:
        for sock in viewer.sockets():
            if sock.fileno() >= 0 and sock.fileno() in self._selector.get_map():
                self._selector.unregister(sock)
        viewer.close()


def _quantile(ordered: Sequence[int], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000 if ordered else 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", action="append", required=True)
    parser.add_argument("--each", type=int, default=1, help="viewers of every URL")
    parser.add_argument("--pid", type=int, required=True, help="the server's process")
    parser.add_argument("--udp", action="store_true")
    parser.add_argument("--warm-up", type=float, default=3.0)
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a window")
    parser.add_argument("--slow", type=int, default=0, help="viewers that read slowly, and quickly after the windows")
    parser.add_argument("--slow-rate", type=float, default=62_500.0, help="bytes per second")
    parser.add_argument("--catch-up", type=float, default=12.0, help="seconds for slow viewers to catch up")
    parser.add_argument("--cpu", type=int)
    options = parser.parse_args()
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    swarm = Swarm(options.url, options.each, udp=options.udp, slow=options.slow, slow_rate=options.slow_rate)
    swarm.play()
    swarm.run(options.warm_up)
    result = asdict(swarm.measure(options.windows, options.seconds, options.pid))
    if options.slow:
        swarm.hurry()
        swarm.run(options.catch_up)
        result |= swarm.slow_result()
    print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
