"""The media services behind the real endpoint: who may call them, and what strangers hear."""

from collections.abc import Callable
from typing import Any

import pytest
from media_samples import AAC, channel, main_and_sub, media_profiles
from soap_kit import Kit, body_of, fault_of

from gateway.onvif.deviceio import DeviceIOService
from gateway.onvif.media import MediaService
from gateway.onvif.media2 import Media2Service
from gateway.onvif.media_faults import ANONYMOUS_FAULTS

Validate = Callable[..., dict[str, Any]]
TRT = 'xmlns="http://www.onvif.org/ver10/media/wsdl"'
TR2 = 'xmlns="http://www.onvif.org/ver20/media/wsdl"'


@pytest.fixture
def kit() -> Kit:
    profiles = media_profiles(channel("yard", main_and_sub(audio=AAC)), channel("door"))
    services = (MediaService(profiles), Media2Service(profiles), DeviceIOService(profiles))
    return Kit(services, anonymous_faults=ANONYMOUS_FAULTS)


@pytest.mark.parametrize("user", ["root", "operator", "viewer"])
async def test_every_user_may_list_profiles(kit: Kit, validate: Validate, user: str) -> None:
    for namespace in (TRT, TR2):
        response = await kit.call(f"<GetProfiles {namespace}/>", user)
        assert response.status == 200
        assert len(validate(response.body, "GetProfiles")["Profiles"]) == 4


async def test_only_operators_may_make_profiles(kit: Kit) -> None:
    request = f"<CreateProfile {TRT}><Name>Mine</Name></CreateProfile>"
    assert fault_of(await kit.call(request, "viewer")).subcodes[0].endswith("NotAuthorized")
    assert (await kit.call(request, "operator")).status == 200


async def test_uris_follow_the_address_of_the_request(kit: Kit, validate: Validate) -> None:
    request = (
        f"<GetStreamUri {TR2}><Protocol>RtspOverHttp</Protocol><ProfileToken>yard_main</ProfileToken></GetStreamUri>"
    )
    response = await kit.call(request, "viewer")
    assert validate(response.body)["Uri"] == "http://192.0.2.10:8080/live/yard/main"


@pytest.mark.parametrize("namespace", [TRT, TR2])
async def test_synology_without_a_login_hears_that_there_is_no_room(kit: Kit, namespace: str) -> None:
    response = await kit.call(f"<CreateProfile {namespace}><Name>SynoProfile</Name></CreateProfile>", "")
    fault = fault_of(response)
    assert response.status == 500
    assert fault.subcodes == ("ter:Action", "ter:MaxNVTProfiles")
    assert fault.reason == "no more profiles can be made without a login"
    assert not response.challenges


async def test_everybody_else_without_a_login_is_challenged(kit: Kit) -> None:
    response = await kit.call(f"<CreateProfile {TRT}><Name>Mine</Name></CreateProfile>", "")
    assert response.status == 401
    assert response.challenges


async def test_capabilities_agree_everywhere(kit: Kit, validate: Validate) -> None:
    included = "<tds:GetServices><tds:IncludeCapability>true</tds:IncludeCapability></tds:GetServices>"
    services = body_of((await kit.call(included, "")).body)
    for namespace in (MediaService.namespace, Media2Service.namespace, DeviceIOService.namespace):
        announced = services.find(f".//{{{namespace}}}Capabilities")
        own = body_of((await kit.call(f'<GetServiceCapabilities xmlns="{namespace}"/>', "")).body)
        validate(own)
        assert dict(announced.attrib) == dict(own[0].attrib)
        assert [dict(child.attrib) for child in announced] == [dict(child.attrib) for child in own[0]]
