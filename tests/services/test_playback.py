"""What replay sends, in which order and with which marks. The codec is invented: a payload is the frame's name."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from replay_film import AUDIO, BOTH, FPS, PICTURE, RECORDING, SECOND, VIDEO, Film, at, shown

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import StreamDescription
from gateway.domain.recording import Span
from gateway.services.playback import Frame, Opened
from gateway.services.playback_choice import Wanted
from gateway.testing.clock import settle


@pytest.fixture
def film() -> Film:
    return Film()


async def test_forward_from_the_first_frame_to_the_last(film: Film) -> None:
    film.record(0, 2)
    assert await film.sent() == (
        "v0D a0D v0.25 a0.25 v0.5 a0.5 v0.75 a0.75 v1 a1 v1.25 a1.25 v1.5 a1.5 v1.75ET a1.75ET"
    )
    frames = await film.frames()
    assert [frame.keyframe for frame in frames if not frame.track] == [True, *[False] * 3, True, *[False] * 3]
    assert [frame.gop for frame in frames] == [1] * 8 + [2] * 8
    assert {frame.duration_ns for frame in frames} == {SECOND // FPS}
    assert frames[5].utc_ns == at(0.5)


@pytest.mark.parametrize("start", [1.0, 1.25, 1.99])
async def test_inside_footage_it_begins_at_the_clean_point_before(film: Film, start: float) -> None:
    film.record(0, 2)
    assert (await film.sent(start)).startswith("v1D a1D v1.25 a1.25")


async def test_a_clean_point_in_the_middle_of_a_fragment_will_do(film: Film) -> None:
    film.record(0, 1, keys=0.5)
    assert await film.sent(0.8) == "v0.5D a0.5D v0.75ET a0.75ET"


async def test_in_a_gap_it_begins_with_what_comes_after(film: Film) -> None:
    film.record(0, 1, description=PICTURE)
    film.record(10, 1, description=PICTURE)
    assert await film.sent(5) == "v10D v10.25 v10.5 v10.75ET"
    assert (await film.sent(-5)).startswith("v0D")
    assert await film.sent(11) == ""


async def test_gaps_are_passed_over_and_marked(film: Film) -> None:
    film.record(0, 1)
    film.record(10, 1)
    assert await film.sent(0.0) == (
        "v0D a0D v0.25 a0.25 v0.5 a0.5 v0.75E a0.75E v10D a10D v10.25 a10.25 v10.5 a10.5 v10.75ET a10.75ET"
    )


async def test_between_the_files_of_a_run_nothing_is_marked(film: Film) -> None:
    for start in range(3):
        film.record(start, 1, run=0, description=PICTURE)
    film.record(60, 1, run=0, description=PICTURE)  # what lay between was deleted
    assert await film.sent(0.5) == (
        "v0D v0.25 v0.5 v0.75 v1 v1.25 v1.5 v1.75 v2 v2.25 v2.5 v2.75E v60D v60.25 v60.5 v60.75ET"
    )


async def test_of_a_closed_range_the_frame_at_its_end_is_the_last(film: Film) -> None:
    film.record(0, 3, description=PICTURE)
    film.record(10, 1, description=PICTURE)
    assert await film.sent(0, 1.25) == "v0D v0.25 v0.5 v0.75 v1 v1.25"
    assert await film.sent(0, 0.75) == "v0D v0.25 v0.5 v0.75"
    assert await film.sent(2, 2.6) == "v2D v2.25 v2.5"
    assert await film.sent(10, 10.25) == "v10D v10.25"
    assert await film.sent(2, 5) == "v2D v2.25 v2.5 v2.75E"
    assert await film.sent(10, 20) == "v10D v10.25 v10.5 v10.75ET"


async def test_backward_gops_come_in_reverse_and_play_forward(film: Film) -> None:
    film.record(0, 2)
    film.record(10, 2)
    frames = await film.frames(11.8, backward=True)
    assert shown(frames) == (
        "v11D v11.25 v11.5 v11.75 v10D v10.25 v10.5 v10.75E v1D v1.25 v1.5 v1.75 v0D v0.25 v0.5 v0.75ET"
    )
    assert [frame.gop for frame in frames] == [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4


async def test_backward_nothing_later_than_the_start_is_sent(film: Film) -> None:
    film.record(0, 2)
    assert await film.sent(1.25, backward=True) == "v1D v1.25 v0D v0.25 v0.5 v0.75ET"
    assert await film.sent(0, backward=True) == "v0DET"


async def test_backward_in_a_gap_it_begins_with_the_gop_before(film: Film) -> None:
    film.record(0, 2)
    film.record(10, 2)
    for start in (2.0, 5.0, 9.9):
        assert (await film.sent(start, backward=True)).startswith("v1D v1.25 v1.5 v1.75 v0D")
    assert (await film.sent(99, backward=True)).startswith("v11D v11.25 v11.5 v11.75 v10D")
    assert await film.sent(-1, backward=True) == ""


async def test_backward_the_gop_of_the_end_is_whole_and_the_last(film: Film) -> None:
    film.record(0, 4)
    assert await film.sent(3, 1.5, backward=True) == "v3D v2D v2.25 v2.5 v2.75 v1D v1.25 v1.5 v1.75"
    assert await film.sent(3, 2, backward=True) == "v3D v2D v2.25 v2.5 v2.75"


async def test_backward_every_clean_point_begins_a_gop(film: Film) -> None:
    film.record(0, 1, keys=0.5)
    assert await film.sent(5, backward=True) == "v0.5D v0.75 v0D v0.25ET"
    film.record(10, 1, keys=0.25)
    frames = await film.frames(20, 10, backward=True)
    assert shown(frames) == "v10.75D v10.5D v10.25D v10DE"
    assert [frame.gop for frame in frames] == [1, 2, 3, 4]


async def test_key_frames_only(film: Film) -> None:
    film.record(0, 3)
    film.record(10, 2)
    assert await film.sent(0.5, intra=True) == "v0D v1 v2E v10D v11ET"
    assert await film.sent(0, 1, intra=True) == "v0D v1"
    assert await film.sent(10.5, backward=True, intra=True) == "v10DE v2D v1D v0DET"


async def test_key_frames_at_least_so_far_apart(film: Film) -> None:
    film.record(0, 6, keys=0.5)
    assert await film.sent(0, intra=True, interval_ns=2 * SECOND) == "v0D v2 v4"
    assert await film.sent(0, intra=True, interval_ns=SECOND) == "v0D v1 v2 v3 v4 v5ET"
    backward = await film.sent(5.5, backward=True, intra=True, interval_ns=2 * SECOND)
    assert backward == "v5.5D v3.5D v1.5D"


async def test_what_is_recorded_without_a_picture_is_played_too(film: Film) -> None:
    film.record(0, 1, description=StreamDescription((AUDIO,)))
    assert await film.sent(0.5, 0.5) == "a0.5D"
    assert (await film.sent(0)).split() == ["a0D", "a0.25", "a0.5", "a0.75ET"]


async def test_a_gop_in_several_fragments_begins_with_its_key_frame(film: Film) -> None:
    film.record(0, 4, keyed=3, description=PICTURE)
    assert (await film.sent(2.5)).startswith("v0D v0.25 v0.5 v0.75 v1 v1.25")
    assert await film.sent(2.25, backward=True) == ("v0D v0.25 v0.5 v0.75 v1 v1.25 v1.5 v1.75 v2 v2.25ET")
    assert (await film.sent(3, 0, backward=True)).startswith("v3D v0D v0.25 v0.5 v0.75 v1 v1.25")


async def test_a_file_that_was_deleted_meanwhile_is_a_gap(film: Film) -> None:
    film.record(0, 1, run=0, description=PICTURE)
    film.lost[film.record(1, 1, run=0, description=PICTURE).name] = ErrorKind.NOT_FOUND
    film.record(2, 1, run=0, description=PICTURE)
    assert await film.sent() == "v0D v0.25 v0.5 v0.75 v2D v2.25 v2.5 v2.75ET"
    assert await film.sent(5, backward=True) == "v2D v2.25 v2.5 v2.75 v0D v0.25 v0.5 v0.75ET"
    film.lost["2INVENTED"] = ErrorKind.UNAVAILABLE
    with pytest.raises(GatewayError, match="2INVENTED can't be read"):
        await film.sent(0)


async def test_parameter_sets_are_put_before_key_frames_that_have_none(film: Film) -> None:
    film.record(0, 1, description=StreamDescription((replace(VIDEO, encoding="H264"),)), keys=0.5)
    third = film.files["0H264"][0][2]
    film.files["0H264"][0][2] = replace(third, payload=(memoryview(b"\x67sps"), memoryview(b"\x65idr")))
    payloads = [tuple(map(bytes, frame.payload)) for frame in await film.frames()]
    assert payloads == [(b"set1", b"set2", b"v0"), (b"v0.25",), (b"\x67sps", b"\x65idr"), (b"v0.75",)]


OTHER = StreamDescription((replace(VIDEO, encoding="H265"),))


async def test_another_codec_is_passed_over_at_the_start_and_ends_the_replay_later(film: Film) -> None:
    film.record(0, 1, run=0, description=PICTURE)
    film.record(1, 1, run=0, description=OTHER)
    assert await film.sent() == "v1D v1.25 v1.5 v1.75ET"
    assert await film.sent(1.9, backward=True) == "v1D v1.25 v1.5 v1.75"
    assert await film.sent(0.9, backward=True) == ""
    film.record(2, 1, run=0, description=PICTURE)
    assert await film.sent() == "v0D v0.25 v0.5 v0.75"


@pytest.mark.parametrize(
    ("encoding", "payloads"),
    [
        ("H264", (b"\x67", b"\x65", b"\x41", b"\x01\x06", b"\x01")),
        ("H265", (b"\x40", b"\x26", b"\x02", b"\x10", b"\x00")),
    ],
)
async def test_frames_that_no_other_refers_to_are_left_out(
    film: Film, encoding: str, payloads: tuple[bytes, ...]
) -> None:
    sets, *slices = payloads
    description = StreamDescription((replace(VIDEO, encoding=encoding),))
    film.record(0, 1, description=description)
    frames = film.files[f"0{encoding}"][0]
    for number, data in enumerate(slices):
        parts = (sets, data) if number == 0 else (data,)
        frames[number] = replace(frames[number], payload=tuple(map(memoryview, parts)))
    sent = await film.frames(references=True)
    assert [bytes(frame.payload[-1]) for frame in sent] == slices[:2]
    assert sent[-1].last


async def test_sound_in_another_codec_is_left_out(film: Film) -> None:
    film.record(0, 1, run=0)
    film.record(1, 1, run=0, description=StreamDescription((replace(AUDIO, encoding="OPUS"), VIDEO)))
    film.record(2, 1, run=0)
    sent = (await film.sent()).split()
    assert [name for name in sent if name[0] == "a"][3:5] == ["a0.75", "a2"]
    assert [name for name in sent if name[0] == "v"][4:8] == ["v1", "v1.25", "v1.5", "v1.75"]


async def test_what_a_recording_is(film: Film) -> None:
    with pytest.raises(GatewayError, match="recording 'Recording_door' holds no data"):
        await film.opened()
    film.record(0, 1)
    film.record(10, 1, description=PICTURE)
    assert await film.opened() == Opened(RECORDING, PICTURE, ("T0",), Span(at(0), at(11)))
    film.record(20, 1)
    assert await film.opened() == Opened(RECORDING, BOTH, ("T0", "T1"), Span(at(0), at(21)))


class Viewer:
    """Takes frames of a recording that is being written as they can be had."""

    def __init__(self, frames: AsyncIterator[Frame]) -> None:
        self._got: list[Frame] = []
        self._task = asyncio.create_task(self._take(frames))

    async def _take(self, frames: AsyncIterator[Frame]) -> None:
        async for frame in frames:
            self._got.append(frame)

    async def seen(self) -> str:
        """Return what came since the last time."""
        await settle(60)
        got, self._got = self._got, []
        return shown(got)

    async def ended(self) -> str:
        async with asyncio.timeout(30):
            await self._task
        return await self.seen()

    def leave(self) -> None:
        self._task.cancel()


async def viewer(film: Film, start: float = 0.0, end: float | None = None) -> Viewer:
    return Viewer(film.player.frames(await film.opened(), Wanted(at(start), None if end is None else at(end))))


async def test_what_is_being_written_is_played_and_followed(film: Film) -> None:
    growing = film.segment(0, 3, description=PICTURE)
    film.write(growing, 1)
    watching = await viewer(film)
    assert await watching.seen() == "v0D v0.25 v0.5 v0.75"
    film.write(growing, 2)
    assert await watching.seen() == "v1 v1.25 v1.5 v1.75"
    film.write(growing, 3)
    film.archive.closed(growing)
    assert await watching.seen() == "v2 v2.25 v2.5 v2.75"
    film.write(film.segment(3, 2, run=0, description=PICTURE), 1)
    assert await watching.seen() == "v3 v3.25 v3.5 v3.75"
    watching.leave()


async def test_a_gap_after_the_newest_frame_is_marked_when_recording_goes_on(film: Film) -> None:
    film.write(film.segment(0, 1, description=PICTURE), 1)
    watching = await viewer(film)
    assert await watching.seen() == "v0D v0.25 v0.5 v0.75"
    film.write(film.segment(30, 1, description=PICTURE), 1)
    assert (await watching.seen()).startswith("v30D v30.25")
    watching.leave()


async def test_it_ends_where_a_recording_stops(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.services.playback.GROWTH_SECONDS", 0.01)
    growing = film.segment(0, 1, description=PICTURE)
    film.write(growing, 1)
    watching = await viewer(film)
    assert await watching.seen() == "v0D v0.25 v0.5 v0.75"
    film.archive.closed(growing)
    assert await watching.ended() == ""


async def test_a_range_that_is_over_does_not_wait_for_more(film: Film) -> None:
    film.write(film.segment(0, 2, description=PICTURE), 2)
    assert await (await viewer(film, 0, 1.5)).ended() == "v0D v0.25 v0.5 v0.75 v1 v1.25 v1.5"
