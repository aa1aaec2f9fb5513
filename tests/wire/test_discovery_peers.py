"""Our target and our search against the WSDiscovery package, in two network namespaces joined by a cable."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

pytestmark = pytest.mark.peer

UUID = "4d3a8f6e-1f0a-4a4b-9c2e-001122334455"
ADDRESSES = {4: ("192.0.2.1/24", "192.0.2.2/24"), 6: ("fd00:db8::1/64", "fd00:db8::2/64")}

TARGET = f"""
import asyncio, sys
from gateway.protocols.discovery import ONVIF_TYPES, scope
from gateway.sdk.clock import SystemClock
from gateway.servers.discovery import DiscoveryServer

def xaddr(host):
    return f"http://{{'[' + host + ']' if ':' in host else host}}:8080/onvif/device_service"

async def main():
    scopes = (scope("Profile", "Streaming"), scope("name", "Front Door"), scope("hardware", "Gateway/2"))
    server = DiscoveryServer("{UUID}", ONVIF_TYPES, lambda: scopes, xaddr, SystemClock())
    await server.start()
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await server.stop()

asyncio.run(main())
"""

SEARCH_LIKE_HOME_ASSISTANT = """
import json
from wsdiscovery import QName, Scope
from wsdiscovery.discovery import ThreadedWSDiscovery

search = ThreadedWSDiscovery()
search.start()
services = search.searchServices(
    types=[QName("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter", "dp0")],
    scopes=[Scope("onvif://www.onvif.org/Profile/Streaming")],
    timeout=3,
)
print(json.dumps([[s.getEPR(), s.getXAddrs(), [str(x) for x in s.getScopes()]] for s in services]))
search.stop()
"""

OUR_SEARCH = """
import asyncio, dataclasses, json
from gateway.servers.probe import probe

print(json.dumps([dataclasses.asdict(camera) for camera in asyncio.run(probe(2.0))]))
"""

CROWD = 120
OUR_SEARCH_AMONG_LIARS = (
    f"CROWD = {CROWD}"
    """
import asyncio, dataclasses, json, socket, threading
from gateway.protocols.discovery import *
from gateway.servers.probe import probe

def lie(sock):
    head = '<s:Envelope xmlns:s="%s" xmlns:a="%s" xmlns:d="%s"><s:Header><a:MessageID>%%s</a:MessageID>' % (
        SoapVersion.V12.namespace, NS_ADDRESSING, NS_DISCOVERY)
    body = '</s:Header><s:Body>%s</s:Body></s:Envelope>'
    hostile = [
        head % "1" + '<d:AppSequence InstanceId="abc"/>' + body % "<d:Hello/>",
        head % "2" + body % "<d:ProbeMatches><d:ProbeMatch/></d:ProbeMatches>",
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]>' + head % "&a;" + body % "<d:ProbeMatches/>",
        head % "3" + body % '<d:ProbeMatches xmlns:z="not a uri"><d:ProbeMatch><a:EndpointReference>'
            "<a:Address>u</a:Address>"
            "</a:EndpointReference><d:Types>z:X</d:Types></d:ProbeMatch></d:ProbeMatches>",
        head % "4" + body % "<d:Bye/>",
    ]
    while True:
        datagram, peer = sock.recvfrom(65535)
        for data in hostile:
            sock.sendto(data.encode(), peer)
        printer = Target("urn:uuid:2", ("{urn:printers}Printer",), ("ldap:///ou=x",), ("http://printer/",))
        sloppy = Target("urn:uuid:3", ("dn:Undeclared",), (scope("name", "Sloppy"),), ("http://sloppy/",))
        answer = Message(ProbeMatches((printer, sloppy)), "uuid:answer", "uuid:1", sequence=AppSequence(1, 1))
        sock.sendto(serialize(answer), peer)
        for number in range(CROWD):
            camera = Target(f"urn:crowd:{number}", ("dn:Camera",), (scope("name", "Crowd"),), (f"http://c{number}/",))
            sequence = AppSequence(1, number + 2)
            answer = Message(ProbeMatches((camera,)), f"uuid:{number}", "uuid:1", sequence=sequence)
            sock.sendto(serialize(answer), peer)

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.bind(("", 3702))
sock.setsockopt(
    socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(MULTICAST_IPV4) + socket.inet_aton("192.0.2.2"))
threading.Thread(target=lie, args=(sock,), daemon=True).start()
print(json.dumps([dataclasses.asdict(camera) for camera in asyncio.run(probe(2.0))]))
"""
)


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=20)


@contextmanager
def cable(version: int) -> Iterator[tuple[str, str]]:
    """Make two namespaces with one interface each, of one IP version only; yield their names."""
    near, far = (f"gwdisc{os.getpid()}{side}" for side in "ab")
    with ExitStack() as stack:
        for name in (near, far):
            run("ip", "netns", "add", name)
            stack.callback(run, "ip", "netns", "del", name)
        run("ip", "-n", near, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", far)
        for name, address in zip((near, far), ADDRESSES[version], strict=True):
            disabled = int(version == 4)
            run("ip", "netns", "exec", name, "sysctl", "-qw", f"net.ipv6.conf.all.disable_ipv6={disabled}")
            run("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=0")
            run("ip", "-n", name, "address", "add", address, "dev", "eth0", *(["nodad"] if version == 6 else []))
            run("ip", "-n", name, "link", "set", "eth0", "up")
            run("ip", "-n", name, "link", "set", "lo", "up")
        for name in (near, far):
            await_addresses(name)
        yield near, far


def await_addresses(namespace: str) -> None:
    """Return when the cable carries and no address is still being checked for duplicates."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        show = ["ip", "-n", namespace, "address", "show", "dev", "eth0"]
        said = subprocess.run(show, check=True, capture_output=True, text=True, timeout=20).stdout
        if "LOWER_UP" in said and "tentative" not in said:
            return
    raise AssertionError(f"{namespace} has no usable addresses: {said}")


@contextmanager
def target(namespace: str) -> Iterator[None]:
    command = ["ip", "netns", "exec", namespace, sys.executable, "-c", TARGET]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield
        process.stdin.close()
        assert process.wait(10) == 0


def search(namespace: str, script: str) -> list:
    command = ["ip", "netns", "exec", namespace, sys.executable, "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("version", "xaddr"),
    [
        (4, "http://192.0.2.1:8080/onvif/device_service"),
        (6, "http://[fd00:db8::1]:8080/onvif/device_service"),
    ],
)
def test_found_by_the_package_and_by_our_own_search(version: int, xaddr: str) -> None:
    with cable(version) as (near, far), target(near):
        assert search(far, SEARCH_LIKE_HOME_ASSISTANT) == [
            [
                f"urn:uuid:{UUID}",
                [xaddr],
                [
                    "onvif://www.onvif.org/Profile/Streaming",
                    "onvif://www.onvif.org/name/Front Door",
                    "onvif://www.onvif.org/hardware/Gateway%2F2",
                ],
            ]
        ]
        assert search(far, OUR_SEARCH) == [
            {
                "endpoint": f"urn:uuid:{UUID}",
                "xaddrs": [xaddr],
                "name": "Front Door",
                "hardware": "Gateway/2",
                "location": "",
            }
        ]


def test_our_search_survives_hostile_answers_and_finds_every_onvif_device() -> None:
    with cable(4) as (near, far), target(near):
        names = [camera["name"] for camera in search(far, OUR_SEARCH_AMONG_LIARS)]
        assert names == ["Front Door", *["Crowd"] * CROWD, "Sloppy"]
