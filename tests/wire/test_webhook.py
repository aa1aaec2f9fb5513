"""Webhooks on real sockets: the document and its signature, every answer, and restarts of both sides."""

import asyncio
import base64
import json
import re
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sink_kit import HurriedClock, running
from standardwebhooks import Webhook

from gateway.domain.access import Secret
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event
from gateway.sdk.sink import EventSink, RetryLaterError, SinkEntry
from gateway.testing.clock import FakeClock
from gateway.testing.sinks import SinkContract, motion, sink_context
from gateway_webhook.message import document, retry_after
from gateway_webhook.sink import WebhookSettings, WebhookSink

SECRET = "whsec_" + base64.b64encode(b"a key of 24 bytes, known").decode()
NOW_NS = 1_790_000_000 * 1_000_000_000


class Service:
    """A web service that can go away and come back on its port."""

    def __init__(self) -> None:
        self.port = 0
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.acknowledged: list[str] = []
        self.statuses: list[int] = []
        """Answers to the next requests; 0 hangs up, and an empty list means 200."""
        self.headers: dict[str, str] = {}
        self._runner: web.AppRunner | None = None
        self._news = asyncio.Event()

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        application = web.Application()
        application.router.add_post("/hook", self._answer)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=tls, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def arrived(self, count: int) -> list[str]:
        """Return the ids of what was taken, once there are so many; who knows an id has to take it only once."""
        async with asyncio.timeout(30):
            while len(self.acknowledged) < count:
                self._news.clear()
                await self._news.wait()
        return self.acknowledged

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(content) for _, content in self.taken]

    async def _answer(self, request: web.Request) -> web.Response:
        self.taken.append((dict(request.headers), await request.read()))
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 0 and request.transport is not None:
            request.transport.abort()
        if status < 300 and request.headers["webhook-id"] not in self.acknowledged:
            self.acknowledged.append(request.headers["webhook-id"])
        self._news.set()
        return web.Response(status=status or 200, headers=self.headers, text="x" * 100_000 if status == 202 else "")


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    await service.start()
    yield service
    await service.stop()


@asynccontextmanager
async def opened(url: str, **settings: Any) -> AsyncIterator[WebhookSink]:
    sink = WebhookSink(WebhookSettings(url, **settings), sink_context(clock=FakeClock(NOW_NS)))
    await sink.open()
    try:
        yield sink
    finally:
        await sink.close()


class TestContract(SinkContract):
    @pytest.fixture(autouse=True)
    def _service(self, service: Service) -> None:
        self.service = service

    def working(self) -> EventSink:
        return WebhookSink(WebhookSettings(self.service.url), sink_context())

    def unreachable(self) -> EventSink:
        return WebhookSink(WebhookSettings("http://127.0.0.1:1/hook"), sink_context())

    async def received(self, count: int) -> list[str]:
        return await self.service.arrived(count)


async def test_the_document_holds_the_event(service: Service) -> None:
    entry = motion(utc_ns=NOW_NS + 123_456_789)
    other = SinkEntry("2", Event("tns1:A/B", key=(("ObjectId", "7"),), elements=(("Thing", {"Größe": 1}),), utc_ns=1))
    async with opened(service.url) as sink:
        await sink.send(entry)
        await sink.send(other)
    assert service.documents == [
        {
            "format": 1,
            "id": entry.id,
            "time": "2026-09-21T14:13:20.123456Z",
            "device": {"id": sink.context.device_id, "name": "North site"},
            "camera": {"id": "door", "name": "Front door"},
            "topic": "tns1:VideoSource/MotionAlarm",
            "operation": "Changed",
            "source": {"Source": "VideoSource_door"},
            "data": {"State": "true"},
        },
        {
            "format": 1,
            "id": "2",
            "time": "1970-01-01T00:00:00.000000Z",
            "device": {"id": sink.context.device_id, "name": "North site"},
            "camera": None,
            "topic": "tns1:A/B",
            "operation": None,
            "source": {},
            "data": {},
            "key": {"ObjectId": "7"},
            "elements": {"Thing": {"Größe": 1}},
        },
    ]
    assert service.taken[0][0]["Content-Type"] == "application/json"
    assert "webhook-signature" not in service.taken[0][0]


async def test_a_foreign_library_knows_the_signature(service: Service) -> None:
    sink = WebhookSink(WebhookSettings(service.url, Secret(SECRET), Secret("Bearer abc")), sink_context())
    await sink.open()
    await sink.send(motion())
    await sink.close()
    headers, content = service.taken[0]
    assert headers["Authorization"] == "Bearer abc"
    assert Webhook(SECRET).verify(content, headers) == service.documents[0]
    assert "abc" not in repr(sink.settings)
    async with opened(service.url, secret=Secret("plain")) as sink:
        await sink.send(motion(identity="5"))
    assert service.taken[1][0]["webhook-signature"].startswith("v1,")
    assert service.taken[1][0]["webhook-timestamp"] == "1790000000"


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_success_is_the_acknowledgement_whatever_is_in_it(service: Service, status: int) -> None:
    service.statuses = [status]
    async with opened(service.url) as sink:
        await sink.send(motion())
        await sink.send(motion())
    assert len(service.acknowledged) == 2


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
async def test_what_the_service_refuses_is_not_tried_again(service: Service, status: int) -> None:
    service.statuses = [status]
    async with opened(service.url + "?token=hidden") as sink:
        with pytest.raises(GatewayError) as refused:
            await sink.send(motion())
    assert refused.value.kind is ErrorKind.INVALID
    host = service.url.removesuffix("/hook")
    assert refused.value.message == f"{host} refuses it: it answered with status {status}"


