"""Media2: every operation with good input, unknown tokens and edge cases; every answer valid."""

from collections.abc import Callable

import pytest
from lxml import etree
from media_samples import AAC, OPUS, RecordingMulticast, channel, main_and_sub, media_profiles
from onvif_calls import CONTRACT, Caller

from gateway.domain.media import MediaKind
from gateway.onvif.faults import SoapFault
from gateway.onvif.media import MediaService
from gateway.onvif.media2 import Media2Service
from gateway.onvif.media_profiles import Streaming

Validate = Callable[[etree._Element], object]
TOKEN = "<tr2:Token>{}</tr2:Token>"
TYPE = "<tr2:Type>{}</tr2:Type>"
PROFILE = "<tr2:ProfileToken>{}</tr2:ProfileToken>"
CONFIGURATION = "<tr2:ConfigurationToken>{}</tr2:ConfigurationToken>"
REFERENCE = "<tr2:Configuration><tr2:Type>{}</tr2:Type><tr2:Token>{}</tr2:Token></tr2:Configuration>"
KINDS = {
    "VideoSource": "VideoSourceConfiguration_yard",
    "VideoEncoder": "VideoEncoder_yard_main",
    "AudioSource": "AudioSourceConfiguration_yard",
    "AudioEncoder": "AudioEncoder_yard_main",
    "Metadata": "Metadata_yard",
}
NO_PROFILE = ("Sender", "InvalidArgVal", "NoProfile")
NO_CONFIG = ("Sender", "InvalidArgVal", "NoConfig")
CONFLICT = ("Receiver", "Action", "ConfigurationConflict")
UNANNOUNCED = {
    "SetEQPresetConfiguration",
    *("GetWebRTCConfigurations", "SetWebRTCConfigurations"),
    *("GetAudioClips", "AddAudioClip", "SetAudioClip", "AddTTSAudioClip", "DeleteAudioClip", "PlayAudioClip"),
    "GetPlayingAudioClips",
    *("GetMulticastAudioDecoderConfigurations", "GetMulticastAudioDecoderConfigurationOptions"),
    "SetMulticastAudioDecoderConfiguration",
}
"""Operations of features that the capabilities say are not there; the endpoint answers ActionNotSupported."""


def media2(validate: Validate, *channels: object, streaming: Streaming | None = None) -> Caller:
    return Caller(Media2Service(media_profiles(*channels, streaming=streaming)), validate)  # type: ignore[arg-type]


@pytest.fixture
def call(validate: Validate) -> Caller:
    streams = main_and_sub("H265", "H264", AAC)
    return media2(validate, channel("yard", streams), channel("door"), streaming=Streaming(RecordingMulticast()))


async def refusal(call: Caller, operation: str, request: str = "") -> tuple[str, ...]:
    with pytest.raises(SoapFault) as refused:
        await call(operation, request)
    assert refused.value.reason
    return (refused.value.code.value, *refused.value.subcodes)


def test_every_operation_that_is_announced_is_there() -> None:
    names = {operation.name for operation in CONTRACT.operations(Media2Service.namespace)}
    assert {name for name in names - {"GetServiceCapabilities"} if not hasattr(Media2Service, name)} == UNANNOUNCED


async def test_profiles_hold_the_types_asked_for(call: Caller) -> None:
    bare = (await call("GetProfiles"))["Profiles"]
    assert [profile["token"] for profile in bare] == ["yard_main", "yard_sub", "door_main", "door_sub"]
    assert not any("Configurations" in profile for profile in bare)
    full = (await call("GetProfiles", TYPE.format("All")))["Profiles"]
    assert set(full[0]["Configurations"]) == set(KINDS) - {"Metadata"}
    assert set(full[2]["Configurations"]) == {"VideoSource", "VideoEncoder"}
    two = (await call("GetProfiles", TYPE.format("VideoEncoder") + TYPE.format("PTZ")))["Profiles"]
    assert set(two[0]["Configurations"]) == {"VideoEncoder"}
    assert two[0]["Configurations"]["VideoEncoder"]["Encoding"] == "H265"
    one = (await call("GetProfiles", TOKEN.format("door_sub") + TYPE.format("VideoSource")))["Profiles"]
    assert [profile["token"] for profile in one] == ["door_sub"]
    assert await refusal(call, "GetProfiles", TOKEN.format("ghost")) == NO_PROFILE


