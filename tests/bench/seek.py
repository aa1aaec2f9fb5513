"""From PLAY to the first packet at random points in a year: `python tests/bench/seek.py [--quick]`.

Sixteen cameras' catalogue of 360 days, as catalogue.py builds it, under a real RTSP server; the bytes of segments are
made when they are read, GOPs of 1 MB. Client and server share a process, so both are in the figures.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from catalogue import DAYS, GOPS, QUICK_DAYS, SECOND, Moments, _build, _quantile
from replay_reel import PICTURE, Reel
from rtsp_peers import Client, house

from gateway.db import open_database
from gateway.domain.recording import Segment
from gateway.protocols.mp4.reader import read_fragment, read_header
from gateway.protocols.mp4.writer import Muxer
from gateway.protocols.rtsp.ranges import ClockRange
from gateway.sdk.clock import SystemClock
from gateway.servers.rtsp_playback import Replays
from gateway.services.archive import Archive
from gateway.services.playback import Format, Player

PLAYS = 200


class Reader:
    """The bytes of every segment: GOPs of two seconds, the same in all of them."""

    def __init__(self) -> None:
        reel = Reel(fps=25, gop=50, gops=GOPS, size=20_000)
        segment = reel.grow(0, GOPS)
        data = bytes(reel.files[segment.name])
        self._gops = [data[each.offset : each.offset + each.size] for each in segment.fragments]

    async def read(self, segment: Segment, offset: int, _size: int) -> bytes:
        """Return a segment's header or one of its fragments."""
        if offset == 0:
            return Muxer(PICTURE, {"track.0": "VIDEO001"}, segment.start_ns).header()
        number = next(index for index, each in enumerate(segment.fragments) if each.offset == offset)
        return await asyncio.to_thread(self._gops.__getitem__, number)


async def _waits(folder: Path, days: int) -> list[float]:
    with closing(open_database(folder)) as database, house(clock=SystemClock()) as home:
        archive = Archive(database.catalogue, Reader())
        await archive.start()
        player = Player(archive, Format(read_header, read_fragment, lambda _: ()))
        home.server.replays = Replays(player, lambda name: name, lambda: 60.0, SystemClock())
        moments, waits = Moments(random.Random(1), days), []
        for _ in range(PLAYS):
            client = await Client.connect(home)
            client.url = f"rtsp://127.0.0.1:{home.port}/replay/{moments.camera()}"
            await client.setup(0, "RTP/AVP/TCP;unicast;interleaved=0-1")
            start_ns = moments.time_ns()
            began = time.perf_counter()
            span = str(ClockRange(start_ns, start_ns + SECOND))
            answer = await client.request("PLAY", Range=span, Rate_Control="no")
            await client.frame()
            waits.append((time.perf_counter() - began) * 1000)
            if answer.status != 200:
                raise SystemExit(f"PLAY {span}: {answer.status} {answer.body.decode()}")
            await client.close()
        return waits


def seek_figures(days: int = DAYS) -> dict[str, float]:
    """Return the milliseconds from PLAY to the first packet."""
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder:
        _build(Path(folder), days)
        waits = asyncio.run(_waits(Path(folder), days))
    return {"p50": _quantile(waits, 0.5), "p99": _quantile(waits, 0.99)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_DAYS} days only, to see that it works")
    days = QUICK_DAYS if parser.parse_args().quick else DAYS
    found = seek_figures(days)
    print(f"PLAY to first packet anywhere in {days} days: p50 {found['p50']:.1f} ms, p99 {found['p99']:.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
