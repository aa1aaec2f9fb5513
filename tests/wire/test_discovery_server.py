import asyncio
import contextlib
import ipaddress
import random
import socket
import struct
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.protocols.discovery import (
    MULTICAST_IPV4,
    NS_ADDRESSING,
    NS_DISCOVERY,
    ONVIF_TYPES,
    Bye,
    Hello,
    Message,
    Probe,
    ProbeMatches,
    parse,
    scope,
    serialize,
)
from gateway.protocols.soap.envelope import SoapVersion
from gateway.servers.discovery import (
    APP_MAX_DELAY,
    MAX_PENDING,
    RESCAN_SECONDS,
    DiscoveryServer,
    Interface,
    system_interfaces,
)
from gateway.testing.clock import FakeClock, settle

UUID = "4d3a8f6e-1f0a-4a4b-9c2e-001122334455"
LOOPBACK = Interface("lo", socket.if_nametoindex("lo"), (ipaddress.ip_interface("127.0.0.1/8"),))


class Network:
    """A server on the loopback with everything a test turns."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.interfaces: tuple[Interface, ...] = (LOOPBACK,)
        self.scopes: tuple[str, ...] = (scope("name", "Gate"),)
        self.enabled = True
        self.served = True
        self.port = free_port()
        self.server = DiscoveryServer(
            UUID,
            ONVIF_TYPES,
            lambda: self.scopes,
            lambda host: f"http://{host}:8080/onvif/device_service" if self.served else None,
            self.clock,
            jitter=random.Random(1),
            enabled=lambda: self.enabled,
            interfaces=lambda: self.interfaces,
            port=self.port,
        )


class Peer:
    """A socket that asks, and hears the group."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.settimeout(0)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        self.group = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.group.settimeout(0)
        self.group.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.group.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.group.bind((MULTICAST_IPV4, port))
        member = struct.pack("=4s4si", socket.inet_aton(MULTICAST_IPV4), bytes(4), LOOPBACK.index)
        self.group.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)

    def send(self, datagram: bytes, *, multicast: bool = True) -> None:
        self.sock.sendto(datagram, (MULTICAST_IPV4 if multicast else "127.0.0.1", self.port))

    def probe(self, message_id: str, *, multicast: bool = True, match_by: str = "") -> None:
        self.send(serialize(Message(Probe(ONVIF_TYPES, match_by=match_by), message_id)), multicast=multicast)

    async def answer(self) -> Message:
        datagram, sender = await asyncio.get_running_loop().sock_recvfrom(self.sock, 65_535)
        assert sender == ("127.0.0.1", self.port)
        return parse(datagram)

    async def announced(self) -> Message:
        while True:
            message = parse(await asyncio.get_running_loop().sock_recv(self.group, 65_535))
            if not isinstance(message.body, Probe):
                return message

    def silent(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            return not self.sock.recv(65_535)
        return True

    def close(self) -> None:
        self.sock.close()
        self.group.close()


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop poll its sockets until something that is bound to happen has happened."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is awaited happens inside the kernel
            await asyncio.sleep(0)


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    network = Network()
    yield network
    stopping = asyncio.create_task(network.server.stop())
    await settle()
    await network.clock.advance(2.0)
    await stopping


@pytest.fixture
async def peer(network: Network) -> AsyncIterator[Peer]:
    peer = Peer(network.port)
    yield peer
    peer.close()


async def started(network: Network) -> None:
    await network.server.start()
    await settle()
    await network.clock.advance(1.0)


async def test_a_multicast_probe_is_answered_twice_after_its_delay(network: Network, peer: Peer) -> None:
    await started(network)
    peer.probe("uuid:Mixed-Case-1")
    await until(lambda: bool(network.server._pending))
    await settle()
    assert 0 < min(network.clock.sleeping) <= APP_MAX_DELAY
    assert peer.silent()
    await network.clock.advance(1.0)
    first, second = await peer.answer(), await peer.answer()
    assert first == second
    assert first.relates_to == "uuid:Mixed-Case-1"
    assert isinstance(first.body, ProbeMatches)
    assert first.body.targets[0].xaddrs == ("http://127.0.0.1:8080/onvif/device_service",)


async def test_a_unicast_probe_is_answered_at_once(network: Network, peer: Peer) -> None:
    await started(network)
    peer.probe("uuid:1", multicast=False)
    assert isinstance((await peer.answer()).body, ProbeMatches)


async def test_an_unknown_matching_rule_is_a_fault_to_a_unicast_probe(network: Network, peer: Peer) -> None:
    await started(network)
    peer.probe("uuid:1", multicast=False, match_by="urn:unknown")
    datagram = await asyncio.get_running_loop().sock_recv(peer.sock, 65_535)
    assert b"d:MatchingRuleNotSupported" in datagram


async def test_hello_at_start_and_at_each_change_and_bye_at_stop(network: Network, peer: Peer) -> None:
    await started(network)
    hellos = [await peer.announced() for _ in range(3)]
    assert hellos[0] == hellos[1] == hellos[2]
    assert isinstance(hellos[0].body, Hello)
    assert hellos[0].body.target.scopes == network.scopes

    network.scopes = (scope("name", "Yard"),)
    network.server.announce()
    await settle()
    changed = await peer.announced()
    assert isinstance(changed.body, Hello)
    assert changed.body.target.scopes == (scope("name", "Yard"),)
    assert changed.body.target.metadata_version == hellos[0].body.target.metadata_version + 1
    assert changed.sequence is not None
    assert hellos[0].sequence is not None
    assert changed.sequence.number > hellos[0].sequence.number

    stopping = asyncio.create_task(network.server.stop())
    bye = await peer.announced()
    assert bye.body == Bye(f"urn:uuid:{UUID}")
    await network.clock.advance(1.0)
    await stopping
    peer.probe("uuid:1", multicast=False)
    await settle()
    assert peer.silent()


async def test_a_device_that_is_not_discoverable_is_silent(network: Network, peer: Peer) -> None:
    network.enabled = False
    await started(network)
    peer.probe("uuid:1")
    peer.probe("uuid:2", multicast=False)
    network.enabled = True
    peer.probe("uuid:3", multicast=False)
    assert (await peer.answer()).relates_to in {"uuid:2", "uuid:3"}


async def test_nothing_is_announced_where_nobody_listens(network: Network, peer: Peer) -> None:
    network.served = False
    await started(network)
    assert not network.server._pending
    network.served = True
    peer.probe("uuid:1", multicast=False)
    assert (await peer.answer()).relates_to == "uuid:1"


async def test_interfaces_come_and_go(network: Network, peer: Peer) -> None:
    network.interfaces = ()
    await started(network)
    peer.probe("uuid:1", multicast=False)
    await settle()
    assert peer.silent()

    network.interfaces = (LOOPBACK,)
    await network.clock.advance(RESCAN_SECONDS)
    assert isinstance((await peer.announced()).body, Hello)
    peer.probe("uuid:2", multicast=False)
    assert (await peer.answer()).relates_to == "uuid:2"

    network.interfaces = ()
    await network.clock.advance(RESCAN_SECONDS)
    assert network.server._links == {}


async def test_an_address_that_cannot_be_bound_yet_is_tried_again(
    network: Network, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "gateway.servers.discovery")
    missing = Interface("lo", LOOPBACK.index, (ipaddress.ip_interface("192.0.2.77/24"),))
    network.interfaces = (missing, LOOPBACK)
    await started(network)
    await network.clock.advance(2 * RESCAN_SECONDS)
    complaints = [record.getMessage() for record in caplog.records if "can't listen" in record.getMessage()]
    assert len(complaints) == 1
    assert complaints[0].startswith("discovery: can't listen on lo (192.0.2.77) yet: ")
    peer.probe("uuid:1", multicast=False)
    assert (await peer.answer()).relates_to == "uuid:1"


async def test_a_socket_that_fails_is_opened_again(network: Network, peer: Peer) -> None:
    await started(network)
    link = network.server._links[LOOPBACK]
    network.server._failed(link, OSError("network is down"))
    assert network.server._links == {}
    await network.clock.advance(RESCAN_SECONDS)
    peer.probe("uuid:1", multicast=False)
    assert (await peer.answer()).relates_to == "uuid:1"


async def test_a_scan_that_fails_is_repeated(network: Network, peer: Peer) -> None:
    await started(network)
    real = network.server._interfaces

    def broken() -> tuple[Interface, ...]:
        raise OSError("no netlink")

    network.server._interfaces = broken
    await network.clock.advance(RESCAN_SECONDS)
    network.server._interfaces = real
    await network.clock.advance(RESCAN_SECONDS)
    peer.probe("uuid:1", multicast=False)
    assert (await peer.answer()).relates_to == "uuid:1"


BOMB = b'<!DOCTYPE x [<!ENTITY a "' + b"a" * 5000 + b'"><!ENTITY b "' + b"&a;" * 1000 + b'">]><x>&b;</x>'
HOSTILE_HELLO = (
    f'<s:Envelope xmlns:s="{SoapVersion.V12.namespace}" xmlns:a="{NS_ADDRESSING}" xmlns:d="{NS_DISCOVERY}"><s:Header>'
    f'<a:MessageID>uuid:h</a:MessageID><d:AppSequence InstanceId="abc" MessageNumber="1"/></s:Header>'
    "<s:Body><d:Hello/></s:Body></s:Envelope>"
).encode()


async def test_no_datagram_stops_it(network: Network, peer: Peer) -> None:
    await started(network)
    noise = random.Random(2)
    good = bytearray(serialize(Message(Probe(ONVIF_TYPES), "uuid:seed")))
    for hostile in (b"", b"\0" * 9000, b"<" * 9000, BOMB, HOSTILE_HELLO, b"<a>" * 2000, noise.randbytes(60_000)):
        peer.send(hostile, multicast=noise.random() < 0.5)
    for number in range(500):
        damaged = bytearray(good)
        for _ in range(noise.randint(1, 6)):
            damaged[noise.randrange(len(damaged))] = noise.randrange(256)
        peer.send(bytes(damaged), multicast=number % 2 == 0)
        await asyncio.sleep(0)
    await network.clock.advance(10.0)
    while not peer.silent():
        pass
    peer.probe("uuid:after", multicast=False)
    async with asyncio.timeout(30):
        while (await peer.answer()).relates_to != "uuid:after":
            pass


async def test_a_fault_of_its_own_is_logged_and_survived(
    network: Network, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    await started(network)
    network.scopes = ("\0",)
    peer.probe("uuid:1", multicast=False)
    await until(lambda: "could not be answered" in caplog.text)
    network.scopes = ()
    peer.probe("uuid:2", multicast=False)
    assert (await peer.answer()).relates_to == "uuid:2"


async def test_waiting_answers_are_bounded(network: Network) -> None:
    await started(network)
    link = network.server._links[LOOPBACK]
    for number in range(MAX_PENDING + 20):
        datagram = serialize(Message(Probe(), f"uuid:{number}"))
        network.server._received(link, datagram, (f"127.0.{number >> 8}.{number & 255}", 9), multicast=True)
    assert len(network.server._pending) == MAX_PENDING


def test_the_system_names_its_interfaces() -> None:
    loopbacks = system_interfaces(("lo",))
    assert LOOPBACK in loopbacks
    assert all(interface.name != "lo" for interface in system_interfaces())
    assert system_interfaces(("no-such",)) == ()


def test_the_address_in_the_network_of_the_source_is_chosen() -> None:
    addresses = tuple(ipaddress.ip_interface(text) for text in ("192.0.2.1/24", "198.51.100.1/24"))
    interface = Interface("eth0", 2, addresses)
    assert str(interface.address_towards("198.51.100.9").ip) == "198.51.100.1"
    assert str(interface.address_towards("203.0.113.9").ip) == "192.0.2.1"
