"""Loudspeakers of cameras in Media1, Media2 and DeviceIO: every answer is valid, and all services agree."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from lxml import etree
from media_samples import CONTEXT, FixedChannels, MemoryStore, channel
from onvif_calls import Caller

from gateway.domain.abilities import Abilities
from gateway.domain.media import AudioParameters, MediaKind, TrackDescription
from gateway.onvif.deviceio import DeviceIOService
from gateway.onvif.faults import SoapFault
from gateway.onvif.media import MediaService
from gateway.onvif.media2 import Media2Service
from gateway.onvif.media_profiles import MediaProfiles
from gateway.services.profiles import Profiles

Validate = Callable[[etree._Element], object]
SPEECH = (
    TrackDescription(MediaKind.AUDIO, "PCMU", 0, 8000, audio=AudioParameters(8000, 1, 64_000)),
    TrackDescription(MediaKind.AUDIO, "G726-32", 97, 8000, audio=AudioParameters(8000, 1, 32_000)),
    TrackDescription(MediaKind.AUDIO, "MPEG4-GENERIC", 98, 16_000),
    TrackDescription(MediaKind.AUDIO, "OPUS", 99, 48_000),
)
OUTPUT, CONFIGURATION, DECODER = "AudioOutput_yard", "AudioOutputConfiguration_yard", "AudioDecoder_yard"
OF_KIND = {"AudioOutput": CONFIGURATION, "AudioDecoder": DECODER}
NO_CONFIG = ("InvalidArgVal", "NoConfig")
CONFLICT = ("Action", "ConfigurationConflict")


class Services:
    """The three services over `door`, which can't hear, and `yard`, which can."""

    def __init__(self, validate: Validate) -> None:
        controls = SimpleNamespace(
            revision=0, abilities=lambda camera: Abilities(loudspeaker=SPEECH if camera == "yard" else ())
        )
        profiles = MediaProfiles(
            FixedChannels(channel("door"), channel("yard")),
            Profiles(MemoryStore()),
            access=SimpleNamespace(controls=controls),  # type: ignore[arg-type] - nothing is set
        )
        self.media1, self.media2 = Caller(MediaService(profiles), validate), Caller(Media2Service(profiles), validate)
        self.deviceio = Caller(DeviceIOService(profiles), validate)


@pytest.fixture
def services(validate: Validate) -> Services:
    return Services(validate)


async def refusal(call: Caller, operation: str, request: str) -> tuple[str, ...]:
    with pytest.raises(SoapFault) as refused:
        await call(operation, request)
    return tuple(refused.value.subcodes)


def named(prefix: str, **parts: str) -> str:
    return "".join(f"<{prefix}:{name}>{value}</{prefix}:{name}>" for name, value in parts.items())


async def test_outputs_are_the_same_everywhere(services: Services) -> None:
    assert await services.media1("GetAudioOutputs") == {"AudioOutputs": [{"token": OUTPUT}]}
    assert await services.deviceio("GetAudioOutputs") == {"Token": [OUTPUT]}
    assert services.deviceio.service.capabilities()["AudioOutputs"] == 1
    kinds = services.media2.service.capabilities()["ProfileCapabilities"]["ConfigurationsSupported"]
    assert {"AudioOutput", "AudioDecoder"} <= set(kinds)
    [configuration] = (await services.media1("GetAudioOutputConfigurations"))["Configurations"]
    assert (configuration["token"], configuration["OutputToken"], configuration["UseCount"]) == (
        CONFIGURATION,
        OUTPUT,
        2,
    )
    assert await services.media2("GetAudioOutputConfigurations") == {"Configurations": [configuration]}
    one = await services.media1("GetAudioOutputConfiguration", named("trt", ConfigurationToken=CONFIGURATION))
    assert one == {"Configuration": configuration}
    answer = await services.deviceio("GetAudioOutputConfiguration", named("tmd", AudioOutputToken=OUTPUT))
    assert answer == {"AudioOutputConfiguration": configuration}
    [decoder] = (await services.media1("GetAudioDecoderConfigurations"))["Configurations"]
    assert await services.media2("GetAudioDecoderConfigurations") == {"Configurations": [decoder]}
    one = await services.media1("GetAudioDecoderConfiguration", named("trt", ConfigurationToken=DECODER))
    assert (one, decoder["token"]) == ({"Configuration": decoder}, DECODER)


async def test_profiles_hold_them_where_the_camera_can_hear(services: Services) -> None:
    profiles = (await services.media1("GetProfiles"))["Profiles"]
    held = {each["token"]: each["Extension"] for each in profiles if "Extension" in each}
    assert set(held) == {"yard_main", "yard_sub"}
    types = "".join(f"<tr2:Type>{kind}</tr2:Type>" for kind in OF_KIND)
    for profile in (await services.media2("GetProfiles", types))["Profiles"]:
        extension = held.get(profile["token"], {})
        expected = {name.removesuffix("Configuration"): value for name, value in extension.items()}
        assert profile["Configurations"] == expected


