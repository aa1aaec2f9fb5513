"""The profile model over channels: tokens, order, true values, and what Media1 shows of H.265."""

from dataclasses import replace

import pytest
from media_samples import AAC, OPUS, PCMA, MemoryStore, channel, main_and_sub, video

from gateway.domain.camera import ConnectionState
from gateway.domain.media import StreamDescription
from gateway.onvif.media_building import build
from gateway.onvif.media_model import MediaModel
from gateway.services.profiles import (
    ConfigurationKind,
    ConfigurationSettings,
    MulticastGroup,
    Profiles,
    VirtualProfile,
)

KIND = ConfigurationKind


def model(*channels: object, profiles: Profiles | None = None) -> MediaModel:
    return build(channels, profiles or Profiles(MemoryStore()))  # type: ignore[arg-type]


def test_tokens_are_stable_and_built_from_the_camera_id() -> None:
    found = model(channel("yard", main_and_sub(audio=AAC)))
    assert list(found.profiles) == ["yard_main", "yard_sub"]
    assert list(found.video_sources) == ["VideoSource_yard"]
    assert list(found.video_source_configurations) == ["VideoSourceConfiguration_yard"]
    assert list(found.video_encoders) == ["VideoEncoder_yard_main", "VideoEncoder_yard_sub"]
    assert list(found.audio_sources) == ["AudioSource_yard"]
    assert list(found.audio_encoders) == ["AudioEncoder_yard_main"]
    assert list(found.metadata) == ["Metadata_yard"]


def test_no_token_is_longer_than_64_characters_or_numeric() -> None:
    found = model(channel("x" * 32, main_and_sub(audio=AAC)))
    tokens = [*found.profiles, *found.video_sources, *found.audio_sources]
    tokens += [token for kind in KIND for token in found.configurations(kind)]
    assert len(tokens) == 10
    assert max(map(len, tokens)) <= 64
    assert not any(token.isnumeric() for token in tokens)


def test_a_camera_named_like_a_profile_gets_tokens_of_its_own() -> None:
    found = model(channel("yard"), channel("yard_main"))
    assert list(found.profiles) == ["yard_main", "yard_sub", "yard_main_main", "yard_main_sub"]
    assert not set(found.profiles) & set(found.video_sources)


def test_32_channels_keep_their_order_with_equal_blocks_of_encoders() -> None:
    names = [f"cam{number}" for number in range(32, 0, -1)]
    found = model(*(channel(name, main_and_sub(audio=AAC if name == "cam7" else None)) for name in names))
    assert [encoder.channel for encoder in found.video_encoders.values()] == [name for name in names for _ in range(2)]
    assert list(found.media1_video_encoders) == list(found.video_encoders)
    assert [source.token for source in found.video_sources.values()] == [f"VideoSource_{name}" for name in names]
    assert len(found.profiles) == 64


def test_values_are_those_of_the_stream() -> None:
    found = model(channel("yard", main_and_sub(audio=AAC)))
    main, sub = found.video_encoders.values()
    assert (main.width, main.height, main.frame_rate, main.kilobits, main.gov_length) == (1920, 1080, 25.0, 4000, 50)
    assert (sub.width, sub.height, sub.frame_rate, sub.kilobits, sub.codec_profile) == (640, 360, 12.5, 520, "Baseline")
    (audio,) = found.audio_encoders.values()
    assert (audio.encoding, audio.media1_encoding, audio.kilobits, audio.kilohertz) == ("mpeg4-generic", "AAC", 32, 16)
    source = found.video_sources["VideoSource_yard"]
    assert (source.width, source.height, source.frame_rate) == (1920, 1080, 25.0)


@pytest.mark.parametrize(
    ("measured", "shown"), [(24.9, 25.0), (29.97, 30.0), (12.5, 12.5), (0.1, 0.1), (1.1, 1.0), (59.94, 60.0)]
)
def test_a_measured_rate_is_shown_as_the_rate_that_was_meant(measured: float, shown: float) -> None:
    streams = (StreamDescription((video(rate=measured),)), main_and_sub()[1])
    assert model(channel("yard", streams)).video_encoders["VideoEncoder_yard_main"].frame_rate == shown


@pytest.mark.parametrize(
    ("bits", "kilobits"), [(0, 1), (999, 1), (64_000, 64), (512_345, 520), (4_000_000, 4000), (4_123_456, 4200)]
)
def test_a_measured_bit_rate_is_shown_as_a_round_limit(bits: int, kilobits: int) -> None:
    streams = (StreamDescription((video(bitrate=bits),)), main_and_sub()[1])
    assert model(channel("yard", streams)).video_encoders["VideoEncoder_yard_main"].kilobits == kilobits


