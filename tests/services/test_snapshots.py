"""Snapshots: one decode for many askers, the last key frame also of a camera that is gone, and a placeholder."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.domain.camera import Channel, ChannelProfile, ConnectionState
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import TrackDescription
from gateway.services.snapshots import Snapshots
from gateway.services.streams import LiveStream
from gateway.testing.streams import video_description, video_unit


class _Sources:
    def __init__(self) -> None:
        self.live = LiveStream("/live/door/main")
        profiles = tuple(
            ChannelProfile(name, f"/live/door/{name}", video_description(), ConnectionState.ONLINE)
            for name in ("main", "sub")
        )
        self._channel = Channel("door", "Front door", profiles, ConnectionState.ONLINE)

    def channels(self) -> tuple[Channel, ...]:
        return (self._channel,)

    def stream(self, path: str) -> LiveStream | None:
        return self.live


class _Pictures:
    def __init__(self) -> None:
        self.asked: list[tuple[TrackDescription, bytes]] = []
        self.go = asyncio.Event()
        self.go.set()
        self.error: GatewayError | None = None

    async def key_frame(self, track: TrackDescription, units: Sequence[bytes | memoryview]) -> bytes:
        self.asked.append((track, b"".join(units)))
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return f"picture {len(self.asked)}".encode()

    async def placeholder(self, name: str, note: str, width: int, height: int) -> bytes:
        return f"{name}: {note} {width}x{height}".encode()


async def test_a_never_seen_camera_shows_a_placeholder_of_its_size() -> None:
    assert await Snapshots(_Sources(), _Pictures()).at("door/main") == b"Front door: No signal 640x360"


async def test_the_last_key_frame_is_decoded_once_for_all_who_ask() -> None:
    sources, pictures = _Sources(), _Pictures()
    snapshots = Snapshots(sources, pictures)
    sources.live.describe(video_description())
    for number in (0, 1, 2):
        sources.live.deliver(video_unit(number))
    pictures.go.clear()
    askers = [asyncio.create_task(snapshots.at("door/main")) for _ in range(5)]
    await asyncio.sleep(0)
    askers[0].cancel()
    pictures.go.set()
    results = await asyncio.gather(*askers, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [b"picture 1"] * 4
    assert await snapshots.at("door/sub") == b"picture 1"
    (asked,) = pictures.asked
    assert asked == (video_description().tracks[0], bytes(video_unit(0).payload()[0]))


async def test_a_new_key_frame_is_a_new_picture() -> None:
    sources, pictures = _Sources(), _Pictures()
    snapshots = Snapshots(sources, pictures)
    sources.live.describe(video_description())
    sources.live.deliver(video_unit(0))
    assert await snapshots.at("door/main") == b"picture 1"
    sources.live.deliver(video_unit(25))
    sources.live.deliver(video_unit(26))
    assert await snapshots.at("door/main") == b"picture 2"
    assert await snapshots.at("door/main") == b"picture 2"


async def test_the_picture_stays_when_the_camera_goes() -> None:
    sources, pictures = _Sources(), _Pictures()
    snapshots = Snapshots(sources, pictures)
    sources.live.describe(video_description())
    sources.live.deliver(video_unit(0))
    sources.live.interrupted()
    assert await snapshots.at("door/main") == b"picture 1"


async def test_all_units_of_a_large_key_frame_are_decoded() -> None:
    sources, pictures = _Sources(), _Pictures()
    snapshots = Snapshots(sources, pictures)
    sources.live.describe(video_description())
    sources.live.deliver(video_unit(0))
    sources.live.deliver(video_unit(0, keyframe=False))
    sources.live.deliver(video_unit(1))
    await snapshots.at("door/main")
    assert pictures.asked[0][1] == bytes(video_unit(0).payload()[0]) + bytes(video_unit(0, keyframe=False).payload()[0])


async def test_a_failed_decode_is_tried_again() -> None:
    sources, pictures = _Sources(), _Pictures()
    snapshots = Snapshots(sources, pictures)
    sources.live.describe(video_description())
    sources.live.deliver(video_unit(0))
    pictures.error = GatewayError(ErrorKind.UNAVAILABLE, "the H264 key frame can't be decoded: it is not complete")
    with pytest.raises(GatewayError):
        await snapshots.at("door/main")
    pictures.error = None
    assert await snapshots.at("door/main") == b"picture 2"


async def test_a_key_frame_that_broke_off_does_not_replace_the_one_before() -> None:
    sources, pictures = _Sources(), _Pictures()
    snapshots = Snapshots(sources, pictures)
    sources.live.describe(video_description())
    for number in (0, 1, 25):
        sources.live.deliver(video_unit(number))
    sources.live.interrupted()
    await snapshots.at("door/main")
    assert pictures.asked[0][1] == bytes(video_unit(0).payload()[0])


async def test_the_rest_of_the_first_key_frame_makes_a_new_picture() -> None:
    sources, pictures = _Sources(), _Pictures()
    snapshots = Snapshots(sources, pictures)
    sources.live.describe(video_description())
    sources.live.deliver(video_unit(0))
    assert await snapshots.at("door/main") == b"picture 1"
    sources.live.deliver(video_unit(0, keyframe=False))
    assert await snapshots.at("door/main") == b"picture 2"


async def test_a_key_frame_from_before_the_start_is_taken() -> None:
    sources, pictures = _Sources(), _Pictures()
    sources.live.describe(video_description())
    sources.live.deliver(video_unit(0))
    assert await Snapshots(sources, pictures).at("door/main") == b"picture 1"


async def test_one_decode_runs_for_each_stream_though_key_frames_go_on() -> None:
    sources, pictures = _Sources(), _Pictures()
    snapshots = Snapshots(sources, pictures)
    sources.live.describe(video_description())
    pictures.go.clear()
    askers = []
    for number in range(5):
        sources.live.deliver(video_unit(number, keyframe=True))
        askers.append(asyncio.create_task(snapshots.at("door/main")))
        await asyncio.sleep(0)
    pictures.go.set()
    assert await asyncio.gather(*askers) == [b"picture 1"] * 5
    assert len(pictures.asked) == 1


async def test_a_key_frame_that_can_not_be_decoded_leaves_the_picture_before_it() -> None:
    sources, pictures = _Sources(), _Pictures()
    snapshots = Snapshots(sources, pictures)
    sources.live.describe(video_description())
    sources.live.deliver(video_unit(0))
    assert await snapshots.at("door/main") == b"picture 1"
    sources.live.deliver(video_unit(25))
    sources.live.deliver(video_unit(26))
    pictures.error = GatewayError(ErrorKind.UNAVAILABLE, "no picture within 2.5 seconds")
    assert await snapshots.at("door/main") == b"picture 1"


async def test_timestamps_that_stand_still_do_not_pile_up() -> None:
    sources, pictures = _Sources(), _Pictures()
    snapshots = Snapshots(sources, pictures)
    sources.live.describe(video_description())
    for number in range(1000):
        sources.live.deliver(video_unit(0, keyframe=number == 0))
    await snapshots.at("door/main")
    assert len(pictures.asked[0][1]) == 128 * len(video_unit(0).payload()[0])


async def test_a_placeholder_is_made_once() -> None:
    pictures = _Pictures()
    snapshots = Snapshots(_Sources(), pictures)
    assert await snapshots.at("door/main") is await snapshots.at("door/sub")


@pytest.mark.parametrize("path", ["door/other", "gate/main", "door", ""])
async def test_an_unknown_picture_is_named(path: str) -> None:
    with pytest.raises(GatewayError) as caught:
        await Snapshots(_Sources(), _Pictures()).at(path)
    assert caught.value.kind is ErrorKind.NOT_FOUND
    assert caught.value.message == f"there is no picture {path!r}"


async def test_closing_stops_the_decoding() -> None:
    sources, pictures = _Sources(), _Pictures()
    snapshots = Snapshots(sources, pictures)
    sources.live.describe(video_description())
    sources.live.deliver(video_unit(0))
    pictures.go.clear()
    asker = asyncio.create_task(snapshots.at("door/main"))
    await asyncio.sleep(0)
    snapshots.close()
    with pytest.raises(asyncio.CancelledError):
        await asker
