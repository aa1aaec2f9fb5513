"""RTSP cameras whose every frame carries its number, in one process: `python tests/soak/cameras.py --cameras 16`.

Real H.264 of one GOP, over and over; an SEI message in front of every picture says which one it is, so that a frame
that is missing from a recording is known by its number. Prints one JSON line when ready: `port`, `start_ns` (when
frame 0 is due) and `fps`.
"""

import argparse
import asyncio
import itertools
import json
import re
import time
from base64 import b64encode
from fractions import Fraction

import av
import numpy as np

from gateway.domain.media import AccessUnit, MediaKind, TrackDescription
from gateway.protocols.rtp.packetize import Packetizer

FPS, GOP = 10, 10
WIDTH, HEIGHT = 320, 180
CLOCK = 90_000
_NS = 1_000_000_000
_SEI = bytes((6, 5, 28)) + b"gateway-soak-sei"
"""NAL header, payload type user_data_unregistered, size, and its 16 bytes of identity (H.264 §D.1.7)."""
NUMBER = re.compile(re.escape(_SEI) + rb"(\d{12})\x80")
_PENDING = 4_000_000


def numbered(number: int) -> bytes:
    """Return the NAL unit that carries a frame's number."""
    return _SEI + b"%012d\x80" % number


def number_of(nal_units: tuple[memoryview, ...]) -> int | None:
    """Return the number that a frame carries."""
    found = (NUMBER.fullmatch(unit) for unit in nal_units if len(unit) == len(_SEI) + 13)
    return next((int(match[1]) for match in found if match), None)


def encoded() -> list[list[bytes]]:
    """Return the NAL units of one GOP's pictures."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.framerate, context.time_base = Fraction(FPS), Fraction(1, FPS)
    context.options = {"g": str(GOP), "bf": "0", "tune": "zerolatency", "preset": "ultrafast", "x264-params": "sei=0"}
    packets = []
    for index in range(GOP):
        luma = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH) + 9 * index) % 200
        planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
        planes[:HEIGHT] = luma
        picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        picture.pts = index
        packets += context.encode(picture)
    packets += context.encode(None)
    split = [re.split(rb"\x00\x00\x00?\x01", bytes(packet)) for packet in packets]
    return [[unit.rstrip(b"\0") for unit in units if unit and unit[0] & 31 != 6] for units in split]


class Camera:
    """One stream: everyone who plays it gets every frame from the next one on."""

    def __init__(self, index: int) -> None:
        self.playing: list[asyncio.StreamWriter] = []
        track = TrackDescription(MediaKind.VIDEO, "H264", 96, CLOCK)
        self._packetizer = Packetizer(0, track, 0xCA000000 + index, 0)
        self._origin = 1_000_000 * index

    def send(self, number: int, units: list[bytes]) -> None:
        """Send a frame; one whose reader has not kept up is left out for that reader only."""
        slices = next(place for place, unit in enumerate(units) if unit[0] & 31 in {1, 5})
        payload = [*units[:slices], numbered(number), *units[slices:]]
        rtp_time = self._origin + number * CLOCK // FPS
        unit: AccessUnit = self._packetizer.unit(payload, rtp_time, 0, keyframe=False)
        for writer in tuple(self.playing):
            if writer.transport.is_closing():
                self.playing.remove(writer)
            elif writer.transport.get_write_buffer_size() < _PENDING:
                writer.write(unit.packets.data)


class Farm:
    """All cameras and the RTSP they are reached by."""

    def __init__(self, cameras: int) -> None:
        self._cameras = [Camera(index) for index in range(cameras)]
        self._gop = encoded()
        sets = [unit for unit in self._gop[0] if unit[0] & 31 in {7, 8}]
        sprop = ",".join(b64encode(unit).decode() for unit in sets)
        self._sdp = (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=soak\r\nt=0 0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\n"
            f"a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets={sprop}\r\n"
            "a=control:trackID=0\r\n"
        )

    async def run(self) -> None:
        """Serve until ended."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        start, start_ns = time.monotonic() + 0.2, time.time_ns() + _NS // 5
        port = server.sockets[0].getsockname()[1]
        print(json.dumps({"port": port, "start_ns": start_ns, "fps": FPS, "gop": GOP}), flush=True)  # noqa: T201
        for number in itertools.count():
            await asyncio.sleep(max(0.0, start + number / FPS - time.monotonic()))
            for camera in self._cameras:
                camera.send(number, self._gop[number % GOP])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                first = await reader.readexactly(1)
                if first == b"$":
                    _, *length = await reader.readexactly(3)
                    await reader.readexactly(int.from_bytes(bytes(length), "big"))
                    continue
                self._answer((first + await reader.readuntil(b"\r\n\r\n")).decode(), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, request: str, writer: asyncio.StreamWriter) -> None:
        method, url = request.split(" ", 2)[:2]
        number = re.search(r"/cam(\d+)", url)
        sequence = re.search(r"(?im)^cseq:\s*(\S+)", request)
        extra, body = "Session: soak;timeout=60\r\n", ""
        if method == "OPTIONS":
            extra = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n"
        elif method == "DESCRIBE":
            body = self._sdp
            extra = f"Content-Type: application/sdp\r\nContent-Base: {url}/\r\nContent-Length: {len(body)}\r\n"
        elif method == "SETUP":
            extra += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        writer.write(f"RTSP/1.0 200 OK\r\nCSeq: {sequence[1] if sequence else 0}\r\n{extra}\r\n{body}".encode())
        if method == "PLAY" and number:
            self._cameras[int(number[1])].playing.append(writer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cameras", type=int, default=16)
    asyncio.run(Farm(parser.parse_args().cameras).run())


if __name__ == "__main__":
    main()