async def test_options_tell_what_the_camera_takes(services: Services) -> None:
    options = {"OutputTokensAvailable": [OUTPUT], "OutputLevelRange": {"Min": 100, "Max": 100}}
    for call, prefix in ((services.media1, "trt"), (services.media2, "tr2")):
        for request in ("", named(prefix, ConfigurationToken=CONFIGURATION), named(prefix, ProfileToken="yard_sub")):
            assert await call("GetAudioOutputConfigurationOptions", request) == {"Options": options}
        for kind in OF_KIND:
            request = named(prefix, ConfigurationToken="ghost")
            assert await refusal(call, f"Get{kind}ConfigurationOptions", request) == NO_CONFIG
    for kind in OF_KIND:
        request = named("tr2", ConfigurationToken="ghost")
        assert await refusal(services.media2, f"Get{kind}Configurations", request) == NO_CONFIG
    answer = await services.deviceio("GetAudioOutputConfigurationOptions", named("tmd", AudioOutputToken=OUTPUT))
    assert answer == {"AudioOutputOptions": options}
    assert await services.media1("GetAudioDecoderConfigurationOptions", named("trt", ProfileToken="yard_main")) == {
        "Options": {
            "G711DecOptions": {"Bitrate": {"Items": [64]}, "SampleRateRange": {"Items": [8]}},
            "G726DecOptions": {"Bitrate": {"Items": [32]}, "SampleRateRange": {"Items": [8]}},
            "AACDecOptions": {"Bitrate": {"Items": [64]}, "SampleRateRange": {"Items": [16]}},
        }
    }
    found = (await services.media2("GetAudioDecoderConfigurationOptions"))["Options"]
    assert [(each["Encoding"], each["BitrateList"]["Items"], each["SampleRateList"]["Items"]) for each in found] == [
        ("PCMU", [64], [8]),
        ("G726", [32], [8]),
        ("mpeg4-generic", [64], [16]),
        ("OPUS", [64], [48]),
    ]


@pytest.mark.parametrize("service", ["media1", "media2", "deviceio"])
async def test_what_was_read_can_be_written_back_and_nothing_else(services: Services, service: str) -> None:
    call = getattr(services, service)
    prefix = {"media1": "trt", "media2": "tr2", "deviceio": "tmd"}[service]
    tail = "" if service == "media2" else f"<{prefix}:ForcePersistence>true</{prefix}:ForcePersistence>"

    def wanted(token: str = CONFIGURATION, output: str = OUTPUT, level: int = 100) -> str:
        content = named("tt", Name="Mouth", UseCount="0", OutputToken=output, OutputLevel=str(level))
        return f'<{prefix}:Configuration token="{token}">{content}</{prefix}:Configuration>{tail}'

    assert await call("SetAudioOutputConfiguration", wanted()) == {}
    [configuration] = (await services.media2("GetAudioOutputConfigurations"))["Configurations"]
    assert configuration["Name"] == "Mouth"
    assert await refusal(call, "SetAudioOutputConfiguration", wanted(token="ghost")) == NO_CONFIG
    for other in (wanted(output="AudioOutput_door"), wanted(level=50)):
        assert await refusal(call, "SetAudioOutputConfiguration", other) == ("InvalidArgVal", "ConfigModify")
    if service != "deviceio":
        content = named("tt", Name="Words", UseCount="0")
        request = f'<{prefix}:Configuration token="{DECODER}">{content}</{prefix}:Configuration>{tail}'
        assert await call("SetAudioDecoderConfiguration", request) == {}
        [decoder] = (await services.media1("GetAudioDecoderConfigurations"))["Configurations"]
        assert decoder["Name"] == "Words"


async def test_media1_adds_and_removes_them(services: Services) -> None:
    call = services.media1
    await call("CreateProfile", named("trt", Name="talk", Token="talk"))
    talk = named("trt", ProfileToken="talk")
    for kind, token in OF_KIND.items():
        near = await call(f"GetCompatible{kind}Configurations", talk)
        assert [each["token"] for each in near["Configurations"]] == [token]
        assert await call(f"Add{kind}Configuration", talk + named("trt", ConfigurationToken=token)) == {}
        other = named("trt", ProfileToken="door_main")
        assert await call(f"GetCompatible{kind}Configurations", other) == {"Configurations": []}
        request = other + named("trt", ConfigurationToken=token)
        assert await refusal(call, f"Add{kind}Configuration", request) == CONFLICT
        fixed = named("trt", ProfileToken="yard_main")
        assert await refusal(call, f"Remove{kind}Configuration", fixed) == CONFLICT
    profile = (await call("GetProfile", talk))["Profile"]
    assert set(profile["Extension"]) == {"AudioOutputConfiguration", "AudioDecoderConfiguration"}
    for kind in OF_KIND:
        assert await call(f"Remove{kind}Configuration", talk) == {}
    assert "Extension" not in (await call("GetProfile", talk))["Profile"]


async def test_a_profile_that_only_talks_has_a_stream(services: Services) -> None:
    call = services.media2
    references = "".join(
        f"<tr2:Configuration>{named('tr2', Type=kind, Token=token)}</tr2:Configuration>"
        for kind, token in OF_KIND.items()
    )
    token = (await call("CreateProfile", named("tr2", Name="talk") + references))["Token"]
    request = named("tr2", Protocol="RtspUnicast", ProfileToken=token)
    assert (await call("GetStreamUri", request, CONTEXT))["Uri"] == "rtsp://nvr.example:8554/live/yard/main"
    source = named("tr2", Type="VideoSource", Token="VideoSourceConfiguration_door")
    clash = named("tr2", ProfileToken=token) + f"<tr2:Configuration>{source}</tr2:Configuration>"
    assert await refusal(call, "AddConfiguration", clash) == CONFLICT
    kinds = "".join(f"<tr2:Configuration>{named('tr2', Type=kind)}</tr2:Configuration>" for kind in OF_KIND)
    assert await call("RemoveConfiguration", named("tr2", ProfileToken=token) + kinds) == {}
    assert await refusal(call, "GetStreamUri", request) == ("Action", "IncompleteConfiguration")
