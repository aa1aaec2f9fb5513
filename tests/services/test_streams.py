"""A live stream keeps one GOP and hands every unit to every reader."""

from dataclasses import replace

from gateway.domain.media import AccessUnit, StreamDescription, VideoParameters
from gateway.services.streams import MAX_GOP_BYTES, LiveStream
from gateway.testing.streams import video_description, video_unit


class _Reader:
    def __init__(self) -> None:
        self.units: list[AccessUnit] = []
        self.descriptions: list[StreamDescription] = []

    def deliver(self, unit: AccessUnit) -> None:
        self.units.append(unit)

    def described(self, description: StreamDescription) -> None:
        self.descriptions.append(description)


def test_the_gop_begins_at_the_last_key_frame() -> None:
    stream = LiveStream("/live/door/main")
    stream.describe(video_description())
    units = [video_unit(number) for number in range(20, 40)]
    for unit in units:
        stream.deliver(unit)
    assert stream.gop == units[5:]


def test_units_before_the_first_key_frame_are_not_kept() -> None:
    stream = LiveStream("/live/door/main")
    stream.describe(video_description())
    stream.deliver(video_unit(1))
    assert stream.gop == []


def test_readers_get_every_unit_until_they_leave() -> None:
    stream, reader = LiveStream("/live/door/main"), _Reader()
    stream.attach(reader)
    stream.describe(video_description())
    stream.deliver(unit := video_unit(0))
    stream.detach(reader)
    stream.detach(reader)
    stream.deliver(video_unit(1))
    assert reader.units == [unit]
    assert reader.descriptions == [video_description()]


def test_an_interruption_forgets_the_gop_so_that_two_connections_are_never_joined() -> None:
    stream = LiveStream("/live/door/main")
    stream.describe(video_description())
    stream.deliver(video_unit(0))
    stream.interrupted()
    stream.deliver(video_unit(1))
    assert stream.gop == []


def test_a_gop_without_end_is_given_up() -> None:
    stream = LiveStream("/live/door/main")
    stream.describe(video_description())
    stream.deliver(video_unit(0))
    for number in range(1, MAX_GOP_BYTES // 60_000 + 2):
        stream.deliver(video_unit(number, keyframe=False, size=60_000))
    assert stream.gop == []


def _measured(stream: LiveStream) -> VideoParameters:
    assert stream.description is not None
    video = stream.description.tracks[0].video
    assert video is not None
    return video


def test_rate_and_gop_length_are_measured() -> None:
    stream = LiveStream("/live/door/main")
    told = video_description()
    wrong = VideoParameters(640, 360, frame_rate=12.0, bitrate=9_000_000, gop_length=50)
    stream.describe(StreamDescription((replace(told.tracks[0], video=wrong),)))
    for number in range(76):
        stream.deliver(video_unit(number, size=1000))
    video = _measured(stream)
    assert (video.frame_rate, video.gop_length) == (25.0, 25)
    assert video.bitrate == 25 * 8 * len(video_unit(0, size=1000).packets.data)


def test_figures_do_not_flicker() -> None:
    stream = LiveStream("/live/door/main")
    stream.describe(video_description())
    for number in range(300):
        stream.deliver(video_unit(number, size=2400 + number % 7 * 20))
    assert _measured(stream) == video_description().tracks[0].video


def test_what_was_measured_is_known_after_a_reconnect() -> None:
    """But not of other tracks."""
    stream = LiveStream("/live/door/main")
    told = StreamDescription(
        (replace(video_description().tracks[0], video=VideoParameters(640, 360, 12.0, 9_000, 50)),)
    )
    stream.describe(told)
    for number in range(76):
        stream.deliver(video_unit(number, size=1000))
    measured = _measured(stream)
    stream.interrupted()
    stream.describe(told)
    assert _measured(stream) == measured != told.tracks[0].video
    for number in range(76):
        stream.deliver(video_unit(number, size=1000))
    assert _measured(stream) == measured
    again = LiveStream("/live/door/main", stream.description)
    again.describe(told)
    assert _measured(again) == measured, "and after a restart"
    larger = VideoParameters(1280, 720, 12.0, 9_000, 50)
    stream.describe(StreamDescription((replace(told.tracks[0], video=larger),)))
    assert _measured(stream) == larger
