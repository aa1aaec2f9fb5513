"""The driver keeps the gateway's contract, against a small camera of our own."""

import asyncio
import contextlib
import io
import socket
import threading
from collections.abc import Iterator

import av
import numpy as np
import pytest
from gateway_mjpeg import MjpegDriver, MjpegSettings, picture_size

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.sdk.driver import CameraDriver
from gateway.testing.drivers import DriverContract, RecordingSink, driver_context


def make_jpeg(width: int, height: int) -> bytes:
    picture = np.tile(np.linspace(0, 255, width, dtype=np.uint8)[None, :, None], (height, 1, 3))
    file = io.BytesIO()
    with av.open(file, "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", options={"huffman": "default"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def serve(camera: socket.socket, status: bytes) -> None:
    """Answer every connection with twenty pictures, the last of them larger."""
    small, large = make_jpeg(320, 240), make_jpeg(640, 480)
    while True:
        try:
            connection, _ = camera.accept()
        except OSError:
            return
        with connection, contextlib.suppress(ConnectionError):  # the driver may hang up in the middle
            connection.recv(4096)
            connection.sendall(
                b"HTTP/1.1 " + status + b"\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n"
            )
            for jpeg in [small] * 12 + [large] * 8:
                head = f"--b\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                connection.sendall(head.encode() + jpeg + b"\r\n")


def camera(status: bytes) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening, status), daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/video.mjpg"
        listening.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def url() -> Iterator[str]:
    yield from camera(b"200 OK")


@pytest.fixture
def refusing_url() -> Iterator[str]:
    yield from camera(b"401 Unauthorized")


def driver(url: str) -> CameraDriver:
    return MjpegDriver(MjpegSettings(url), driver_context())


class TestMjpegDriver(DriverContract):
    @pytest.fixture(autouse=True)
    def _camera(self, url: str) -> None:
        self.url = url

    def working(self) -> CameraDriver:
        return driver(self.url)

    def unreachable(self) -> CameraDriver:
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
        return driver(f"http://127.0.0.1:{port}/")


async def test_a_changed_size_is_described_and_pictures_arrive_whole(url: str) -> None:
    sink = RecordingSink()
    with pytest.raises(GatewayError):
        async with asyncio.timeout(10):
            await driver(url).stream("main", sink)
    sizes = [
        (track.video.width, track.video.height) for (track,) in (d.tracks for d in sink.descriptions) if track.video
    ]
    assert sizes == [(320, 240), (640, 480)]
    assert len(sink.units) == 20
    (picture,) = sink.units[-1].payload()
    assert picture_size(bytes(picture)) == (640, 480)
    with av.open(io.BytesIO(picture), format="mjpeg") as container:
        assert next(container.decode(video=0)).width == 640


async def test_a_refused_password_is_told_apart(refusing_url: str) -> None:
    with pytest.raises(GatewayError) as caught:
        await driver(refusing_url).stream("main", RecordingSink())
    assert caught.value.kind is ErrorKind.UNAUTHENTICATED
