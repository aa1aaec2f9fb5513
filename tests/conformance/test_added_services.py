"""Services that are added while the endpoint runs, as when storage is configured: what is announced follows."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from broker_kit import broker_operations
from recording_samples import Site
from soap_kit import Kit, body_of, fault_of, request

from gateway.onvif.deviceio import DeviceIOService
from gateway.onvif.events import EventService
from gateway.onvif.media import MediaService
from gateway.onvif.media2 import Media2Service
from gateway.onvif.receiver import ReceiverService
from gateway.onvif.recording import RecordingService
from gateway.onvif.replay import ReplayService
from gateway.onvif.search import SearchService
from gateway.services.eventbus import EventBus
from gateway.services.searches import Searches
from gateway.services.subscriptions import Subscriptions

Validate = Callable[..., dict[str, Any]]
ADDED = (RecordingService, SearchService, ReplayService, ReceiverService)
LISTS = {RecordingService: "GetRecordings", SearchService: "GetRecordingSummary", ReceiverService: "GetReceivers"}


async def no_post(_url: str, _data: bytes, _client: str) -> None:
    raise AssertionError("nobody subscribed")


class Device:
    """A device without storage, until `add_storage`."""

    def __init__(self) -> None:
        self.site = site = Site()
        profiles = site.profiles
        self.kit = Kit((MediaService(profiles), Media2Service(profiles), DeviceIOService(profiles)))
        bus = EventBus(self.kit.clock)
        kit, subscriptions = self.kit, Subscriptions(bus, self.kit.clock)
        brokers = broker_operations(bus, kit.codec, kit.clock)
        events = EventService(bus, subscriptions, kit.contract, kit.codec, no_post, kit.clock, brokers)
        self.searches = Searches(self.kit.clock)
        self._add(events)

    def add_storage(self) -> None:
        """Add what the gateway has once there is somewhere to record to."""
        site, kit = self.site, self.kit
        search = SearchService(
            site.recordings, site.archive, self.searches, kit.contract, kit.codec, kit.clock, site.describe
        )
        self._add(RecordingService(site.recordings, site.editor, site.audit))
        self._add(search)
        self._add(ReplayService(site.recordings, kit.settings, site.audit))
        self._add(ReceiverService(site.receivers, site.audit))

    def _add(self, service: Any) -> None:
        self.kit.model.register(service)
        self.kit.endpoint.add(service)

    async def scopes(self) -> set[str]:
        """Return the scopes that the device announces."""
        answer = body_of((await self.kit.call(request("GetScopes"))).body)
        return {item.text for item in answer.iter("{*}ScopeItem")}

    async def services(self) -> Any:
        """Return the response of GetServices."""
        return body_of((await self.kit.call(request("GetServices", IncludeCapability="true"))).body)


@pytest.fixture
async def device() -> AsyncIterator[Device]:
    device = Device()
    yield device
    await device.searches.close()


async def test_without_storage_nothing_is_announced(device: Device) -> None:
    namespaces = {each.text for each in (await device.services()).iter("{*}Namespace")}
    assert not namespaces & {service.namespace for service in ADDED}
    assert "onvif://www.onvif.org/Profile/G" not in await device.scopes()
    for service, operation in LISTS.items():
        fault = fault_of(await device.kit.call(f'<{operation} xmlns="{service.namespace}"/>'))
        assert fault.subcodes == ("ter:ActionNotSupported",)


async def test_with_storage_everything_is(device: Device, validate: Validate) -> None:
    device.add_storage()
    assert "onvif://www.onvif.org/Profile/G" in await device.scopes()
    for service, operation in LISTS.items():
        for user in ("root", "operator", "viewer"):
            response = await device.kit.call(f'<{operation} xmlns="{service.namespace}"/>', user)
            validate(response.body, operation)
        assert (await device.kit.call(f'<{operation} xmlns="{service.namespace}"/>', "")).status == 401


@pytest.mark.parametrize("service", ADDED)
async def test_capabilities_agree_everywhere(device: Device, validate: Validate, service: Any) -> None:
    device.add_storage()
    announced = (await device.services()).find(f".//{{{service.namespace}}}Capabilities")
    own = body_of((await device.kit.call(f'<GetServiceCapabilities xmlns="{service.namespace}"/>', "")).body)
    validate(own)
    assert dict(announced.attrib) == dict(own[0].attrib)


async def test_old_capabilities_tell_of_receivers(device: Device) -> None:
    device.add_storage()
    answer = body_of((await device.kit.call(request("GetCapabilities", Category="All"))).body)
    recording = answer.find(".//{*}Extension/{*}Recording")
    told = {each.tag.rpartition("}")[2]: each.text for each in recording}
    assert told["XAddr"] == "http://192.0.2.10:8080/onvif/recording_service"
    assert (told["ReceiverSource"], told["DynamicRecordings"], told["DynamicTracks"]) == ("true", "true", "true")


async def test_viewers_may_look_and_operators_may_change(device: Device) -> None:
    device.add_storage()
    mode = f'<SetRecordingJobMode xmlns="{RecordingService.namespace}"><JobToken>Job_yard</JobToken><Mode>Idle</Mode>'
    mode += "</SetRecordingJobMode>"
    assert fault_of(await device.kit.call(mode, "viewer")).subcodes == ("ter:NotAuthorized",)
    assert (await device.kit.call(mode, "operator")).status == 200
    assert device.site.audited == [("operator", "SetRecordingJobMode", "Job_yard Idle")]