async def test_both_medias_say_the_same(validate: Validate) -> None:
    shared = media_profiles(channel("yard", main_and_sub(audio=AAC)), channel("door"))
    first, second = Caller(MediaService(shared), validate), Caller(Media2Service(shared), validate)
    old = (await first("GetProfiles"))["Profiles"]
    new = (await second("GetProfiles", TYPE.format("All")))["Profiles"]
    for before, after in zip(old, new, strict=True):
        assert (before["token"], before["Name"], before["fixed"]) == (after["token"], after["Name"], after["fixed"])
        one, two = before["VideoEncoderConfiguration"], after["Configurations"]["VideoEncoder"]
        assert (one["token"], one["Resolution"], one["UseCount"]) == (two["token"], two["Resolution"], two["UseCount"])
        assert one["H264"] == {"GovLength": two["GovLength"], "H264Profile": two["Profile"]}
        assert before["VideoSourceConfiguration"] == after["Configurations"]["VideoSource"]


async def test_encoders_of_every_codec(validate: Validate) -> None:
    call = media2(validate, channel("yard", main_and_sub("JPEG", "H265", OPUS)))
    jpeg, h265 = (await call("GetVideoEncoderConfigurations"))["Configurations"]
    assert "GovLength" not in jpeg
    assert (h265["Encoding"], h265["GovLength"], h265["Profile"]) == ("H265", 25, "Main")
    assert h265["RateControl"] == {"FrameRateLimit": 12.5, "BitrateLimit": 520}
    options = (await call("GetVideoEncoderConfigurationOptions"))["Options"]
    assert [option["Encoding"] for option in options] == ["H265", "JPEG"]
    assert options[0]["FrameRatesSupported"] == [12.5]
    assert options[0]["GovLengthRange"] == [25, 25]
    (opus,) = (await call("GetAudioEncoderConfigurations"))["Configurations"]
    assert (opus["Encoding"], opus["SampleRate"]) == ("OPUS", 48)


@pytest.mark.parametrize(("kind", "token"), KINDS.items())
async def test_configurations_of_a_kind(call: Caller, kind: str, token: str) -> None:
    operation = f"Get{kind}Configurations"
    everything = (await call(operation))["Configurations"]
    one = (await call(operation, CONFIGURATION.format(token)))["Configurations"]
    assert one == everything[:1]
    assert one[0]["token"] == token
    near = (await call(operation, PROFILE.format("yard_main")))["Configurations"]
    assert token in [entry["token"] for entry in near]
    assert not [entry for entry in near if "door" in entry["token"]]
    assert (await call(operation, CONFIGURATION.format(token) + PROFILE.format("door_main")))["Configurations"] == one
    assert await refusal(call, operation, CONFIGURATION.format("ghost")) == NO_CONFIG
    assert await refusal(call, operation, PROFILE.format("ghost")) == NO_PROFILE
    assert await refusal(call, operation, CONFIGURATION.format(token) + PROFILE.format("ghost")) == NO_PROFILE


@pytest.mark.parametrize(("kind", "token"), KINDS.items())
async def test_options_of_a_kind(call: Caller, kind: str, token: str) -> None:
    operation = f"Get{kind}ConfigurationOptions"
    both = CONFIGURATION.format(token) + PROFILE.format("yard_main")
    for request in ("", CONFIGURATION.format(token), PROFILE.format("yard_main"), both):
        assert (await call(operation, request))["Options"]
    assert await refusal(call, operation, CONFIGURATION.format("ghost")) == NO_CONFIG
    assert await refusal(call, operation, PROFILE.format("ghost")) == NO_PROFILE
    foreign = CONFIGURATION.format(token) + PROFILE.format("door_main")
    assert await refusal(call, operation, foreign) == ("Sender", "InvalidArgVal", "IncompatibleConfiguration")


@pytest.mark.parametrize(("kind", "token"), KINDS.items())
async def test_what_was_read_can_be_written_back(call: Caller, kind: str, token: str) -> None:
    answer = await call(f"Get{kind}Configurations", CONFIGURATION.format(token))
    node = call.element(f"Get{kind}Configurations", answer)[0]
    node.tag = f"{{{Media2Service.namespace}}}Configuration"
    text = etree.tostring(node).decode()
    assert await call(f"Set{kind}Configuration", text) == {}
    assert await call(f"Get{kind}Configurations", CONFIGURATION.format(token)) == answer
    unknown = text.replace(f'token="{token}"', 'token="ghost"')
    assert await refusal(call, f"Set{kind}Configuration", unknown) == NO_CONFIG