@pytest.mark.parametrize("status", [302, 307, 408, 429, 500, 503])
async def test_other_answers_are_worth_a_retry_and_redirections_are_not_followed(service: Service, status: int) -> None:
    service.statuses, service.headers = [status], {"Location": service.url}
    async with opened(service.url) as sink:
        with pytest.raises(GatewayError, match=f"it answered with status {status}") as failed:
            await sink.send(motion())
    assert (failed.value.kind, len(service.taken)) == (ErrorKind.UNAVAILABLE, 1)
    assert not isinstance(failed.value, RetryLaterError)


async def test_a_service_can_ask_for_time(service: Service) -> None:
    service.statuses, service.headers = [503], {"Retry-After": "90"}
    async with opened(service.url) as sink:
        with pytest.raises(RetryLaterError) as failed:
            await sink.send(motion())
    assert failed.value.seconds == 90


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        (format_datetime(datetime.fromtimestamp(NOW_NS / 1e9, UTC) + timedelta(seconds=30), usegmt=True), 30.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("9" * 5000, 999_999_999.0),
        ("soon", None),
        ("-1", None),
        ("", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after(value, NOW_NS) == seconds


async def test_a_service_that_hangs_up_or_says_nothing_is_unavailable(service: Service) -> None:
    service.statuses = [0]
    async with opened(service.url) as sink:
        with pytest.raises(GatewayError, match=rf"^http://127.0.0.1:{service.port}: ServerDisconnected") as failed:
            await sink.send(motion())
    assert failed.value.kind is ErrorKind.UNAVAILABLE
    held: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/"
    async with silent, opened(url, timeout=1.0) as sink:
        with pytest.raises(GatewayError, match="no answer within 1 seconds"):
            await sink.send(motion())
        held[0].close()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a file with a self-signed certificate and its key."""
    path = tmp_path / "service.pem"
    command = (
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    )
    names = ("-subj", "/CN=hook", "-addext", "subjectAltName=IP:127.0.0.1", "-out", path, "-keyout", f"{path}.key")
    subprocess.run([*command, *names], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.key").read_text())
    return path


async def test_https_trusts_what_it_is_told_to(certificate: Path) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    service = Service()
    await service.start(tls)
    url = service.url.replace("http:", "https:")
    try:
        async with opened(url, certificates=certificate) as sink:
            await sink.send(motion())
        async with opened(url) as sink:
            with pytest.raises(GatewayError, match="self-signed certificate") as refused:
                await sink.send(motion())
    finally:
        await service.stop()
    assert refused.value.kind is ErrorKind.UNAVAILABLE
    assert len(service.taken) == 1


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"url": "ftp://host/"}, "url: 'ftp://host/' must be http://… or https://…"),
        ({"url": "http://host/", "timeout": 0.1}, "timeout: must be from 1 to 60 seconds, not 0.1"),
        ({"url": "http://host/", "authorization": Secret("a\nb")}, "authorization: must be one line"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        WebhookSettings(**settings)


def test_what_is_no_secret_and_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(GatewayError, match="the secret is not base64 after 'whsec_'"):
        WebhookSink(WebhookSettings("http://host/", Secret("whsec_!")), sink_context())
    for name in ("empty.pem", "missing.pem"):
        with pytest.raises(GatewayError, match=rf"certificates: '.*{name}' can't be used: "):
            WebhookSink(WebhookSettings("http://host/", certificates=tmp_path / name), sink_context())


async def test_none_is_lost_and_none_comes_twice_over_restarts_of_both_sides(tmp_path: Path, service: Service) -> None:
    published = 0
    for turn in range(3):
        service.statuses = [500, 200, 0, 200, 503]
        async with running(
            tmp_path, HurriedClock(), WebhookSink(WebhookSettings(service.url), sink_context())
        ) as place:
            place.press(*range(published, published + 10))
            await service.arrived(published + 3)
            await service.stop()
            place.press(*range(published + 10, published + 20))
            published += 20
            if turn != 1:  # in the second turn the gateway ends while the service is away
                await service.start()
                await service.arrived(published - 5)
        if turn == 1:
            await service.start()
    async with running(tmp_path, HurriedClock(), WebhookSink(WebhookSettings(service.url), sink_context())):
        await service.arrived(published)
    counts = {document["id"]: int(document["data"]["Count"]) for document in service.documents}
    assert [counts[identity] for identity in service.acknowledged] == list(range(60))


def test_a_link_to_the_footage_goes_with_it() -> None:
    context = replace(sink_context(), clips=lambda camera, utc_ns: f"https://nvr.example/clip/{camera}?from={utc_ns}")
    entry = motion()
    assert document(entry, context)["clip"] == f"https://nvr.example/clip/door?from={entry.event.utc_ns}"
    assert "clip" not in document(replace(entry, camera=""), context)
    assert "clip" not in document(entry, sink_context())
