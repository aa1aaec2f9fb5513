"""Subscribes as Home Assistant's ONVIF integration does: pull point and webhook at once, each with a set of states.

Run with the Python of an environment that has onvif-zeep-async and onvif-parsers:
home_assistant_events.py HOST PORT USER PASSWORD OWN-ADDRESS [TOPIC]. Prints the first states as one JSON line, and
another one when the next change of a topic, usually of a camera's signal, has come both ways:
{"pulled": [[topic, operation, source, value], …], "sent": […], "entities": …}.
"""

# ruff: noqa: T201 - it prints what it found

import asyncio
import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

import onvif
import onvif_parsers
from aiohttp import web
from onvif import ONVIFCamera
from onvif_parsers.errors import UnknownTopicError

SOURCE = Path(onvif.__file__).parent / "wsdl"
SUBSCRIPTION_TIME = dt.timedelta(minutes=10)
WAIT = 30
SIGNAL = "VideoSource/SignalLoss"


class Webhook:
    """Where the device sends events to."""

    def __init__(self) -> None:
        self.bodies: asyncio.Queue[bytes] = asyncio.Queue()
        self._runner: web.AppRunner | None = None

    async def start(self, address: str) -> str:
        application = web.Application()
        application.router.add_post("/api/webhook/onvif", self._take)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, address, 0).start()
        return f"http://{address}:{self._runner.addresses[0][1]}/api/webhook/onvif"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.bodies.put_nowait(await request.read())
        return web.Response()


async def main(host: str, port: str, user: str, password: str, own: str, topic: str = SIGNAL) -> None:
    camera, webhook = ONVIFCamera(host, int(port), user, password, str(SOURCE), no_cache=True), Webhook()
    lost: list[str] = []
    try:
        await camera.update_xaddrs()
        pulling = await camera.create_pullpoint_manager(SUBSCRIPTION_TIME, lambda: lost.append("pull point"))
        await pulling.set_synchronization_point()
        sending = await camera.create_notification_manager(
            await webhook.start(own), SUBSCRIPTION_TIME, lambda: lost.append("webhook")
        )
        await sending.set_synchronization_point()
        await tell(pulling, sending, webhook, camera, (topic, "Initialized"))
        await tell(pulling, sending, webhook, camera, (topic, "Changed"))
        await pulling.shutdown()
        await sending.shutdown()
    finally:
        await camera.close()
        await webhook.stop()
    if lost:
        sys.exit(f"lost: {lost}")


async def tell(pulling: Any, sending: Any, webhook: Webhook, camera: ONVIFCamera, awaited: tuple[str, str]) -> None:
    """Print what comes next, until there is an event of a topic with an operation."""
    request = {"MessageLimit": 100, "Timeout": dt.timedelta(seconds=WAIT)}
    pulled: list[Any] = []
    sent: list[Any] = []
    async with asyncio.timeout(WAIT):
        while not any(is_of(message, *awaited) for message in pulled):
            pulled += (await pulling.get_service().PullMessages(request)).NotificationMessage
        while len(sent) < len(pulled) or not any(is_of(message, *awaited) for message in sent):
            sent += sending.process(await webhook.bodies.get()).NotificationMessage
    found = {"pulled": [plain(message) for message in pulled], "sent": [plain(message) for message in sent]}
    print(json.dumps({**found, "entities": await entities(camera, sent)}), flush=True)


def is_of(message: Any, topic: str, operation: str) -> bool:
    return topic in message.Topic._value_1 and message.Message._value_1.PropertyOperation == operation


def plain(message: Any) -> list[str]:
    """Return topic, operation, first source and first value."""
    content = message.Message._value_1
    source, data = (part.SimpleItem[0].Value if part else "" for part in (content.Source, content.Data))
    return [message.Topic._value_1.rstrip("/."), content.PropertyOperation, source, data]


async def entities(camera: ONVIFCamera, messages: list[Any]) -> dict[str, Any]:
    """Return the entities that the integration would make, with their values."""
    found: dict[str, Any] = {}
    for message in messages:
        try:
            made = await onvif_parsers.parse(message.Topic._value_1.rstrip("/."), camera.host, message)
        except UnknownTopicError:
            continue
        found |= {entity.name: str(entity.value) for entity in made}
    return found


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