async def test_another_encoding_is_refused_by_name(call: Caller) -> None:
    answer = await call("GetVideoEncoderConfigurations", CONFIGURATION.format(KINDS["VideoEncoder"]))
    node = call.element("GetVideoEncoderConfigurations", answer)[0]
    node.tag = f"{{{Media2Service.namespace}}}Configuration"
    text = etree.tostring(node).decode().replace(">H265<", ">H264<")
    with pytest.raises(SoapFault, match="Encoding 'H264' of configuration 'VideoEncoder_yard_main'") as refused:
        await call("SetVideoEncoderConfiguration", text)
    assert refused.value.subcodes == ("InvalidArgVal", "ConfigModify")


async def test_a_written_group_is_shown_in_both_medias(validate: Validate) -> None:
    shared = media_profiles(channel("yard"))
    call, old = Caller(Media2Service(shared), validate), Caller(MediaService(shared), validate)
    answer = await call("GetVideoEncoderConfigurations", CONFIGURATION.format(KINDS["VideoEncoder"]))
    node = call.element("GetVideoEncoderConfigurations", answer)[0]
    node.tag = f"{{{Media2Service.namespace}}}Configuration"
    group = "<tt:Port>6000</tt:Port><tt:TTL>7</tt:TTL>"
    text = etree.tostring(node).decode().replace(">0.0.0.0<", ">239.5.5.5<")
    text = text.replace("<tt:Port>0</tt:Port><tt:TTL>0</tt:TTL>", group)
    await call("SetVideoEncoderConfiguration", text)
    request = "<trt:ConfigurationToken>VideoEncoder_yard_main</trt:ConfigurationToken>"
    shown = (await old("GetVideoEncoderConfiguration", request))["Configuration"]["Multicast"]
    assert shown == {
        "Address": {"Type": "IPv4", "IPv4Address": "239.5.5.5"},
        "Port": 6000,
        "TTL": 7,
        "AutoStart": False,
    }


async def test_groups_of_a_path_are_those_of_its_configurations(call: Caller, validate: Validate) -> None:
    assert isinstance(call.service, Media2Service)
    groups = call.service.profiles.groups("/live/yard/main")
    assert {kind: (group.address, group.port) for kind, group in groups.items()} == {
        MediaKind.VIDEO: ("239.1.2.3", 5000),
        MediaKind.AUDIO: ("239.1.2.3", 5002),
        MediaKind.APPLICATION: ("239.1.2.3", 5004),
    }
    off = media2(validate, channel("yard")).service
    assert isinstance(off, Media2Service)
    assert off.profiles.groups("/live/yard/main") == {}


async def test_a_profile_is_made_filled_played_emptied_and_deleted(call: Caller) -> None:
    references = "".join(REFERENCE.format(kind, token) for kind, token in KINDS.items())
    token = (await call("CreateProfile", "<tr2:Name>Genetec</tr2:Name>" + references))["Token"]
    request = TOKEN.format(token) + TYPE.format("All")
    (profile,) = (await call("GetProfiles", request))["Profiles"]
    assert profile["fixed"] is False
    assert {entry["token"] for entry in profile["Configurations"].values()} == set(KINDS.values())
    protocol = "<tr2:Protocol>RtspUnicast</tr2:Protocol>" + PROFILE.format(token)
    assert await call("GetStreamUri", protocol) == {"Uri": "rtsp://nvr.example:8554/live/yard/main/metadata"}
    removal = "<tr2:Configuration><tr2:Type>{}</tr2:Type></tr2:Configuration>"
    await call("RemoveConfiguration", PROFILE.format(token) + removal.format("VideoEncoder") + removal.format("PTZ"))
    assert await refusal(call, "GetStreamUri", protocol) == ("Receiver", "Action", "IncompleteConfiguration")
    await call("RemoveConfiguration", PROFILE.format(token) + removal.format("AudioEncoder"))
    assert await call("GetStreamUri", protocol) == {"Uri": "rtsp://nvr.example:8554/live/yard/metadata"}
    await call("RemoveConfiguration", PROFILE.format(token) + removal.format("All"))
    (profile,) = (await call("GetProfiles", request))["Profiles"]
    assert profile["Configurations"] == {}
    encoder = REFERENCE.format("VideoEncoder", "VideoEncoder_door_sub") + REFERENCE.format("All", "")
    await call("AddConfiguration", PROFILE.format(token) + "<tr2:Name>Renamed</tr2:Name>" + encoder)
    (profile,) = (await call("GetProfiles", request))["Profiles"]
    assert (profile["Name"], list(profile["Configurations"])) == ("Renamed", ["VideoEncoder"])
    assert await call("DeleteProfile", TOKEN.format(token)) == {}
    assert await refusal(call, "DeleteProfile", TOKEN.format(token)) == NO_PROFILE


