"""What a client may write of a configuration, and with which words the rest is refused."""

from datetime import timedelta
from typing import Any

import pytest
from media_samples import AAC, MemoryStore, RecordingMulticast, channel, main_and_sub

from gateway.onvif import media1_schema, media2_schema, media_metadata, media_schema, media_settings
from gateway.onvif.faults import SoapFault
from gateway.onvif.media_building import build
from gateway.onvif.media_model import NO_GROUP, MediaModel
from gateway.services.profiles import ConfigurationSettings, MulticastGroup, Profiles


@pytest.fixture
def model() -> MediaModel:
    return build((channel("yard", main_and_sub(audio=AAC)),), Profiles(MemoryStore()), RecordingMulticast().group)


def refusal(check: Any, *arguments: Any) -> str:
    with pytest.raises(SoapFault) as refused:
        check(*arguments)
    assert refused.value.subcodes == ("InvalidArgVal", "ConfigModify")
    return refused.value.reason


def test_what_was_read_can_be_written(model: MediaModel) -> None:
    encoder = model.media1_video_encoders["VideoEncoder_yard_main"]
    media_settings.check_media1_video_encoder(encoder, media1_schema.video_encoder(encoder, model))
    media_settings.check_media2_video_encoder(encoder, media2_schema.video_encoder(encoder, model))
    audio = model.audio_encoders["AudioEncoder_yard_main"]
    media_settings.check_audio_encoder(audio, "AAC", media1_schema.audio_encoder(audio, model))
    media_settings.check_audio_encoder(audio, "mpeg4-generic", media2_schema.audio_encoder(audio, model))
    source = model.video_source_configurations["VideoSourceConfiguration_yard"]
    media_settings.check_video_source(source, media_schema.video_source_configuration(source, model))
    sound = model.audio_source_configurations["AudioSourceConfiguration_yard"]
    media_settings.check_audio_source(sound, media_schema.audio_source_configuration(sound, model))
    data = model.metadata["Metadata_yard"]
    media_metadata.check_metadata(data, media_schema.metadata(data, model))
    for current, wanted in (
        (encoder, media1_schema.video_encoder(encoder, model)),
        (audio, media2_schema.audio_encoder(audio, model)),
        (source, media_schema.video_source_configuration(source, model)),
        (data, media_schema.metadata(data, model)),
    ):
        assert media_settings.written(current, wanted) == ConfigurationSettings()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Encoding": "JPEG"}, "Encoding 'JPEG' of configuration 'VideoEncoder_yard_main' can't be set: it is 'H264'"),
        ({"Resolution": {"Width": 1280, "Height": 1080}}, "Width 1280 of"),
        ({"Resolution": {"Width": 1920, "Height": 720}}, "Height 720 of"),
        ({"H264": {"GovLength": 50, "H264Profile": "High"}}, "Profile 'High' of"),
        ({"H264": {"GovLength": 300, "H264Profile": "Main"}}, "GovLength 300 of"),
        ({"RateControl": {"FrameRateLimit": 10, "EncodingInterval": 1, "BitrateLimit": 4000}}, "FrameRateLimit 10 of"),
    ],
)
def test_media1_refuses_another_stream(model: MediaModel, changes: dict[str, Any], reason: str) -> None:
    encoder = model.media1_video_encoders["VideoEncoder_yard_main"]
    wanted = media1_schema.video_encoder(encoder, model) | changes
    assert reason in refusal(media_settings.check_media1_video_encoder, encoder, wanted)


@pytest.mark.parametrize(
    "changes",
    [
        {"Quality": 3.0},
        {"RateControl": {"FrameRateLimit": 26, "EncodingInterval": 2, "BitrateLimit": 99_999}},
        {"H264": {"GovLength": 46, "H264Profile": "Main"}},
    ],
)
def test_quality_and_bit_rate_are_adapted_and_measured_values_may_wobble(
    model: MediaModel, changes: dict[str, Any]
) -> None:
    encoder = model.media1_video_encoders["VideoEncoder_yard_main"]
    media_settings.check_media1_video_encoder(encoder, media1_schema.video_encoder(encoder, model) | changes)


def test_parts_that_a_client_leaves_out_are_kept(model: MediaModel) -> None:
    encoder = model.media1_video_encoders["VideoEncoder_yard_main"]
    media_settings.check_media2_video_encoder(encoder, {"token": encoder.token})
    assert media_settings.written(encoder, {"token": encoder.token}) == encoder.settings


