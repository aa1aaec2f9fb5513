"""Media1: every operation with good input, unknown tokens and edge cases; every answer valid."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from lxml import etree
from media_samples import (
    AAC,
    CONTEXT,
    OPUS,
    PCMA,
    FixedChannels,
    MemoryStore,
    RecordingMulticast,
    channel,
    main_and_sub,
    media_profiles,
)
from onvif_calls import CONTRACT, Caller

from gateway.domain.camera import ConnectionState
from gateway.domain.errors import GatewayError
from gateway.domain.media import MediaKind, StreamDescription
from gateway.onvif.faults import Receiver, Sender, SoapFault
from gateway.onvif.media import MediaService
from gateway.onvif.media_faults import ANONYMOUS_FAULTS
from gateway.onvif.media_profiles import MediaProfiles, Streaming

Validate = Callable[[etree._Element], object]
PROFILE = "<trt:ProfileToken>{}</trt:ProfileToken>"
CONFIGURATION = "<trt:ConfigurationToken>{}</trt:ConfigurationToken>"
BOTH = PROFILE + CONFIGURATION
KINDS = {
    "VideoSource": "VideoSourceConfiguration_yard",
    "VideoEncoder": "VideoEncoder_yard_main",
    "AudioSource": "AudioSourceConfiguration_yard",
    "AudioEncoder": "AudioEncoder_yard_main",
    "Metadata": "Metadata_yard",
}


def media1(validate: Validate, *channels: object, streaming: Streaming | None = None) -> Caller:
    return Caller(MediaService(media_profiles(*channels, streaming=streaming)), validate)  # type: ignore[arg-type]


@pytest.fixture
def call(validate: Validate) -> Caller:
    streams = main_and_sub(audio=AAC)
    return media1(validate, channel("yard", streams), channel("door"), streaming=Streaming(RecordingMulticast()))


async def refusal(call: Caller, operation: str, request: str = "") -> tuple[str, ...]:
    with pytest.raises(SoapFault) as refused:
        await call(operation, request)
    assert refused.value.reason
    return (refused.value.code.value, *refused.value.subcodes)


NO_PROFILE = ("Sender", "InvalidArgVal", "NoProfile")
NO_CONFIG = ("Sender", "InvalidArgVal", "NoConfig")
CONFLICT = ("Receiver", "Action", "ConfigurationConflict")


def test_every_operation_of_the_wsdl_is_there() -> None:
    names = {operation.name for operation in CONTRACT.operations(MediaService.namespace)}
    assert not [name for name in names - {"GetServiceCapabilities"} if not hasattr(MediaService, name)]


async def test_profiles_are_complete_and_in_channel_order(call: Caller) -> None:
    profiles = (await call("GetProfiles"))["Profiles"]
    assert [profile["token"] for profile in profiles] == ["yard_main", "yard_sub", "door_main", "door_sub"]
    assert all(profile["fixed"] for profile in profiles)
    for profile in profiles:
        encoder = profile["VideoEncoderConfiguration"]
        assert encoder["Resolution"]["Width"] > 0
        assert encoder["RateControl"]["FrameRateLimit"] > 0
        assert encoder["H264"]["GovLength"] > 0
        assert encoder["Multicast"]["Address"]["IPv4Address"] == "239.1.2.3"
        assert profile["VideoSourceConfiguration"]["SourceToken"].startswith("VideoSource_")
        assert profile["VideoSourceConfiguration"]["Bounds"]["width"] == 1920
    assert "AudioEncoderConfiguration" in profiles[0]
    assert "AudioEncoderConfiguration" not in profiles[1]
    assert profiles[0]["VideoSourceConfiguration"]["UseCount"] == 2


async def test_one_profile(call: Caller) -> None:
    assert (await call("GetProfile", PROFILE.format("door_sub")))["Profile"]["Name"] == "Door sub"
    assert await refusal(call, "GetProfile", PROFILE.format("ghost")) == NO_PROFILE


async def test_an_offline_channel_is_as_complete_as_the_others(validate: Validate) -> None:
    nothing = (StreamDescription(()), StreamDescription(()))
    call = media1(validate, channel("yard", nothing, ConnectionState.OFFLINE), channel("door"))
    first, *_, last = (await call("GetProfiles"))["Profiles"]
    assert first.keys() == last.keys()
    assert len((await call("GetVideoSources"))["VideoSources"]) == 2


async def test_without_cameras_lists_are_empty(validate: Validate) -> None:
    call = media1(validate)
    assert await call("GetProfiles") == {"Profiles": []}
    assert await call("GetVideoSources") == {"VideoSources": []}
    assert await refusal(call, "GetVideoEncoderConfigurationOptions") == NO_CONFIG


async def test_h265_is_shown_by_the_h264_stream_of_its_channel(validate: Validate) -> None:
    call = media1(validate, channel("yard", main_and_sub("H265", "H264", AAC, PCMA)), channel("gate"))
    profile = (await call("GetProfile", PROFILE.format("yard_main")))["Profile"]
    encoder = profile["VideoEncoderConfiguration"]
    assert (encoder["token"], encoder["Encoding"]) == ("VideoEncoder_yard_main", "H264")
    assert encoder["Resolution"] == {"Width": 640, "Height": 360}
    assert profile["AudioEncoderConfiguration"]["Encoding"] == "G711"
    assert await uri(call, "RTP-Unicast", "RTSP", "yard_main") == "rtsp://nvr.example:8554/live/yard/sub"
    options = await call("GetVideoEncoderConfigurationOptions", CONFIGURATION.format("VideoEncoder_yard_main"))
    assert options["Options"]["H264"]["ResolutionsAvailable"] == [{"Width": 640, "Height": 360}]


async def test_a_channel_of_nothing_but_h265_is_not_listed(validate: Validate) -> None:
    call = media1(validate, channel("yard", main_and_sub("H265", "H265")), channel("gate"))
    assert [profile["token"] for profile in (await call("GetProfiles"))["Profiles"]] == ["gate_main", "gate_sub"]
    assert await refusal(call, "GetProfile", PROFILE.format("yard_main")) == NO_PROFILE
    assert await refusal(call, "AddVideoEncoderConfiguration", BOTH.format("gate_main", "VideoEncoder_yard_sub"))
    assert await refusal(call, "GetVideoEncoderConfigurationOptions", PROFILE.format("yard_main")) == NO_CONFIG
    assert len((await call("GetVideoSources"))["VideoSources"]) == 2


async def test_motion_jpeg_is_expressed(validate: Validate) -> None:
    call = media1(validate, channel("yard", main_and_sub("JPEG", "H264")))
    encoder = (await call("GetProfile", PROFILE.format("yard_main")))["Profile"]["VideoEncoderConfiguration"]
    assert encoder["Encoding"] == "JPEG"
    assert "H264" not in encoder
    options = (await call("GetVideoEncoderConfigurationOptions"))["Options"]
    assert options["JPEG"]["ResolutionsAvailable"] == [{"Width": 1920, "Height": 1080}]
    assert options["Extension"]["JPEG"]["BitrateRange"] == {"Min": 4000, "Max": 4000}
    instances = await call("GetGuaranteedNumberOfVideoEncoderInstances", CONFIGURATION.format(KINDS["VideoSource"]))
    assert instances == {"TotalNumber": 2, "JPEG": 1, "H264": 1}


async def test_opus_is_left_to_media2(validate: Validate) -> None:
    call = media1(validate, channel("yard", main_and_sub(audio=OPUS)))
    profile = (await call("GetProfile", PROFILE.format("yard_main")))["Profile"]
    assert "AudioEncoderConfiguration" not in profile
    assert await call("GetAudioEncoderConfigurations") == {"Configurations": []}


async def test_sources(call: Caller) -> None:
    sources = (await call("GetVideoSources"))["VideoSources"]
    assert [source["token"] for source in sources] == ["VideoSource_yard", "VideoSource_door"]
    assert (await call("GetAudioSources"))["AudioSources"] == [{"token": "AudioSource_yard", "Channels": 1}]
    assert await call("GetAudioOutputs") == {"AudioOutputs": []}


@pytest.mark.parametrize(("kind", "token"), KINDS.items())
async def test_configurations_of_a_kind(call: Caller, kind: str, token: str) -> None:
    listed = (await call(f"Get{kind}Configurations"))["Configurations"]
    assert listed[0]["token"] == token
    one = await call(f"Get{kind}Configuration", CONFIGURATION.format(token))
    assert one == {"Configuration": listed[0]}
    assert await refusal(call, f"Get{kind}Configuration", CONFIGURATION.format("ghost")) == NO_CONFIG
    near = (await call(f"GetCompatible{kind}Configurations", PROFILE.format("yard_main")))["Configurations"]
    assert token in [entry["token"] for entry in near]
    assert not [entry for entry in near if "door" in entry["token"]]
    assert await refusal(call, f"GetCompatible{kind}Configurations", PROFILE.format("ghost")) == NO_PROFILE


@pytest.mark.parametrize(("kind", "token"), KINDS.items())
async def test_options_of_a_kind(call: Caller, kind: str, token: str) -> None:
    operation = f"Get{kind}ConfigurationOptions"
    assert "Options" in await call(operation)
    assert "Options" in await call(operation, CONFIGURATION.format(token))
    assert "Options" in await call(operation, PROFILE.format("yard_main"))
    assert "Options" in await call(operation, CONFIGURATION.format(token) + PROFILE.format("yard_main"))
    assert await refusal(call, operation, CONFIGURATION.format("ghost")) == NO_CONFIG
    assert await refusal(call, operation, PROFILE.format("ghost")) == NO_PROFILE
    assert await refusal(call, operation, CONFIGURATION.format(token) + PROFILE.format("door_main")) == NO_CONFIG


@pytest.mark.parametrize(("kind", "token"), KINDS.items())
async def test_what_was_read_can_be_written_back(call: Caller, kind: str, token: str) -> None:
    answer = await call(f"Get{kind}Configuration", CONFIGURATION.format(token))
    node = call.element(f"Get{kind}Configuration", answer)[0]
    text = etree.tostring(node).decode() + "<trt:ForcePersistence>true</trt:ForcePersistence>"
    assert await call(f"Set{kind}Configuration", text) == {}
    assert await call(f"Get{kind}Configuration", CONFIGURATION.format(token)) == answer
    renamed = text.replace(f">{answer['Configuration']['Name']}<", ">Renamed<")
    await call(f"Set{kind}Configuration", renamed)
    assert (await call(f"Get{kind}Configuration", CONFIGURATION.format(token)))["Configuration"]["Name"] == "Renamed"
    unknown = text.replace(f'token="{token}"', 'token="ghost"')
    assert await refusal(call, f"Set{kind}Configuration", unknown) == NO_CONFIG


async def test_what_the_options_offer_is_accepted(call: Caller) -> None:
    token = "VideoEncoder_yard_sub"
    h264 = (await call("GetVideoEncoderConfigurationOptions", CONFIGURATION.format(token)))["Options"]["H264"]
    current = (await call("GetVideoEncoderConfiguration", CONFIGURATION.format(token)))["Configuration"]
    assert h264["ResolutionsAvailable"] == [current["Resolution"]]
    assert h264["FrameRateRange"] == {"Min": 12, "Max": 12}
    assert h264["GovLengthRange"] == {"Min": 25, "Max": 25}
    assert h264["H264ProfilesSupported"] == [current["H264"]["H264Profile"]] == ["Baseline"]


async def test_another_resolution_is_refused_by_name(call: Caller) -> None:
    answer = await call("GetVideoEncoderConfiguration", CONFIGURATION.format("VideoEncoder_yard_main"))
    text = etree.tostring(call.element("GetVideoEncoderConfiguration", answer)[0]).decode()
    text = text.replace(">1920<", ">1280<") + "<trt:ForcePersistence>false</trt:ForcePersistence>"
    with pytest.raises(SoapFault, match="Width 1280 of configuration 'VideoEncoder_yard_main' can't be set") as refused:
        await call("SetVideoEncoderConfiguration", text)
    assert refused.value.subcodes == ("InvalidArgVal", "ConfigModify")


async def test_a_profile_is_made_filled_played_emptied_and_deleted(call: Caller) -> None:
    made = (await call("CreateProfile", "<trt:Name>Nx</trt:Name><trt:Token>nx-1</trt:Token>"))["Profile"]
    assert made == {"token": "nx-1", "fixed": False, "Name": "Nx"}
    assert await refusal(call, "GetStreamUri", SETUP.format("RTP-Unicast", "RTSP") + PROFILE.format("nx-1")) == (
        "Receiver",
        "Action",
        "IncompleteConfiguration",
    )
    for kind, token in KINDS.items():
        assert await call(f"Add{kind}Configuration", BOTH.format("nx-1", token)) == {}
    profile = (await call("GetProfile", PROFILE.format("nx-1")))["Profile"]
    assert {profile[f"{kind}Configuration"]["token"] for kind in KINDS} == set(KINDS.values())
    assert profile["VideoSourceConfiguration"]["UseCount"] == 3
    assert await uri(call, "RTP-Unicast", "UDP", "nx-1") == "rtsp://nvr.example:8554/live/yard/main/metadata"
    for kind in KINDS:
        assert await call(f"Remove{kind}Configuration", PROFILE.format("nx-1")) == {}
        assert await call(f"Remove{kind}Configuration", PROFILE.format("nx-1")) == {}
    assert (await call("GetProfile", PROFILE.format("nx-1")))["Profile"] == made
    assert await call("DeleteProfile", PROFILE.format("nx-1")) == {}
    assert await refusal(call, "DeleteProfile", PROFILE.format("nx-1")) == NO_PROFILE


@pytest.mark.parametrize("kind", KINDS)
async def test_adding_and_removing_with_unknown_tokens(call: Caller, kind: str) -> None:
    assert await refusal(call, f"Add{kind}Configuration", BOTH.format("ghost", KINDS[kind])) == NO_PROFILE
    assert await refusal(call, f"Add{kind}Configuration", BOTH.format("yard_main", "ghost")) == NO_CONFIG
    assert await refusal(call, f"Remove{kind}Configuration", PROFILE.format("ghost")) == NO_PROFILE


async def test_configurations_of_two_channels_or_streams_do_not_mix(call: Caller) -> None:
    await call("CreateProfile", "<trt:Name>Mix</trt:Name><trt:Token>mix</trt:Token>")
    await call("AddVideoSourceConfiguration", BOTH.format("mix", KINDS["VideoSource"]))
    assert await refusal(call, "AddVideoEncoderConfiguration", BOTH.format("mix", "VideoEncoder_door_main")) == CONFLICT
    await call("AddVideoEncoderConfiguration", BOTH.format("mix", "VideoEncoder_yard_sub"))
    assert await refusal(call, "AddAudioEncoderConfiguration", BOTH.format("mix", KINDS["AudioEncoder"])) == CONFLICT
    near = await call("GetCompatibleAudioEncoderConfigurations", PROFILE.format("mix"))
    assert near == {"Configurations": []}


async def test_a_token_in_use_is_refused(call: Caller) -> None:
    exists = ("Sender", "InvalidArgVal", "ProfileExists")
    request = "<trt:Name>Again</trt:Name><trt:Token>{}</trt:Token>"
    assert await refusal(call, "CreateProfile", request.format("yard_main")) == exists
    await call("CreateProfile", request.format("mine"))
    assert await refusal(call, "CreateProfile", request.format("mine")) == exists


async def test_the_number_of_profiles_is_as_announced(call: Caller) -> None:
    assert isinstance(call.service, MediaService)
    limit = call.service.capabilities()["ProfileCapabilities"]["MaximumNumberOfProfiles"]
    for number in range(limit - 4):
        await call("CreateProfile", f"<trt:Name>{number}</trt:Name>")
    assert len((await call("GetProfiles"))["Profiles"]) == limit
    full = ("Receiver", "Action", "MaxNVTProfiles")
    assert await refusal(call, "CreateProfile", "<trt:Name>One more</trt:Name>") == full


async def test_fixed_profiles_stay_but_take_metadata(call: Caller) -> None:
    fixed = ("Sender", "Action", "DeletionOfFixedProfile")
    assert await refusal(call, "DeleteProfile", PROFILE.format("yard_main")) == fixed
    assert await refusal(call, "RemoveVideoEncoderConfiguration", PROFILE.format("yard_main")) == CONFLICT
    other = BOTH.format("yard_main", "VideoEncoder_yard_sub")
    assert await refusal(call, "AddVideoEncoderConfiguration", other) == CONFLICT
    assert await call("AddVideoEncoderConfiguration", BOTH.format("yard_main", KINDS["VideoEncoder"])) == {}
    await call("AddMetadataConfiguration", BOTH.format("yard_main", KINDS["Metadata"]))
    assert "MetadataConfiguration" in (await call("GetProfile", PROFILE.format("yard_main")))["Profile"]
    await call("RemoveMetadataConfiguration", PROFILE.format("yard_main"))
    assert "MetadataConfiguration" not in (await call("GetProfile", PROFILE.format("yard_main")))["Profile"]


SETUP = (
    "<trt:StreamSetup><tt:Stream>{}</tt:Stream>"
    "<tt:Transport><tt:Protocol>{}</tt:Protocol></tt:Transport></trt:StreamSetup>"
)


async def uri(call: Caller, stream: str, protocol: str, profile: str) -> str:
    answer = await call("GetStreamUri", SETUP.format(stream, protocol) + PROFILE.format(profile))
    text: str = answer["MediaUri"]["Uri"]
    return text


@pytest.mark.parametrize(
    ("stream", "protocol", "expected"),
    [
        ("RTP-Unicast", "UDP", "rtsp://nvr.example:8554/live/yard/main"),
        ("RTP-Unicast", "RTSP", "rtsp://nvr.example:8554/live/yard/main"),
        ("RTP-Unicast", "HTTP", "http://nvr.example:8080/live/yard/main"),
        ("RTP_unicast", "RTSP", "rtsp://nvr.example:8554/live/yard/main"),
        ("RTP-Multicast", "UDP", "rtsp://nvr.example:8554/live/yard/main?multicast"),
        ("RTP_multicast", "RTSP", "rtsp://nvr.example:8554/live/yard/main?multicast"),
    ],
)
async def test_stream_uris(call: Caller, stream: str, protocol: str, expected: str) -> None:
    assert await uri(call, stream, protocol, "yard_main") == expected


async def test_stream_uris_that_are_refused(call: Caller, validate: Validate) -> None:
    invalid = ("Sender", "InvalidArgVal", "InvalidStreamSetup")
    profile = PROFILE.format("yard_main")
    assert await refusal(call, "GetStreamUri", SETUP.format("RTP-Unicast", "TCP") + profile) == invalid
    without = media1(validate, channel("yard"))
    assert await refusal(without, "GetStreamUri", SETUP.format("RTP-Multicast", "UDP") + profile) == invalid
    request = SETUP.format("RTP-Unicast", "UDP") + PROFILE.format("ghost")
    assert await refusal(call, "GetStreamUri", request) == NO_PROFILE


async def test_uris_stay_short(validate: Validate) -> None:
    call = media1(validate, channel("x" * 32))
    context = replace(CONTEXT, base=f"http://{'h' * 63}:8080", host="h" * 63)
    request = SETUP.format("RTP-Unicast", "HTTP") + PROFILE.format("x" * 32 + "_main")
    assert len((await call("GetStreamUri", request, context))["MediaUri"]["Uri"]) <= 128


async def test_snapshot_uri(call: Caller) -> None:
    answer = await call("GetSnapshotUri", PROFILE.format("yard_sub"))
    assert answer["MediaUri"]["Uri"] == "http://nvr.example:8080/snapshot/yard/sub"
    assert await refusal(call, "GetSnapshotUri", PROFILE.format("ghost")) == NO_PROFILE


async def test_multicast_is_started_and_stopped(validate: Validate) -> None:
    multicast = RecordingMulticast()
    call = media1(validate, channel("yard", main_and_sub(audio=AAC)), streaming=Streaming(multicast))
    await call("StartMulticastStreaming", PROFILE.format("yard_main"))
    groups = multicast.sending["/live/yard/main"]
    assert {kind: group.port for kind, group in groups.items()} == {MediaKind.VIDEO: 5000, MediaKind.AUDIO: 5002}
    await call("StopMulticastStreaming", PROFILE.format("yard_main"))
    assert not multicast.sending
    assert await refusal(call, "StartMulticastStreaming", PROFILE.format("ghost")) == NO_PROFILE
    assert await refusal(call, "StopMulticastStreaming", PROFILE.format("ghost")) == NO_PROFILE


@pytest.mark.parametrize("operation", ["StartMulticastStreaming", "StopMulticastStreaming"])
async def test_multicast_that_is_off_is_refused(validate: Validate, operation: str) -> None:
    call = media1(validate, channel("yard"))
    with pytest.raises(GatewayError, match="profile 'yard_main' can't be sent to a group: multicast is switched off"):
        await call(operation, PROFILE.format("yard_main"))


async def test_a_key_frame_is_asked_for(validate: Validate) -> None:
    asked: list[str] = []
    call = media1(validate, channel("yard"), streaming=Streaming(synchronize=asked.append))
    assert await call("SetSynchronizationPoint", PROFILE.format("yard_sub")) == {}
    assert asked == ["/live/yard/sub"]
    assert await refusal(call, "SetSynchronizationPoint", PROFILE.format("ghost")) == NO_PROFILE


async def test_what_no_channel_has_is_empty_or_refused(call: Caller) -> None:
    for kind in ("AudioOutput", "AudioDecoder", "VideoAnalytics"):
        assert await call(f"Get{kind}Configurations") == {"Configurations": []}
        near = await call(f"GetCompatible{kind}Configurations", PROFILE.format("yard_main"))
        assert near == {"Configurations": []}
        assert await refusal(call, f"Get{kind}Configuration", CONFIGURATION.format("ghost")) == NO_CONFIG
    for kind, code in (
        ("AudioOutput", "AudioOutputNotSupported"),
        ("AudioDecoder", "AudioDecodingNotSupported"),
        ("VideoAnalytics", "VideoAnalyticsNotSupported"),
        ("PTZ", "PTZNotSupported"),
    ):
        unsupported = ("Receiver", "ActionNotSupported", code)
        assert await refusal(call, f"Add{kind}Configuration", BOTH.format("yard_main", "x")) == unsupported
        assert await refusal(call, f"Remove{kind}Configuration", PROFILE.format("yard_main")) == unsupported
        assert await refusal(call, f"Add{kind}Configuration", BOTH.format("ghost", "x")) == NO_PROFILE
    unsupported = ("Receiver", "ActionNotSupported", "AudioOutputNotSupported")
    assert await refusal(call, "GetAudioOutputConfigurationOptions") == unsupported
    assert await refusal(call, "GetAudioDecoderConfigurationOptions", PROFILE.format("ghost")) == NO_PROFILE


async def test_settings_of_what_no_channel_has_are_refused(call: Caller) -> None:
    head = '<trt:Configuration token="ghost"><tt:Name>x</tt:Name><tt:UseCount>0</tt:UseCount>'
    tail = "</trt:Configuration><trt:ForcePersistence>true</trt:ForcePersistence>"
    output = "<tt:OutputToken>o</tt:OutputToken><tt:OutputLevel>1</tt:OutputLevel>"
    assert await refusal(call, "SetAudioOutputConfiguration", head + output + tail) == NO_CONFIG
    assert await refusal(call, "SetAudioDecoderConfiguration", head + tail) == NO_CONFIG
    engines = "<tt:AnalyticsEngineConfiguration/><tt:RuleEngineConfiguration/>"
    assert await refusal(call, "SetVideoAnalyticsConfiguration", head + engines + tail) == NO_CONFIG


async def test_no_audio_anywhere(validate: Validate) -> None:
    call = media1(validate, channel("yard"))
    unsupported = ("Receiver", "ActionNotSupported", "AudioNotSupported")
    assert await call("GetAudioSources") == {"AudioSources": []}
    assert await call("GetAudioEncoderConfigurations") == {"Configurations": []}
    assert await refusal(call, "GetAudioEncoderConfigurationOptions") == unsupported
    assert await refusal(call, "GetAudioSourceConfigurationOptions") == unsupported
    assert await refusal(call, "AddAudioSourceConfiguration", BOTH.format("yard_main", "x")) == unsupported


async def test_encoder_instances(call: Caller) -> None:
    request = CONFIGURATION.format(KINDS["VideoSource"])
    answer = await call("GetGuaranteedNumberOfVideoEncoderInstances", request)
    assert answer == {"TotalNumber": 2, "JPEG": 0, "H264": 2}
    unknown = CONFIGURATION.format("ghost")
    assert await refusal(call, "GetGuaranteedNumberOfVideoEncoderInstances", unknown) == NO_CONFIG


async def test_source_modes(call: Caller) -> None:
    source = "<trt:VideoSourceToken>{}</trt:VideoSourceToken>"
    mode = "<trt:VideoSourceModeToken>{}</trt:VideoSourceModeToken>"
    (only,) = (await call("GetVideoSourceModes", source.format("VideoSource_yard")))["VideoSourceModes"]
    assert only["Encodings"] == ["H264"]
    answer = await call("SetVideoSourceMode", source.format("VideoSource_yard") + mode.format(only["token"]))
    assert answer == {"Reboot": False}
    no_source = ("Sender", "InvalidArgVal", "NoVideoSource")
    no_mode = ("Sender", "InvalidArgVal", "NoVideoSourceMode")
    assert await refusal(call, "GetVideoSourceModes", source.format("ghost")) == no_source
    assert await refusal(call, "SetVideoSourceMode", source.format("ghost") + mode.format("x")) == no_source
    assert await refusal(call, "SetVideoSourceMode", source.format("VideoSource_yard") + mode.format("x")) == no_mode


OSD = (
    '<trt:OSD token="ghost"><tt:VideoSourceConfigurationToken>{}</tt:VideoSourceConfigurationToken>'
    "<tt:Type>Text</tt:Type><tt:Position><tt:Type>Custom</tt:Type></tt:Position></trt:OSD>"
)


async def test_there_is_room_for_no_osd(call: Caller) -> None:
    source, token = KINDS["VideoSource"], "<trt:OSDToken>ghost</trt:OSDToken>"
    assert await call("GetOSDs") == {"OSDs": []}
    assert await call("GetOSDs", CONFIGURATION.format(source)) == {"OSDs": []}
    assert await refusal(call, "GetOSDs", CONFIGURATION.format("ghost")) == NO_CONFIG
    options = await call("GetOSDOptions", CONFIGURATION.format(source))
    assert options["OSDOptions"]["MaximumNumberOfOSDs"] == {"Total": 0}
    assert await refusal(call, "GetOSDOptions", CONFIGURATION.format("ghost")) == NO_CONFIG
    assert await refusal(call, "CreateOSD", OSD.format(source)) == ("Receiver", "Action", "MaxOSDs")
    assert await refusal(call, "CreateOSD", OSD.format("ghost")) == NO_CONFIG
    for operation in ("GetOSD", "DeleteOSD"):
        assert await refusal(call, operation, token) == NO_CONFIG
    assert await refusal(call, "SetOSD", OSD.format(source)) == NO_CONFIG


async def test_capabilities(call: Caller, validate: Validate) -> None:
    assert isinstance(call.service, MediaService)
    capabilities = call.service.capabilities()
    validate(call.element("GetServiceCapabilities", {"Capabilities": capabilities}))
    assert capabilities["SnapshotUri"] is True
    assert capabilities["StreamingCapabilities"]["RTPMulticast"] is True
    without = MediaService(media_profiles(channel("yard")))
    assert without.capabilities()["StreamingCapabilities"]["RTPMulticast"] is False


async def test_a_changed_stream_is_shown_at_once(validate: Validate) -> None:
    cameras = FixedChannels(channel("yard"))
    profiles = media_profiles()
    call = Caller(MediaService(MediaProfiles(cameras, profiles.stored)), validate)
    await call("GetProfiles")
    cameras.now = (channel("yard", main_and_sub("JPEG")),)
    encoder = (await call("GetProfiles"))["Profiles"][0]["VideoEncoderConfiguration"]
    assert encoder["Encoding"] == "JPEG"


async def test_made_profiles_survive_a_restart(validate: Validate) -> None:
    store = MemoryStore()
    before = Caller(MediaService(media_profiles(channel("yard"), store=store)), validate)
    await before("CreateProfile", "<trt:Name>Mine</trt:Name><trt:Token>mine</trt:Token>")
    await before("AddVideoSourceConfiguration", BOTH.format("mine", KINDS["VideoSource"]))
    after = Caller(MediaService(media_profiles(channel("yard"), store=store)), validate)
    assert await after("GetProfile", PROFILE.format("mine")) == await before("GetProfile", PROFILE.format("mine"))


def test_synology_hears_that_there_is_no_room() -> None:
    fault = ANONYMOUS_FAULTS[f"{{{MediaService.namespace}}}CreateProfile"]
    answer = fault({"Name": "SynoProfile"})
    assert answer is not None
    assert (answer.code, *answer.subcodes) == (Receiver, "Action", "MaxNVTProfiles")
    assert fault({"Name": "Anybody's"}) is None
    assert Sender is not Receiver