async def test_a_profile_that_can_not_be_filled_is_not_made(call: Caller) -> None:
    name = "<tr2:Name>Bad</tr2:Name>"
    mixed = REFERENCE.format("VideoSource", KINDS["VideoSource"]) + REFERENCE.format(
        "VideoEncoder", "VideoEncoder_door_main"
    )
    assert await refusal(call, "CreateProfile", name + mixed) == CONFLICT
    for kind in (*KINDS, "PTZ", "Analytics", "AudioOutput", "AudioDecoder", "Receiver", "Nonsense"):
        assert await refusal(call, "CreateProfile", name + REFERENCE.format(kind, "ghost")) == NO_CONFIG
    assert len((await call("GetProfiles"))["Profiles"]) == 4


async def test_a_whole_profile_can_change_its_channel_at_once(call: Caller) -> None:
    yard = REFERENCE.format("VideoSource", KINDS["VideoSource"]) + REFERENCE.format(
        "VideoEncoder", KINDS["VideoEncoder"]
    )
    token = (await call("CreateProfile", "<tr2:Name>Tour</tr2:Name>" + yard))["Token"]
    source = REFERENCE.format("VideoSource", "VideoSourceConfiguration_door")
    assert await refusal(call, "AddConfiguration", PROFILE.format(token) + source) == CONFLICT
    both = source + REFERENCE.format("VideoEncoder", "VideoEncoder_door_main")
    assert await call("AddConfiguration", PROFILE.format(token) + both) == {}


async def test_unknown_profiles(call: Caller) -> None:
    reference = REFERENCE.format("VideoSource", KINDS["VideoSource"])
    for operation, request in (
        ("AddConfiguration", PROFILE.format("ghost") + reference),
        ("RemoveConfiguration", PROFILE.format("ghost") + reference),
        ("DeleteProfile", TOKEN.format("ghost")),
        ("GetSnapshotUri", PROFILE.format("ghost")),
        ("GetStreamUri", "<tr2:Protocol>RTSP</tr2:Protocol>" + PROFILE.format("ghost")),
        ("StartMulticastStreaming", PROFILE.format("ghost")),
        ("StopMulticastStreaming", PROFILE.format("ghost")),
        ("SetSynchronizationPoint", PROFILE.format("ghost")),
    ):
        assert await refusal(call, operation, request) == NO_PROFILE


async def test_fixed_profiles_stay(call: Caller) -> None:
    fixed = ("Sender", "Action", "DeletionOfFixedProfile")
    assert await refusal(call, "DeleteProfile", TOKEN.format("yard_main")) == fixed
    removal = "<tr2:Configuration><tr2:Type>All</tr2:Type></tr2:Configuration>"
    assert await refusal(call, "RemoveConfiguration", PROFILE.format("yard_main") + removal) == CONFLICT
    addition = (
        PROFILE.format("yard_main") + "<tr2:Name>Front</tr2:Name>" + REFERENCE.format("Metadata", KINDS["Metadata"])
    )
    assert await call("AddConfiguration", addition) == {}
    (profile,) = (await call("GetProfiles", TOKEN.format("yard_main") + TYPE.format("Metadata")))["Profiles"]
    assert (profile["Name"], profile["Configurations"]["Metadata"]["UseCount"]) == ("Front", 1)