def test_audio_only_in_main_is_shown_only_in_main() -> None:
    found = model(channel("quiet"), channel("yard", main_and_sub(audio=PCMA)))
    assert KIND.AUDIO_ENCODER in found.profiles["yard_main"].configurations
    assert KIND.AUDIO_SOURCE in found.profiles["yard_main"].configurations
    assert set(found.profiles["yard_sub"].configurations) == {KIND.VIDEO_SOURCE, KIND.VIDEO_ENCODER}
    assert list(found.audio_sources) == ["AudioSource_yard"]
    assert found.use_counts["AudioSourceConfiguration_yard"] == 1
    assert found.use_counts["VideoSourceConfiguration_yard"] == 2


def test_an_unknown_stream_is_shown_complete() -> None:
    offline = channel("yard", (StreamDescription(()), StreamDescription(())), ConnectionState.OFFLINE)
    found = model(offline)
    main = found.media1_video_encoders["VideoEncoder_yard_main"]
    assert (main.encoding, main.width, main.height, main.frame_rate) == ("H264", 1920, 1080, 25.0)
    assert found.profiles["yard_sub"].configurations[KIND.VIDEO_ENCODER] == "VideoEncoder_yard_sub"


def test_media1_shows_the_h264_sub_stream_for_an_h265_main_stream() -> None:
    found = model(channel("yard", main_and_sub("H265", "H264")))
    assert found.video_encoders["VideoEncoder_yard_main"].encoding == "H265"
    lent = found.media1_video_encoders["VideoEncoder_yard_main"]
    assert (lent.encoding, lent.width, lent.path) == ("H264", 640, "/live/yard/sub")
    assert (lent.token, lent.name) == ("VideoEncoder_yard_main", "Yard main video")


def test_media1_shows_motion_jpeg_as_it_is() -> None:
    found = model(channel("yard", main_and_sub("JPEG", "H264")))
    assert [encoder.encoding for encoder in found.media1_video_encoders.values()] == ["JPEG", "H264"]


def test_a_channel_with_nothing_but_h265_is_left_to_media2() -> None:
    found = model(channel("yard", main_and_sub("H265", "H265")), channel("door"))
    assert list(found.media1_video_encoders) == ["VideoEncoder_door_main", "VideoEncoder_door_sub"]
    assert len(found.video_encoders) == 4


def test_opus_has_no_word_in_media1() -> None:
    (audio,) = model(channel("yard", main_and_sub(audio=OPUS))).audio_encoders.values()
    assert (audio.encoding, audio.media1_encoding, audio.kilohertz) == ("OPUS", "", 48)


@pytest.mark.parametrize(
    ("encoding", "declared", "shown"),
    [("H264", "", "High"), ("H264", "High 10", "High"), ("H264", "Extended", "Extended"), ("H265", "", "Main")],
)
def test_codec_profiles_are_those_onvif_has_words_for(encoding: str, declared: str, shown: str) -> None:
    streams = (StreamDescription((video(encoding, codec_profile=declared),)), main_and_sub()[1])
    assert model(channel("yard", streams)).video_encoders["VideoEncoder_yard_main"].codec_profile == shown


def test_a_long_channel_name_is_cut_to_fit() -> None:
    found = model(replace(channel("yard"), name="N" * 100))
    names = [profile.name for profile in found.profiles.values()]
    names += [entry.name for kind in KIND for entry in found.configurations(kind).values()]
    assert {len(name) for name in names} == {64}
    assert names[0].endswith(" main")


def test_virtual_profiles_come_last_and_lose_what_went_away() -> None:
    profiles = Profiles(MemoryStore())
    tokens = {KIND.VIDEO_SOURCE: "VideoSourceConfiguration_gone", KIND.METADATA: "Metadata_yard"}
    profiles.create("Mine", "mine", tokens)
    found = model(channel("yard"), profiles=profiles)
    assert list(found.profiles) == ["yard_main", "yard_sub", "mine"]
    assert found.profiles["mine"].configurations == {KIND.METADATA: "Metadata_yard"}
    assert not found.profiles["mine"].fixed


def test_a_fixed_profile_wins_over_a_virtual_one_of_the_same_token() -> None:
    profiles = Profiles(MemoryStore())
    profiles.create("Old", "yard_main")
    assert model(channel("yard"), profiles=profiles).profiles["yard_main"].fixed


def test_edits_and_settings_are_shown() -> None:
    profiles = Profiles(MemoryStore())
    profiles.change(VirtualProfile("yard_main", "Front", {KIND.METADATA: "Metadata_yard"}), fixed=True)
    group = MulticastGroup("239.9.9.9", 6000, 8)
    profiles.configure(KIND.VIDEO_ENCODER, "VideoEncoder_yard_main", ConfigurationSettings("Lens", group))
    found = model(channel("yard", main_and_sub("H265", "H264")), profiles=profiles)
    assert found.profiles["yard_main"].name == "Front"
    assert found.profiles["yard_main"].configurations[KIND.METADATA] == "Metadata_yard"
    assert found.video_encoders["VideoEncoder_yard_main"].name == "Lens"
    assert found.media1_video_encoders["VideoEncoder_yard_main"].multicast == group
