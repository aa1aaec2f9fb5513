"""Encoders of cameras set by Media1 and Media2: true options, what is taken and what is refused."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from control_kit import ControlKit
from lxml import etree
from onvif_calls import Caller

from gateway.domain.writing import WriteKind, WritePolicy
from gateway.onvif.faults import SoapFault
from gateway.onvif.media import MediaService
from gateway.onvif.media2 import Media2Service

Validate = Callable[[etree._Element], object]
TOKEN = "VideoEncoder_yard_main"
PREFIXES = {"media": "trt", "media2": "tr2"}


class Media:
    def __init__(self, kit: ControlKit, name: str, validate: Validate) -> None:
        service = MediaService(kit.profiles) if name == "media" else Media2Service(kit.profiles)
        self.kit, self.name, self.call = kit, name, Caller(service, validate)

    async def configuration(self, *changes: tuple[str, str]) -> str:
        """Return the main profile's configuration as a request, with texts in it replaced."""
        found = (await self.call("GetVideoEncoderConfigurations"))["Configurations"]
        answer = {"Configurations": [each for each in found if each["token"] == TOKEN]}
        node = self.call.element("GetVideoEncoderConfigurations", answer)[0]
        node.tag = f"{{{self.call.service.namespace}}}Configuration"
        text = etree.tostring(node).decode()
        for old, new in changes:
            assert old in text, text
            text = text.replace(old, new)
        return text + ("<trt:ForcePersistence>true</trt:ForcePersistence>" if self.name == "media" else "")

    async def write(self, *changes: tuple[str, str]) -> None:
        await self.call("SetVideoEncoderConfiguration", await self.configuration(*changes))

    def made(self) -> object:
        return self.kit.camera._camera.encoders.now["main"]


@pytest.fixture(params=list(PREFIXES))
async def media(request: pytest.FixtureRequest, validate: Validate) -> Media:
    return Media(await ControlKit().learn(), request.param, validate)


async def test_options_are_those_of_the_camera(media: Media) -> None:
    prefix = PREFIXES[media.name]
    asked = f"<{prefix}:ConfigurationToken>{TOKEN}</{prefix}:ConfigurationToken>"
    options = (await media.call("GetVideoEncoderConfigurationOptions", asked))["Options"]
    if media.name == "media2":
        assert [option["Encoding"] for option in options] == ["H264", "H265"]
        h264 = options[0]
        assert h264["GovLengthRange"] == [1, 300]
        assert h264["FrameRatesSupported"][0] == 30.0
        assert h264["QualityRange"] == {"Min": 0.0, "Max": 100.0}
    else:
        h264 = options["Extension"]["H264"]
        assert h264["FrameRateRange"] == {"Min": 1, "Max": 30}
        assert options["QualityRange"] == {"Min": 0, "Max": 100}
    assert {"Width": 1920, "Height": 1080} in h264["ResolutionsAvailable"]
    assert h264["BitrateRange"]["Max"] == 16_000
    other = asked.replace("yard", "door")
    door = (await media.call("GetVideoEncoderConfigurationOptions", other))["Options"]
    sizes = door[0]["ResolutionsAvailable"] if media.name == "media2" else door["H264"]["ResolutionsAvailable"]
    assert sizes == [{"Width": 1920, "Height": 1080}]


async def test_what_was_read_is_written_back_without_a_word_to_the_camera(media: Media) -> None:
    before = media.made()
    await media.write()
    assert media.made() is before
    assert media.kit.audit == []


async def test_changes_reach_the_camera(media: Media) -> None:
    before = media.kit.camera._camera.encoders.now["main"]
    quality, rate = ("50", "10")
    await media.write(
        (">1280<", ">1920<"),
        (">720<", ">1080<"),
        (f"FrameRateLimit>{rate}<", "FrameRateLimit>25<"),
        ("BitrateLimit>221<", "BitrateLimit>900<"),
        (f"Quality>{quality}<", "Quality>80<"),
        *([('GovLength="20"', 'GovLength="40"')] if media.name == "media2" else [("GovLength>20<", "GovLength>40<")]),
    )
    assert media.made() == replace(
        before, width=1920, height=1080, frame_rate=25.0, bitrate=900_000, gop_length=40, quality=80.0
    )
    ((account, operation, detail),) = media.kit.audit
    assert (account, operation) == ("admin", "SetVideoEncoderConfiguration")
    assert detail.startswith(f"{TOKEN}: width 1280 -> 1920, height 720 -> 1080, frame_rate 10 -> 25, bitrate ")
    assert detail.endswith("gop_length 20 -> 40, quality 50 -> 80: applied")


async def test_what_is_out_of_range_is_adapted_or_refused(media: Media) -> None:
    await media.write(("BitrateLimit>221<", "BitrateLimit>999999<"))
    assert media.kit.camera._camera.encoders.now["main"].bitrate == 16_000_000
    with pytest.raises(SoapFault, match="Resolution 1281x720 is not one of 1920x1080, 1280x720") as refused:
        await media.write((">1280<", ">1281<"))
    assert refused.value.subcodes == ("InvalidArgVal", "ConfigModify")
    with pytest.raises(SoapFault, match="Encoding 'JPEG' is not one of H264, H265"):
        await media.write((">H264<", ">JPEG<"))
    old, new = ('GovLength="20"', 'GovLength="999"') if media.name == "media2" else ("Length>20<", "Length>999<")
    with pytest.raises(SoapFault, match="GovLength 999 is not from 1 to 300"):
        await media.write((old, new))


@pytest.mark.parametrize("policy", [WritePolicy.IGNORE, WritePolicy.REFUSE])
async def test_a_client_that_overwrites_streams(validate: Validate, policy: WritePolicy) -> None:
    media = Media(await ControlKit({WriteKind.VIDEO_ENCODER: policy}).learn(), "media2", validate)
    before = media.made()
    if policy is WritePolicy.REFUSE:
        with pytest.raises(SoapFault, match="SetVideoEncoderConfiguration is not open to 'admin' here") as refused:
            await media.write((">1280<", ">640<"), (">720<", ">360<"))
        assert refused.value.subcodes == ("OperationProhibited",)
    else:
        await media.write((">1280<", ">640<"), (">720<", ">360<"))
    assert media.made() is before
    outcome = "refused" if policy is WritePolicy.REFUSE else "ignored"
    assert [detail for _, _, detail in media.kit.audit] == [
        f"{TOKEN}: width 1280 -> 640, height 720 -> 360: {outcome}",
    ]
    await media.write(("yard main", "Yard main") if "yard main" in await media.configuration() else ("main video", "m"))
    assert len(media.kit.audit) == 1
