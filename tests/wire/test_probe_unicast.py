"""Asking given addresses for ONVIF devices, and finding cameras again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from peers.scripted_camera import ScriptedCamera
from peers.scripted_onvif import NOW, PASSWORD, USER, ScriptedOnvif

from gateway.domain.access import Secret
from gateway.domain.camera import CameraInfo
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.protocols.discovery import ONVIF_TYPES, Message, Probe, ProbeMatches, Target, parse, scope, serialize
from gateway.sdk.driver import DriverContext
from gateway.servers.finder import PAUSE_SECONDS, NetworkFinder
from gateway.servers.probe import FoundCamera
from gateway.servers.probe_unicast import endpoint_at, probe_addresses
from gateway.testing.clock import FakeClock
from gateway.testing.drivers import RecordingSink
from gateway_onvif.driver import OnvifDriver, OnvifSettings

TARGET = Target("urn:uuid:1", ONVIF_TYPES, (scope("name", "Front Door"),), ("http://192.168.1.64:8000/onvif/device",))
OTHER = replace(TARGET, endpoint="urn:uuid:2", xaddrs=("http://127.0.0.1:8001/onvif/device",))
PRINTER = Target("urn:uuid:3", ("{urn:printers}Printer",), (), ("http://127.0.0.1/print",))


class Answering(asyncio.DatagramProtocol):
    """Devices behind one port; their second thoughts are noise."""

    def __init__(self, *targets: Target) -> None:
        self._targets = targets

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        asked = parse(data)
        assert isinstance(asked.body, Probe)
        answer = Message(ProbeMatches(self._targets), message_id="urn:uuid:a", relates_to=asked.message_id)
        for datagram in (b"noise", serialize(replace(answer, relates_to="urn:uuid:else")), serialize(answer)):
            self._transport.sendto(datagram, addr)


@contextlib.asynccontextmanager
async def answering(*targets: Target) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Answering(*targets), local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


async def test_given_addresses_are_asked() -> None:
    async with answering(TARGET, OTHER, PRINTER) as port:
        found = await probe_addresses(["127.0.0.1", "host.invalid"], 30, port=port)  # ends when all have answered
    here = ("http://127.0.0.1:8000/onvif/device", *TARGET.xaddrs)
    assert found == [
        FoundCamera("urn:uuid:1", here, "Front Door", "", ""),
        FoundCamera("urn:uuid:2", OTHER.xaddrs, "Front Door", "", ""),
    ]
    assert await probe_addresses(["127.0.0.1"], 30, port=port) == []  # nobody listens there any more
    assert await probe_addresses([], 30) == []


async def test_the_endpoint_is_that_of_the_device_with_the_port() -> None:
    async with answering(TARGET, OTHER) as port:
        assert await endpoint_at("http://127.0.0.1:8001", port=port) == "urn:uuid:2"
        assert await endpoint_at("http://127.0.0.1:8000/onvif/device", port=port) == "urn:uuid:1"
        assert await endpoint_at("http://127.0.0.1", port=port) == ""


async def test_the_network_is_searched_for_all_missing_cameras_together() -> None:
    searches, clock = 0, FakeClock()

    async def search() -> Sequence[FoundCamera]:
        nonlocal searches
        searches += 1
        if searches == 2:
            raise OSError(101, "Network is unreachable")
        return [FoundCamera("urn:uuid:AB", ("http://h/",), "", "", "")]

    finder = NetworkFinder(search, clock)
    assert await asyncio.gather(*map(finder.find, ("urn:uuid:ab", "urn:uuid:AB ", "urn:uuid:c"))) == [
        ("http://h/",),
        ("http://h/",),
        (),
    ]
    assert searches == 1
    await clock.advance(PAUSE_SECONDS)
    assert await finder.find("urn:uuid:ab") == ()
    await clock.advance(PAUSE_SECONDS)
    assert await finder.find("urn:uuid:ab") == ("http://h/",)
    assert searches == 3


class Finder:
    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def find(self, endpoint: str) -> tuple[str, ...]:
        assert endpoint == "urn:uuid:1"
        return self._addresses


def driver(address: str, finder: Finder | None, endpoint: str = "urn:uuid:1", serial: str = "") -> OnvifDriver:
    settings = OnvifSettings(address, username=USER, password=Secret(PASSWORD), endpoint=endpoint)
    clock = FakeClock(int(NOW.timestamp()) * 1_000_000_000)
    return OnvifDriver(settings, DriverContext("yard", "Yard", clock, finder=finder, known=CameraInfo(serial=serial)))


async def test_a_camera_whose_address_has_changed_is_found_again() -> None:
    async with ScriptedOnvif() as before:
        pass
    async with ScriptedOnvif() as camera:
        nowhere = ("ftp://127.0.0.1/", f"http://{before.address}/onvif/device_service", "http://127.0.0.1:1/x")
        onvif = driver(before.address, Finder(*nowhere, f"http://{camera.address}/onvif/device_service"))
        assert (await onvif.info()).serial == "A7"
        assert (await onvif.describe()).main.url.startswith("rtsp://127.0.0.1")
        assert camera.refused == 0


async def test_another_device_at_the_old_address_is_left() -> None:
    async with ScriptedOnvif(password="another") as stranger, ScriptedOnvif() as camera:
        onvif = driver(stranger.address, Finder(f"http://{camera.address}/onvif/device_service"))
        assert (await onvif.info()).serial == "A7"
        assert (stranger.refused, camera.refused) == (1, 0)


async def test_another_camera_with_the_same_password_at_the_old_address_is_left() -> None:
    async with ScriptedCamera() as media:
        uri = f"rtsp://h:{media.port}/{{token}}"
        async with ScriptedOnvif(stream_uri=uri) as first, ScriptedOnvif() as moved:
            onvif = driver(first.address, Finder(f"http://{moved.address}/onvif/device_service"))
            playing = asyncio.create_task(onvif.stream("main", RecordingSink()))
            await media.playing()
            first.serial = "B8"
            media.writers[-1].transport.abort()
            with pytest.raises(GatewayError, match="closed the connection"):
                async with asyncio.timeout(30):
                    await playing
            assert (await onvif.info()).serial == "A7"
            assert moved.asked.count("GetProfiles") == 1


async def test_a_camera_is_known_by_its_serial_number_after_a_restart() -> None:
    async with ScriptedOnvif(serial="B8") as stranger, ScriptedOnvif() as camera:
        onvif = driver(stranger.address, Finder(f"http://{camera.address}/onvif/device_service"), serial="A7")
        assert (await onvif.info()).serial == "A7"


@pytest.mark.parametrize("finder", [None, Finder()])
async def test_another_device_is_not_taken_for_a_camera_that_is_nowhere(finder: Finder | None) -> None:
    async with ScriptedOnvif(serial="B8") as stranger:
        onvif = driver(stranger.address, finder, serial="A7")
        for _ in range(2):
            with pytest.raises(GatewayError) as caught:
                await onvif.info()
            assert caught.value.kind is ErrorKind.UNAUTHENTICATED
        assert caught.value.message == (
            f"camera {stranger.address} is another device: its serial number is 'B8', not 'A7'; if it was replaced, "
            "say so: gateway camera accept yard"
        )


async def test_another_device_is_taken_with_a_warning_where_only_the_address_counts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with ScriptedOnvif(serial="B8") as stranger:
        onvif = driver(stranger.address, None, endpoint="", serial="A7")
        assert (await onvif.info()).serial == "B8"
    assert "is another device: its serial number is 'B8', not 'A7'" in caplog.text


@pytest.mark.parametrize(
    ("finder", "endpoint"), [(Finder(), "urn:uuid:1"), (None, "urn:uuid:1"), (Finder("http://h"), "")]
)
async def test_a_camera_that_is_not_found_stays_lost(finder: Finder | None, endpoint: str) -> None:
    async with ScriptedOnvif() as before:
        pass
    with pytest.raises(GatewayError, match="can't be reached") as caught:
        await driver(before.address, finder, endpoint).info()
    assert caught.value.kind is ErrorKind.UNAVAILABLE
