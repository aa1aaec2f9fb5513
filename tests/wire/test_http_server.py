"""The web server on a real socket: SOAP in every HTTP dress, snapshots, and clients that mean no good."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiohttp import ClientSession, TCPConnector, web
from soap_kit import PASSWORDS, Kit, body_of, envelope, request

from gateway.domain.access import Secret
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.onvif.endpoint import SoapRequest, SoapResponse
from gateway.protocols.http_auth import DigestClient
from gateway.servers import http as http_module
from gateway.servers.http import HttpServer, HttpSettings
from gateway.servers.http_access import HttpAccess

TIME = envelope(request("GetSystemDateAndTime"))
SERVICES = envelope(request("GetServices", IncludeCapability="false"))
JPEG = b"\xff\xd8\xff\xd9"


async def snapshot(path: str) -> bytes:
    if path == "yard/main":
        return JPEG
    raise GatewayError(ErrorKind.NOT_FOUND, f"there is no picture {path!r}")


@dataclass
class Running:
    kit: Kit
    server: HttpServer
    port: int
    client: ClientSession

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def exchange(self, *chunks: bytes) -> bytes:
        """Send raw bytes on a connection of their own and return all that comes back until it is closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
        data = await reader.read()
        writer.close()
        await writer.wait_closed()
        return data


def server_of(kit: Kit, **settings: str) -> HttpServer:
    routes = web.RouteTableDef()

    @routes.get("/")
    async def _home(_request: web.Request) -> web.Response:
        return web.Response(text="console")

    return HttpServer(
        kit.endpoint,
        HttpAccess(kit.gatekeeper),
        snapshot,
        HttpSettings(lambda host: f"rtsp://{host}:8554", **settings),
        [routes],
    )


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    kit = Kit()
    server = server_of(kit)
    await server.start()
    _, port = await server.listen("127.0.0.1", 0)
    async with ClientSession() as client:
        yield Running(kit, server, port, client)
    await server.stop()


@pytest.mark.parametrize("path", ["/onvif/device_service", "/", "/onvif/imaging_service?x=1", "/a/b//c"])
@pytest.mark.parametrize("kind", ['application/soap+xml; charset=utf-8; action="urn:wrong"', "text/xml", "x/y", ""])
async def test_soap_works_on_any_path_with_any_content_type(running: Running, path: str, kind: str) -> None:
    headers = {"Content-Type": kind, "SOAPAction": '"urn:wrong"'}
    async with running.client.post(running.base + path, data=TIME, headers=headers) as response:
        assert response.status == 200
        assert response.content_type == "application/soap+xml"
        assert body_of(await response.read()).tag.endswith("GetSystemDateAndTimeResponse")


async def test_a_chunked_body_is_read(running: Running) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(TIME), 7):
            yield TIME[start : start + 7]

    async with running.client.post(running.base + "/x", data=pieces()) as response:
        assert response.status == 200


async def test_a_body_that_arrives_byte_by_byte_is_read(running: Running) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(TIME)
    answer = await running.exchange(*(bytes([byte]) for byte in head + TIME))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("nvr.example", "http://nvr.example"),
        ("nvr.example:8081", "http://nvr.example:8081"),
        ("[2001:db8::1]:80", "http://[2001:db8::1]:80"),
        ("bad host<", "http://127.0.0.1:{port}"),
        ("", "http://127.0.0.1:{port}"),
    ],
)
async def test_addresses_follow_the_host_that_the_client_used(running: Running, host: str, base: str) -> None:
    head = f"POST /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {len(SERVICES)}\r\n\r\n"
    answer = await running.exchange(head.encode() + SERVICES)
    address = body_of(answer.partition(b"\r\n\r\n")[2]).findtext(".//{*}XAddr")
    assert address == base.format(port=running.port) + "/onvif/device_service"


async def test_http_1_0_without_host_is_answered(running: Running) -> None:
    head = b"POST /x HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(SERVICES)
    assert f"http://127.0.0.1:{running.port}/onvif".encode() in await running.exchange(head + SERVICES)


async def test_a_configured_external_address_is_announced_instead() -> None:
    seen: list[SoapRequest] = []

    class Recorder:
        async def handle(self, request: SoapRequest) -> SoapResponse:
            seen.append(request)
            return SoapResponse(200, "text/xml", b"<a/>")

    kit = Kit()
    settings = HttpSettings(lambda host: f"rtsp://{host}:8554", "https://nvr.example:8443")
    server = HttpServer(Recorder(), HttpAccess(kit.gatekeeper), snapshot, settings)
    await server.start()
    _, port = await server.listen("127.0.0.1", 0)
    async with ClientSession() as client, client.post(f"http://127.0.0.1:{port}/x", data=b"x") as response:
        assert response.status == 200
    await server.stop()
    assert (seen[0].base, seen[0].host) == ("https://nvr.example:8443", "nvr.example")
    assert (seen[0].address, seen[0].local_address, seen[0].rtsp) == (
        "127.0.0.1",
        "127.0.0.1",
        "rtsp://nvr.example:8554",
    )


async def test_challenges_come_as_separate_headers_md5_first_and_digest_works(running: Running) -> None:
    data, url = envelope(request("GetDeviceInformation")), running.base + "/onvif/device_service"
    async with running.client.post(url, data=data) as response:
        challenges = response.headers.getall("WWW-Authenticate")
        assert response.status == 401
        assert body_of(await response.read()).tag.endswith("Fault")
    assert ["SHA-256" in challenge for challenge in challenges] == [False, True]
    client = DigestClient("root", Secret(PASSWORDS["root"]))
    assert client.challenged(challenges)
    for _ in range(3):
        headers = {"Authorization": client.authorization("POST", "/onvif/device_service") or ""}
        async with running.client.post(url, data=data, headers=headers) as response:
            assert response.status == 200