async def test_metadata_configurations_are_those_of_the_profiles(call: Caller) -> None:
    everything = (await call("GetMetadataConfigurations"))["Configurations"]
    tokens = {configuration["token"] for configuration in everything}
    assert "Metadata_yard" in tokens
    addition = PROFILE.format("yard_main") + REFERENCE.format("Metadata", "Metadata_yard")
    await call("AddConfiguration", addition)
    (profile,) = (await call("GetProfiles", TOKEN.format("yard_main") + TYPE.format("Metadata")))["Profiles"]
    in_profile = profile["Configurations"]["Metadata"]
    asked = (await call("GetMetadataConfigurations", CONFIGURATION.format("Metadata_yard")))["Configurations"]
    assert asked == [in_profile]
    of_profile = (await call("GetMetadataConfigurations", PROFILE.format("yard_main")))["Configurations"]
    assert in_profile in of_profile
    assert {configuration["token"] for configuration in of_profile} <= tokens
    unknown = CONFIGURATION.format("Metadata_nowhere")
    assert await refusal(call, "GetMetadataConfigurations", unknown) == NO_CONFIG


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ("RtspUnicast", "rtsp://nvr.example:8554/live/yard/main"),
        ("RtspMulticast", "rtsp://nvr.example:8554/live/yard/main?multicast"),
        ("RTSP", "rtsp://nvr.example:8554/live/yard/main"),
        ("RtspOverHttp", "http://nvr.example:8080/live/yard/main"),
        ("RtspsUnicast", "rtsps://nvr.example:322/live/yard/main"),
    ],
)
async def test_stream_uris(validate: Validate, protocol: str, expected: str) -> None:
    call = media2(validate, channel("yard"), streaming=Streaming(RecordingMulticast(), rtsps_port=322))
    request = f"<tr2:Protocol>{protocol}</tr2:Protocol>" + PROFILE.format("yard_main")
    assert await call("GetStreamUri", request) == {"Uri": expected}


@pytest.mark.parametrize("protocol", ["RtspMulticast", "RtspsUnicast", "RtspsMulticast", "Smoke"])
async def test_protocols_that_are_not_served(validate: Validate, protocol: str) -> None:
    call = media2(validate, channel("yard"))
    request = f"<tr2:Protocol>{protocol}</tr2:Protocol>" + PROFILE.format("yard_main")
    assert await refusal(call, "GetStreamUri", request) == ("Sender", "InvalidArgVal", "InvalidStreamSetup")


async def test_snapshot_multicast_and_key_frame(validate: Validate) -> None:
    multicast, asked = RecordingMulticast(), list[str]()
    call = media2(validate, channel("yard"), streaming=Streaming(multicast, asked.append))
    assert await call("GetSnapshotUri", PROFILE.format("yard_main")) == {
        "Uri": "http://nvr.example:8080/snapshot/yard/main"
    }
    await call("StartMulticastStreaming", PROFILE.format("yard_sub"))
    assert list(multicast.sending) == ["/live/yard/sub"]
    await call("StopMulticastStreaming", PROFILE.format("yard_sub"))
    assert not multicast.sending
    await call("SetSynchronizationPoint", PROFILE.format("yard_sub"))
    assert asked == ["/live/yard/sub"]


async def test_encoder_instances(call: Caller) -> None:
    answer = await call("GetVideoEncoderInstances", CONFIGURATION.format(KINDS["VideoSource"]))
    codecs = [{"Encoding": "H264", "Number": 1}, {"Encoding": "H265", "Number": 1}]
    assert answer == {"Info": {"Codec": codecs, "Total": 2}}
    assert await refusal(call, "GetVideoEncoderInstances", CONFIGURATION.format("ghost")) == NO_CONFIG


async def test_what_no_channel_has_is_empty_or_refused(call: Caller) -> None:
    for kind in ("AudioOutput", "AudioDecoder", "Analytics"):
        operation = f"Get{kind}Configurations"
        assert await call(operation) == await call(operation, PROFILE.format("yard_main")) == {"Configurations": []}
        assert await refusal(call, operation, CONFIGURATION.format("ghost")) == NO_CONFIG
        assert await refusal(call, operation, PROFILE.format("ghost")) == NO_PROFILE
    for kind, code in (("AudioOutput", "AudioOutputNotSupported"), ("AudioDecoder", "AudioDecodingNotSupported")):
        unsupported = ("Receiver", "ActionNotSupported", code)
        assert await refusal(call, f"Get{kind}ConfigurationOptions") == unsupported
    head = '<tr2:Configuration token="ghost"><tt:Name>x</tt:Name><tt:UseCount>0</tt:UseCount>'
    output = "<tt:OutputToken>o</tt:OutputToken><tt:OutputLevel>1</tt:OutputLevel>"
    assert await refusal(call, "SetAudioOutputConfiguration", head + output + "</tr2:Configuration>") == NO_CONFIG
    assert await refusal(call, "SetAudioDecoderConfiguration", head + "</tr2:Configuration>") == NO_CONFIG


