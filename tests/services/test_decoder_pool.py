"""Decoding: in threads, bounded, with errors that say what is wrong."""

import asyncio
import io
import threading
from dataclasses import replace

import av
import pytest

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import AccessUnit, MediaKind, PacketBlock, TrackDescription
from gateway.media import decoder
from gateway.media.decoder import DecoderPool
from gateway.media.pictures import MAX_FAILURES
from gateway.protocols.rtp.packetize import Packetizer
from gateway.protocols.rtp.parameter_sets import from_fmtp, to_fmtp
from gateway.sdk.motion import GrayPicture
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


def _film(encoding: str = "H264", frames: int = 12) -> tuple[TrackDescription, list[AccessUnit]]:
    """Return so many frames of a scene, a key frame in every ten, without parameter sets in band."""
    encoder, scene = Encoder(encoding, 320, 180, 5.0), Scene("Gate", 320, 180, 1)
    encoded = [encoder.encode(scene.draw(number * 200_000_000)) for number in range(frames)]
    is_set = {"H264": lambda unit: unit[0] & 0x1F in (7, 8), "H265": lambda unit: unit[0] >> 1 & 0x3F in (32, 33, 34)}
    sets = [unit for unit in encoded[0].units if is_set[encoding](unit)]
    track = TrackDescription(MediaKind.VIDEO, encoding, 96, 90_000, fmtp=to_fmtp(encoding, sets))
    packetizer = Packetizer(0, track, 1, 1)
    units = [
        packetizer.unit(
            [unit for unit in each.units if not is_set[encoding](unit)], number * 18_000, number + 1, each.keyframe
        )
        for number, each in enumerate(encoded)
    ]
    return track, units


@pytest.mark.parametrize("encoding", ["H264", "H265"])
async def test_pictures_of_a_stream_are_gray_scaled_and_timed(encoding: str) -> None:
    track, units = _film(encoding)
    pool = DecoderPool(from_fmtp)
    pictures = pool.pictures(track, 162, key_frames_only=False)
    found = [each for unit in units for each in await pictures.look([unit], lambda utc_ns: utc_ns % 2 == 0, _known)]
    pool.close()
    assert [(picture.width, picture.height, picture.utc_ns) for picture in found] == [
        (162, 91, number) for number in range(2, 13, 2)
    ]
    assert {len(picture.pixels) for picture in found} == {162 * 91}
    levels = bytes(found[-1].pixels)
    assert (min(levels), max(levels)) == (0, 255)


async def test_key_frames_come_at_once_and_alone() -> None:
    track, units = _film(frames=21)
    pool = DecoderPool(from_fmtp)
    pictures = pool.pictures(track, 4000, key_frames_only=True)
    found = [each for unit in units[::10] for each in await pictures.look([unit], lambda _: True, _known)]
    pool.close()
    assert [(picture.width, picture.height, picture.utc_ns) for picture in found] == [
        (320, 180, n) for n in (1, 11, 21)
    ]


async def test_a_stream_of_jpeg_is_looked_at() -> None:
    pool = DecoderPool(from_fmtp)
    jpeg = await pool.placeholder("Gate", "No signal", 320, 180)
    block = PacketBlock(jpeg, 1)
    unit = AccessUnit(0, 0, 7, True, block, lambda block: (memoryview(block.data),))  # noqa: FBT003 - a key frame
    pictures = pool.pictures(TrackDescription(MediaKind.VIDEO, "JPEG", 26, 90_000), 160, key_frames_only=False)
    found = await pictures.look([unit], lambda _: True, _known)
    pool.close()
    assert [(picture.width, picture.height, picture.utc_ns) for picture in found] == [(160, 90, 7)]


async def test_a_damaged_frame_shows_nothing_and_many_are_an_error() -> None:
    track, units = _film()
    pool = DecoderPool(from_fmtp)
    pictures = pool.pictures(track, 160, key_frames_only=False)
    damaged = replace(units[1], depacketize=lambda _: (memoryview(b"\x65garbage"),))
    for unit in (units[0], damaged, *units[1:]):
        await pictures.look([unit], lambda _: True, _known)
    for _ in range(MAX_FAILURES - 1):
        assert await pictures.look([damaged], lambda _: True, _known) == []
    with pytest.raises(GatewayError, match=f"{MAX_FAILURES} frames of H264 in a row can't be decoded"):
        await pictures.look([damaged], lambda _: True, _known)
    pool.close()


async def test_what_the_looker_raises_is_raised() -> None:
    track, units = _film(frames=1)
    pool = DecoderPool(from_fmtp)
    pictures = pool.pictures(track, 160, key_frames_only=False)

    def look(_: GrayPicture) -> None:
        raise ZeroDivisionError("broken")

    with pytest.raises(ZeroDivisionError):
        await pictures.look(units, lambda _: True, look)
    pool.close()


async def test_a_backlog_of_one_stream_does_not_hold_up_another(monkeypatch: pytest.MonkeyPatch) -> None:
    track, units = _film(frames=20)
    monkeypatch.setattr(decoder, "THREADS", 1)
    pool, order = DecoderPool(from_fmtp), list[str]()

    async def watch(name: str, count: int) -> None:
        pictures = pool.pictures(track, 160, key_frames_only=False)
        for unit in units[:count]:
            await pictures.look([unit], lambda _: True, lambda _: order.append(name))

    await asyncio.gather(watch("late", 20), watch("other", 5))
    pool.close()
    assert order == [*["late", "other"] * 5, *["late"] * 15]


async def test_one_that_hangs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    track, units = _film(frames=1)
    monkeypatch.setattr(decoder, "THREADS", 1)
    monkeypatch.setattr(decoder, "LOOK_DEADLINE", 0.05)
    pool, go, order = DecoderPool(from_fmtp), threading.Event(), list[str]()
    slow, quick = (pool.pictures(track, 160, key_frames_only=False) for _ in range(2))

    def hang(_: GrayPicture) -> None:
        go.wait(10)
        order.append("slow")

    with pytest.raises(GatewayError) as caught:
        await slow.look(units, lambda _: True, hang)
    monkeypatch.setattr(decoder, "LOOK_DEADLINE", 10)
    waiting = asyncio.create_task(quick.look(units, lambda _: True, lambda _: order.append("quick")))
    await asyncio.sleep(0)
    go.set()
    await waiting
    pool.close()
    assert caught.value.message == "a picture was not looked at within 0.05 seconds"
    assert order == ["slow", "quick"]


def test_unknown_codecs_are_refused() -> None:
    pool = DecoderPool(from_fmtp)
    with pytest.raises(GatewayError, match="VP8 video can't be decoded"):
        pool.pictures(TrackDescription(MediaKind.VIDEO, "VP8", 96, 90_000), 160, key_frames_only=False)
    pool.close()


def _known(picture: GrayPicture) -> GrayPicture:
    return picture
