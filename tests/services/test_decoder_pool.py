"""Decoding: in threads, bounded, with errors that say what is wrong."""

import asyncio
import io
import threading

import av
import pytest

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import MediaKind, TrackDescription
from gateway.media import decoder
from gateway.media.decoder import DecoderPool
from gateway.protocols.rtp.parameter_sets import from_fmtp, to_fmtp
from gateway_testpattern.encoder import Encoder
from gateway_testpattern.scene import Scene


def _key_frame() -> tuple[TrackDescription, list[bytes]]:
    units = Encoder("H264", 320, 180, 5.0).encode(Scene("Gate", 320, 180, 1).draw(0)).units
    sets = [unit for unit in units if unit[0] & 0x1F in (7, 8)]
    rest = [unit for unit in units if unit[0] & 0x1F not in (7, 8)]
    return TrackDescription(MediaKind.VIDEO, "H264", 96, 90_000, fmtp=to_fmtp("H264", sets)), rest


async def test_parameter_sets_come_from_sdp_when_the_stream_has_none() -> None:
    track, units = _key_frame()
    pool = DecoderPool(from_fmtp)
    jpeg = await pool.key_frame(track, units)
    pool.close()
    with av.open(io.BytesIO(jpeg), format="mjpeg") as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height) == (320, 180)


async def test_a_jpeg_stream_needs_no_decoding() -> None:
    pool = DecoderPool(from_fmtp)
    track = TrackDescription(MediaKind.VIDEO, "JPEG", 26, 90_000)
    assert await pool.key_frame(track, [b"\xff\xd8", b"\xff\xd9"]) == b"\xff\xd8\xff\xd9"
    pool.close()


@pytest.mark.parametrize(
    ("encoding", "units", "kind", "sentence"),
    [
        ("VP8", [b"x"], ErrorKind.UNSUPPORTED, "there are no pictures of VP8 video"),
        ("H264", [b"\x65garbage"], ErrorKind.UNAVAILABLE, "the H264 key frame can't be decoded"),
    ],
)
async def test_what_can_not_be_decoded_is_said(
    encoding: str, units: list[bytes], kind: ErrorKind, sentence: str
) -> None:
    pool = DecoderPool(from_fmtp)
    with pytest.raises(GatewayError) as caught:
        await pool.key_frame(TrackDescription(MediaKind.VIDEO, encoding, 96, 90_000), units)
    pool.close()
    assert caught.value.kind is kind
    assert caught.value.message.startswith(sentence)


async def test_the_queue_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    monkeypatch.setattr(decoder.jpeg, "placeholder", lambda *_: go.wait(10) and b"")
    monkeypatch.setattr(decoder, "MAX_WAITING", 3)
    pool = DecoderPool(from_fmtp)
    waiting = [asyncio.create_task(pool.placeholder("a", "b", 320, 180)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(GatewayError) as caught:
        await pool.placeholder("a", "b", 320, 180)
    go.set()
    await asyncio.gather(*waiting)
    pool.close()
    assert caught.value.kind is ErrorKind.LIMIT


async def test_a_placeholder_is_a_picture_of_the_size_asked_for() -> None:
    pool = DecoderPool(from_fmtp)
    jpeg = await pool.placeholder("Front door", "No signal", 641, 361)
    pool.close()
    with av.open(io.BytesIO(jpeg), format="mjpeg") as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height) == (640, 360)