async def test_no_audio_anywhere(validate: Validate) -> None:
    call = media2(validate, channel("yard"))
    assert await call("GetAudioEncoderConfigurations") == {"Configurations": []}
    unsupported = ("Receiver", "ActionNotSupported", "AudioNotSupported")
    assert await refusal(call, "GetAudioEncoderConfigurationOptions") == unsupported
    assert isinstance(call.service, Media2Service)
    supported = call.service.capabilities()["ProfileCapabilities"]["ConfigurationsSupported"]
    assert supported == ["VideoSource", "VideoEncoder", "Metadata"]


async def test_there_is_room_for_no_osd_and_no_mask(call: Caller) -> None:
    source = CONFIGURATION.format(KINDS["VideoSource"])
    assert await call("GetOSDs") == await call("GetOSDs", source) == {"OSDs": []}
    assert await refusal(call, "GetOSDs", "<tr2:OSDToken>ghost</tr2:OSDToken>") == NO_CONFIG
    assert (await call("GetOSDOptions", source))["OSDOptions"]["MaximumNumberOfOSDs"] == {"Total": 0}
    osd = (
        f'<tr2:OSD token="ghost"><tt:VideoSourceConfigurationToken>{KINDS["VideoSource"]}'
        "</tt:VideoSourceConfigurationToken>"
        "<tt:Type>Text</tt:Type><tt:Position><tt:Type>Custom</tt:Type></tt:Position></tr2:OSD>"
    )
    assert await refusal(call, "CreateOSD", osd) == ("Receiver", "Action", "MaxOSDs")
    assert await refusal(call, "SetOSD", osd) == NO_CONFIG
    assert await refusal(call, "DeleteOSD", "<tr2:OSDToken>ghost</tr2:OSDToken>") == NO_CONFIG
    assert await call("GetMasks") == await call("GetMasks", source) == {"Masks": []}
    assert await refusal(call, "GetMasks", TOKEN.format("ghost")) == NO_CONFIG
    assert await refusal(call, "GetMasks", CONFIGURATION.format("ghost")) == NO_CONFIG
    assert (await call("GetMaskOptions", source))["Options"]["MaxMasks"] == 0
    assert await refusal(call, "GetMaskOptions", CONFIGURATION.format("ghost")) == NO_CONFIG
    mask = (
        '<tr2:Mask token="ghost"><tr2:ConfigurationToken>{}</tr2:ConfigurationToken>'
        '<tr2:Polygon><tt:Point x="0" y="0"/><tt:Point x="1" y="0"/><tt:Point x="1" y="1"/></tr2:Polygon>'
        "<tr2:Type>Color</tr2:Type><tr2:Enabled>true</tr2:Enabled></tr2:Mask>"
    )
    assert await refusal(call, "CreateMask", mask.format(KINDS["VideoSource"])) == ("Receiver", "Action", "MaxMasks")
    assert await refusal(call, "CreateMask", mask.format("ghost")) == NO_CONFIG
    assert await refusal(call, "SetMask", mask.format(KINDS["VideoSource"])) == NO_CONFIG
    assert await refusal(call, "DeleteMask", TOKEN.format("ghost")) == NO_CONFIG


async def test_source_modes(call: Caller) -> None:
    source = "<tr2:VideoSourceToken>VideoSource_yard</tr2:VideoSourceToken>"
    (mode,) = (await call("GetVideoSourceModes", source))["VideoSourceModes"]
    assert (mode["MaxResolution"], mode["Encodings"]) == ({"Width": 1920, "Height": 1080}, ["H264", "H265"])
    request = f"{source}<tr2:VideoSourceModeToken>{mode['token']}</tr2:VideoSourceModeToken>"
    assert await call("SetVideoSourceMode", request) == {"Reboot": False}


async def test_capabilities(call: Caller, validate: Validate) -> None:
    assert isinstance(call.service, Media2Service)
    capabilities = call.service.capabilities()
    validate(call.element("GetServiceCapabilities", {"Capabilities": capabilities}))
    assert capabilities["ProfileCapabilities"]["MaximumNumberOfProfiles"] == 36
    assert "RTSPWebSocketUri" not in capabilities["StreamingCapabilities"]
    service = Media2Service(media_profiles(channel("yard"), streaming=Streaming(websocket="ws:/rtsp")))
    capabilities = service.capabilities()
    validate(call.element("GetServiceCapabilities", {"Capabilities": capabilities}))
    assert capabilities["StreamingCapabilities"]["RTSPWebSocketUri"] == "ws:/rtsp"
