"""PTZ and Imaging are there while some camera has them, and every place says the same of them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from control_kit import ControlKit
from lxml import etree
from media_samples import CONTEXT, MemoryStore
from soap_kit import Kit, body_of, request

from gateway.config import Camera, Config
from gateway.controlling import Controlling
from gateway.db import open_database
from gateway.domain.abilities import NO_ABILITIES
from gateway.onvif.contacts import NoContacts
from gateway.onvif.context import Context
from gateway.onvif.deviceio import DeviceIOService
from gateway.onvif.imaging import ImagingService
from gateway.onvif.media_profiles import MediaProfiles
from gateway.onvif.offer import Offer
from gateway.onvif.ptz import PtzService
from gateway.services.cameras import Cameras, CameraSpec
from gateway.services.profiles import Profiles
from gateway.testing.drivers import driver_context
from gateway_testpattern.driver import TestPatternDriver as Driver
from gateway_testpattern.driver import TestPatternSettings as Settings

Validate = Callable[[etree._Element], object]


async def test_services_come_and_go_with_the_cameras(tmp_path: Path) -> None:
    database = open_database(tmp_path, environment={})
    try:
        kit = Kit()
        specs = [CameraSpec("yard", "Yard", Driver(Settings(), driver_context(kit.clock)))]
        cameras = Cameras(specs, database.channels, kit.clock)
        config = Config(cameras=(Camera(id="yard", driver="testpattern"),))
        controlling = Controlling(config, specs, cameras, database, kit.clock)
        profiles = MediaProfiles(cameras, Profiles(MemoryStore()), access=controlling.access)
        kit.model.register(DeviceIOService(profiles, controlling.contacts))
        told: list[str] = []
        controlling.show(profiles, Offer(kit.model, kit.endpoint, lambda: told.append("scopes")))
        assert names(kit) == ["device", "deviceIO"]
        await controlling.controls.learn("yard")
        assert names(kit) == ["device", "deviceIO", "ptz", "imaging"]
        assert told == ["scopes"]
        assert "onvif://www.onvif.org/type/ptz" in kit.model.fixed_scopes("n", "h", "m")
        operations = {operation.request for operation in kit.endpoint.operations()}
        assert "{http://www.onvif.org/ver20/ptz/wsdl}GetNodes" in operations
        check_capabilities(kit, CONTEXT)
        controlling.controls._cameras["yard"].abilities = NO_ABILITIES
        controlling.controls._learnt("yard")
        assert names(kit) == ["device", "deviceIO"]
        assert not operations <= {operation.request for operation in kit.endpoint.operations()}
        assert told == ["scopes"] * 2
    finally:
        database.close()


def names(kit: Kit) -> list[str]:
    return [service.namespace.split("/")[-2] for service in kit.model.services]


def check_capabilities(kit: Kit, context: Context) -> None:
    listed = kit.model.get_services(context, include_capability=True)
    assert len(listed) == len(kit.model.services)
    legacy = kit.model.get_capabilities(context, ["All"])
    assert legacy["PTZ"]["XAddr"].endswith("/onvif/ptz_service")
    assert legacy["Imaging"]["XAddr"].endswith("/onvif/imaging_service")
    assert legacy["Device"]["IO"] == {"InputConnectors": 1, "RelayOutputs": 1}
    assert legacy["Extension"]["DeviceIO"]["RelayOutputs"] == 1


@pytest.mark.parametrize("name", ["ptz", "imaging", "deviceIO"])
async def test_what_is_announced_is_the_same_everywhere(validate: Validate, name: str) -> None:
    controls = await ControlKit().learn()
    access = controls.access
    services = (
        PtzService(controls.profiles, access, controls.clock),
        ImagingService(controls.profiles, access),
        DeviceIOService(controls.profiles, controls.contacts),
    )
    kit = Kit(services)
    namespace = next(each.namespace for each in services if f"/{name}/" in each.namespace)
    listed = body_of((await kit.call(request("GetServices", IncludeCapability="true"))).body)
    announced = listed.find(f".//{{{namespace}}}Capabilities")
    own = body_of((await kit.call(f'<GetServiceCapabilities xmlns="{namespace}"/>', "")).body)
    validate(own)
    assert own[0].attrib
    assert dict(announced.attrib) == dict(own[0].attrib)
    [service] = [each for each in listed if each.findtext("{*}Namespace") == namespace]
    legacy = body_of((await kit.call(request("GetCapabilities", Category="All"))).body)
    address = service.findtext("{*}XAddr")
    assert address in [each.text for each in legacy.iter("{*}XAddr")]


async def test_a_device_without_contacts_refuses_each_one() -> None:
    contacts = NoContacts()
    assert (contacts.relay_outputs(), contacts.digital_inputs(), contacts.relay_options(None)) == ([], [], [])
    with pytest.raises(Exception, match="relay output token 'x' does not exist"):
        await contacts.switch_relay("x", "active", CONTEXT)