async def test_an_empty_post_is_challenged_as_libcurl_expects(running: Running) -> None:
    async with running.client.post(running.base + "/x", data=b"") as response:
        assert response.status == 401
        first, second = response.headers.getall("WWW-Authenticate")
        assert ("algorithm=MD5" in first, "algorithm=SHA-256" in second) == (True, True)
        assert body_of(await response.read()).tag.endswith("Fault")


async def test_a_vms_of_64_connections_and_256_calls_in_a_row_is_served(running: Running) -> None:
    async with ClientSession(connector=TCPConnector(limit=64)) as client:

        async def call() -> int:
            async with client.post(running.base + "/x", data=TIME) as response:
                await response.read()
                return response.status

        for _ in range(4):
            assert await asyncio.gather(*(call() for _ in range(64))) == [200] * 64
    async with ClientSession(connector=TCPConnector(limit=1)) as client:
        for _ in range(256):
            async with client.post(running.base + "/x", data=TIME) as response:
                assert response.status == 200
                await response.read()


@pytest.mark.parametrize("user", PASSWORDS)
async def test_a_snapshot_with_basic(running: Running, user: str) -> None:
    credentials = base64.b64encode(f"{user}:{PASSWORDS[user]}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}"}
    async with running.client.get(running.base + "/snapshot/yard/main", headers=headers) as response:
        assert (response.status, response.content_type) == (200, "image/jpeg")
        assert await response.read() == JPEG


async def test_a_snapshot_with_digest(running: Running) -> None:
    url = running.base + "/snapshot/yard/main"
    async with running.client.get(url) as response:
        assert response.status == 401
        challenges = response.headers.getall("WWW-Authenticate")
        assert all(challenge.startswith("Digest ") for challenge in challenges)
    client = DigestClient("viewer", Secret(PASSWORDS["viewer"]))
    assert client.challenged(challenges)
    headers = {"Authorization": client.authorization("GET", "/snapshot/yard/main") or ""}
    async with running.client.get(url, headers=headers) as response:
        assert await response.read() == JPEG
    headers = {"Authorization": client.authorization("GET", "/snapshot/none") or ""}
    async with running.client.get(running.base + "/snapshot/none", headers=headers) as response:
        assert (response.status, await response.text()) == (404, "there is no picture 'none'\n")


@pytest.mark.parametrize("credentials", ["cm9vdDp3cm9uZw==", "bm9ib2R5OngK", "%%%", ""])
async def test_wrong_basic_credentials_are_challenged_and_counted(running: Running, credentials: str) -> None:
    headers = {"Authorization": f"Basic {credentials}"}
    async with running.client.get(running.base + "/snapshot/yard/main", headers=headers) as response:
        assert response.status == 401


async def test_guessing_by_basic_is_stopped(running: Running) -> None:
    wrong = {"Authorization": "Basic cm9vdDp3cm9uZw=="}
    right = {"Authorization": "Basic " + base64.b64encode(f"root:{PASSWORDS['root']}".encode()).decode()}
    for _ in range(25):
        async with running.client.get(running.base + "/snapshot/yard/main", headers=wrong) as response:
            assert response.status == 401
    async with running.client.get(running.base + "/snapshot/yard/main", headers=right) as response:
        assert response.status != 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 200), ("GET", "/onvif/device_service", 404), ("PUT", "/x", 405), ("DELETE", "/", 405)],
)
async def test_what_is_no_soap(running: Running, method: str, path: str, status: int) -> None:
    async with running.client.request(method, running.base + path) as response:
        assert response.status == status
        assert response.headers["Server"] == "onvif-vms-gateway"


async def test_a_body_that_is_too_long_is_refused(running: Running) -> None:
    async with running.client.post(running.base + "/x", data=b"x" * 300_000) as response:
        assert response.status == 413
    async with running.client.post(running.base + "/x", data=TIME) as response:
        assert response.status == 200


async def test_a_compressed_body_is_not_unpacked(running: Running) -> None:
    headers = {"Content-Encoding": "gzip"}
    async with running.client.post(running.base + "/x", data=b"\x1f\x8b" + bytes(100), headers=headers) as response:
        assert response.status == 400


async def test_a_body_that_never_comes_is_given_up(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "BODY_SECONDS", 0.01)
    answer = await running.exchange(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_connection_without_a_request_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "IDLE_SECONDS", 0.01)
    server = server_of(Kit())
    await server.start()
    _, port = await server.listen("127.0.0.1", 0)
    for start in (b"", b"POST /x HTTP/1.1\r\nHost: h\r\nContent-"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(start)
        assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()
        await writer.wait_closed()
    await server.stop()


@pytest.mark.parametrize("noise", [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"POST /x HTTP/9.9\r\n\r\n", b"A" * 70_000])
async def test_noise_is_refused_and_the_server_lives_on(running: Running, noise: bytes) -> None:
    assert b"200 OK" not in await running.exchange(noise, b"\r\n\r\n")
    async with running.client.post(running.base + "/x", data=TIME) as response:
        assert response.status == 200


async def test_a_listener_can_hand_over_an_accepted_socket(running: Running) -> None:
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    await loop.connect_accepted_socket(running.server.protocol, ours)
    reader, writer = await asyncio.open_connection(sock=theirs)
    writer.write(b"POST /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(TIME) + TIME)
    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.close()
    await writer.wait_closed()


def test_connections_are_taken_only_between_start_and_stop() -> None:
    with pytest.raises(RuntimeError, match="the web server takes connections only between start and stop"):
        server_of(Kit()).protocol()
