"""DeviceIO: the same sources as the media services, and nothing else; every answer valid."""

from collections.abc import Callable

import pytest
from lxml import etree
from media_samples import AAC, channel, main_and_sub, media_profiles
from onvif_calls import Caller

from gateway.onvif.deviceio import DeviceIOService
from gateway.onvif.faults import SoapFault
from gateway.onvif.media import MediaService

Validate = Callable[[etree._Element], object]
VIDEO = "<tmd:VideoSourceToken>{}</tmd:VideoSourceToken>"
AUDIO = "<tmd:AudioSourceToken>{}</tmd:AudioSourceToken>"


@pytest.fixture
def call(validate: Validate) -> Caller:
    return Caller(DeviceIOService(media_profiles(channel("yard", main_and_sub(audio=AAC)), channel("door"))), validate)


async def refusal(call: Caller, operation: str, request: str = "") -> str:
    with pytest.raises(SoapFault) as refused:
        await call(operation, request)
    assert refused.value.subcodes[0] == "InvalidArgVal"
    return refused.value.subcodes[1]


async def test_sources_are_those_of_the_media_service(call: Caller, validate: Validate) -> None:
    assert isinstance(call.service, DeviceIOService)
    media = Caller(MediaService(call.service.profiles), validate)
    listed = (await media("GetVideoSources"))["VideoSources"]
    assert (await call("GetVideoSources"))["Token"] == [source["token"] for source in listed]
    assert (await call("GetAudioSources"))["Token"] == ["AudioSource_yard"]


async def test_configurations_are_those_of_the_media_service(call: Caller, validate: Validate) -> None:
    assert isinstance(call.service, DeviceIOService)
    media = Caller(MediaService(call.service.profiles), validate)
    first = (await media("GetVideoSourceConfigurations"))["Configurations"][0]
    answer = await call("GetVideoSourceConfiguration", VIDEO.format("VideoSource_yard"))
    assert answer == {"VideoSourceConfiguration": first}
    answer = await call("GetAudioSourceConfiguration", AUDIO.format("AudioSource_yard"))
    assert answer["AudioSourceConfiguration"]["token"] == "AudioSourceConfiguration_yard"
    options = await call("GetVideoSourceConfigurationOptions", VIDEO.format("VideoSource_yard"))
    assert options["VideoSourceConfigurationOptions"]["VideoSourceTokensAvailable"] == ["VideoSource_yard"]
    options = await call("GetAudioSourceConfigurationOptions", AUDIO.format("AudioSource_yard"))
    assert options["AudioSourceOptions"]["InputTokensAvailable"] == ["AudioSource_yard"]


async def test_unknown_sources(call: Caller) -> None:
    for operation in ("GetVideoSourceConfiguration", "GetVideoSourceConfigurationOptions"):
        assert await refusal(call, operation, VIDEO.format("ghost")) == "NoVideoSource"
    for operation in ("GetAudioSourceConfiguration", "GetAudioSourceConfigurationOptions"):
        assert await refusal(call, operation, AUDIO.format("ghost")) == "NoConfig"


@pytest.mark.parametrize("kind", ["Video", "Audio"])
async def test_source_configurations_are_written_back(call: Caller, kind: str) -> None:
    token = f"<tmd:{kind}SourceToken>{kind}Source_yard</tmd:{kind}SourceToken>"
    answer = await call(f"Get{kind}SourceConfiguration", token)
    node = call.element(f"Get{kind}SourceConfiguration", answer)[0]
    node.tag = f"{{{DeviceIOService.namespace}}}Configuration"
    text = etree.tostring(node).decode() + "<tmd:ForcePersistence>true</tmd:ForcePersistence>"
    assert await call(f"Set{kind}SourceConfiguration", text) == {}
    other = text.replace(f">{kind}Source_yard<", ">elsewhere<")
    assert await refusal(call, f"Set{kind}SourceConfiguration", other) == "ConfigModify"
    unknown = text.replace(f'"{kind}SourceConfiguration_yard"', '"ghost"')
    assert await refusal(call, f"Set{kind}SourceConfiguration", unknown) == "NoConfig"


async def test_there_is_nothing_else(call: Caller) -> None:
    assert await call("GetVideoOutputs") == {"VideoOutputs": []}
    assert await call("GetAudioOutputs") == {"Token": []}
    assert await call("GetRelayOutputs") == {"RelayOutputs": []}
    assert await call("GetRelayOutputOptions") == {"RelayOutputOptions": []}
    assert await call("GetDigitalInputs") == {"DigitalInputs": []}
    assert await call("GetSerialPorts") == {"SerialPort": []}
    idle = await call("GetDigitalInputConfigurationOptions")
    assert idle == {"DigitalInputOptions": {"IdleState": ["closed", "open"]}}


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        ("GetVideoOutputConfiguration", "<tmd:VideoOutputToken>x</tmd:VideoOutputToken>", "NoVideoOutput"),
        ("GetVideoOutputConfigurationOptions", "<tmd:VideoOutputToken>x</tmd:VideoOutputToken>", "NoVideoOutput"),
        ("GetAudioOutputConfiguration", "<tmd:AudioOutputToken>x</tmd:AudioOutputToken>", "NoConfig"),
        ("GetAudioOutputConfigurationOptions", "<tmd:AudioOutputToken>x</tmd:AudioOutputToken>", "NoConfig"),
        ("GetRelayOutputOptions", "<tmd:RelayOutputToken>x</tmd:RelayOutputToken>", "RelayToken"),
        (
            "SetRelayOutputSettings",
            (
                '<tmd:RelayOutput token="x"><tt:Properties><tt:Mode>Bistable</tt:Mode><tt:DelayTime>PT1S</tt:DelayTime>'
                "<tt:IdleState>open</tt:IdleState></tt:Properties></tmd:RelayOutput>"
            ),
            "RelayToken",
        ),
        (
            "SetRelayOutputState",
            "<tds:RelayOutputToken>x</tds:RelayOutputToken><tds:LogicalState>active</tds:LogicalState>",
            "RelayToken",
        ),
        ("GetDigitalInputConfigurationOptions", "<tmd:Token>x</tmd:Token>", "NoConfig"),
        ("SetDigitalInputConfigurations", '<tmd:DigitalInputs token="x"/>', "NoConfig"),
    ],
)
async def test_unknown_outputs_and_inputs(call: Caller, operation: str, request_: str, code: str) -> None:
    assert await refusal(call, operation, request_) == code


async def test_capabilities_count_what_is_there(call: Caller, validate: Validate) -> None:
    assert isinstance(call.service, DeviceIOService)
    capabilities = call.service.capabilities()
    validate(call.element("GetServiceCapabilities", {"Capabilities": capabilities}))
    assert (capabilities["VideoSources"], capabilities["AudioSources"], capabilities["RelayOutputs"]) == (2, 1, 0)