def test_media2_refuses_another_profile(model: MediaModel) -> None:
    encoder = model.video_encoders["VideoEncoder_yard_sub"]
    reason = refusal(media_settings.check_media2_video_encoder, encoder, {"Profile": "Main"})
    assert reason == (
        "Profile 'Main' of configuration 'VideoEncoder_yard_sub' can't be set: it is 'Baseline', as the camera sends it"
    )


def test_another_picture_or_sound_is_refused(model: MediaModel) -> None:
    source = model.video_source_configurations["VideoSourceConfiguration_yard"]
    check = media_settings.check_video_source
    assert "SourceToken 'other'" in refusal(check, source, {"SourceToken": "other"})
    assert "Bounds width 640" in refusal(check, source, {"Bounds": {"x": 0, "y": 0, "width": 640, "height": 1080}})
    assert "Rotate Mode 'ON'" in refusal(check, source, {"Extension": {"Rotate": {"Mode": "ON"}}})
    audio = model.audio_encoders["AudioEncoder_yard_main"]
    assert "Encoding 'g711'" in refusal(media_settings.check_audio_encoder, audio, "AAC", {"Encoding": "G711"})
    assert "SampleRate 8" in refusal(media_settings.check_audio_encoder, audio, "AAC", {"SampleRate": 8})
    metadata = model.metadata["Metadata_yard"]
    for wanted, reason in (
        ({"PTZStatus": {"Status": True, "Position": False}}, "PTZStatus Status of"),
        ({"PTZStatus": {"Status": False, "Position": True}}, "PTZStatus Position of"),
        ({"SensorData": {}}, "SensorData of configuration 'Metadata_yard' can't be set: there is none"),
        ({"CompressionType": "GZIP"}, "CompressionType 'GZIP' of"),
        ({"Events": {"SubscriptionPolicy": {"_any": ["x"]}}}, "can't have a SubscriptionPolicy"),
    ):
        assert reason in refusal(media_metadata.check_metadata, metadata, wanted)


def test_name_group_and_time_out_are_kept(model: MediaModel) -> None:
    encoder = model.video_encoders["VideoEncoder_yard_main"]
    group = {"Address": {"Type": "IPv4", "IPv4Address": "239.7.7.7"}, "Port": 7000, "TTL": 2, "AutoStart": False}
    wanted = {"Name": "Lens", "Multicast": group, "SessionTimeout": timedelta(seconds=30)}
    expected = ConfigurationSettings("Lens", MulticastGroup("239.7.7.7", 7000, 2), 30.0)
    assert media_settings.written(encoder, wanted) == expected


def test_no_address_brings_the_default_group_back() -> None:
    store = Profiles(MemoryStore())
    store.configure(
        "VideoEncoder", "VideoEncoder_yard_main", ConfigurationSettings("", MulticastGroup("239.7.7.7", 7, 1))
    )  # type: ignore[arg-type]
    encoder = build((channel("yard"),), store).video_encoders["VideoEncoder_yard_main"]
    nowhere = {"Address": {"Type": "IPv4", "IPv4Address": NO_GROUP.address}, "Port": 0, "TTL": 0, "AutoStart": False}
    assert media_settings.written(encoder, {"Multicast": nowhere}).multicast is None


@pytest.mark.parametrize(
    ("address", "port", "ttl", "auto", "reason"),
    [
        ("192.0.2.1", 5000, 1, 0, "multicast address '192.0.2.1' of configuration"),
        ("nonsense", 5000, 1, 0, "multicast address 'nonsense' of configuration"),
        ("239.1.1.1", 0, 1, 0, "multicast port 0 with TTL 1 of configuration"),
        ("239.1.1.1", 5000, 256, 0, "multicast port 5000 with TTL 256 of configuration"),
        ("ff15::1", 5000, 1, 1, "AutoStart of configuration"),
    ],
)
def test_impossible_groups_are_refused(
    model: MediaModel, address: str, port: int, ttl: int, auto: int, reason: str
) -> None:
    encoder = model.video_encoders["VideoEncoder_yard_main"]
    family = "IPv6Address" if ":" in address else "IPv4Address"
    group = {"Address": {family: address}, "Port": port, "TTL": ttl, "AutoStart": bool(auto)}
    assert reason in refusal(media_settings.written, encoder, {"Multicast": group})


@pytest.mark.parametrize("seconds", [0, 3601])
def test_impossible_time_outs_are_refused(model: MediaModel, seconds: int) -> None:
    encoder = model.video_encoders["VideoEncoder_yard_main"]
    reason = refusal(media_settings.written, encoder, {"SessionTimeout": timedelta(seconds=seconds)})
    assert reason.startswith(f"SessionTimeout of {seconds} s of configuration")
