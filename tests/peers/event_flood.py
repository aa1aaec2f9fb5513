"""Floods a gateway with events and counts who hears of them.

`event_flood.py --url http://HOST:PORT/onvif/device_service --user U --password P --pull-points 64 --consumers 10
--rate 200 --seconds 60` rewrites one recording's configuration so often, which is an event each time, and reads them
through pull points and as a consumer of base notification. Prints one JSON object: "sent", for each kind of reader the
"fewest" that one of them heard and "twice" for what came again, and "p50_ms", "p99_ms" from the call to the hearing.
"""

# ruff: noqa: T201 - it prints what it found

import argparse
import asyncio
import base64
import hashlib
import json
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

import aiohttp
from aiohttp import web

TEV = "http://www.onvif.org/ver10/events/wsdl"
TRC = "http://www.onvif.org/ver10/recording/wsdl"
WSNT = "http://docs.oasis-open.org/wsn/b-2"
TOPIC = "tns1:RecordingConfig/RecordingConfiguration"
SOURCES = 8
"""Clients that write at once: each waits for its answer."""
QUIET_SECONDS = 5.0
_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss"
_NUMBER = re.compile(rb"flood-(\d+)<")
_FILTER = (
    f'<w:Filter xmlns:w="{WSNT}"><w:TopicExpression xmlns:tns1="http://www.onvif.org/ver10/topics" '
    f'Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">{TOPIC}</w:TopicExpression></w:Filter>'
)


class Flood:
    """The writer and its readers."""

    def __init__(self, options: argparse.Namespace, session: aiohttp.ClientSession) -> None:
        self._options = options
        self._session = session
        self._sent: dict[int, float] = {}
        self._latencies: list[float] = []
        self._over = False
        self.heard: dict[str, list[list[int]]] = {"pull": [], "notify": []}

    async def call(self, path: str, body: str) -> bytes:
        """Call an operation. Raises RuntimeError for a fault."""
        nonce, created = os.urandom(16), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        digest = hashlib.sha1(nonce + created.encode() + self._options.password.encode(), usedforsecurity=False)
        envelope = (
            '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header>'
            f'<Security xmlns="{_WSS}-wssecurity-secext-1.0.xsd"><UsernameToken><Username>{self._options.user}'
            f'</Username><Password Type="{_WSS}-username-token-profile-1.0#PasswordDigest">'
            f"{base64.b64encode(digest.digest()).decode()}</Password><Nonce>{base64.b64encode(nonce).decode()}</Nonce>"
            f'<Created xmlns="{_WSS}-wssecurity-utility-1.0.xsd">{created}</Created></UsernameToken></Security>'
            f"</s:Header><s:Body>{body}</s:Body></s:Envelope>"
        )
        async with self._session.post(urljoin(self._options.url, path), data=envelope) as answer:
            text = await answer.read()
        if answer.status != 200:
            raise RuntimeError(text.decode())
        return text

    async def run(self) -> dict[str, Any]:
        """Write for so long, and hear the rest out."""
        options = self._options
        async with self._listening() as address, asyncio.TaskGroup() as tasks:
            for _ in range(options.pull_points):
                await self._pull_point(tasks)
            for number in range(options.consumers):
                await self._consumer(f"{address}/{number}")
            recording = await self._recording()
            began = time.monotonic()
            await asyncio.gather(*(self._write(recording, began, number) for number in range(SOURCES)))
            took = time.monotonic() - began
            await self._hear_out()
            self._over = True
            token = f"<c:RecordingToken>{recording}</c:RecordingToken>"
            await self.call("recording_service", f'<c:DeleteRecording xmlns:c="{TRC}">{token}</c:DeleteRecording>')
        return {"sent": len(self._sent), "rate": len(self._sent) / took, **self._found()}

    async def _recording(self) -> str:
        made = await self.call(
            "recording_service", f'<c:CreateRecording xmlns:c="{TRC}">{_configuration("made")}</c:CreateRecording>'
        )
        return re.search(rb"RecordingToken>([^<]+)<", made)[1].decode()  # type: ignore[index]

    async def _write(self, recording: str, began: float, first: int) -> None:
        rate = self._options.rate
        for number in range(first, round(self._options.seconds * rate), SOURCES):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            self._sent[number] = time.monotonic()
            await self.call(
                "recording_service",
                f'<c:SetRecordingConfiguration xmlns:c="{TRC}"><c:RecordingToken>{recording}</c:RecordingToken>'
                f"{_configuration(f'flood-{number}')}</c:SetRecordingConfiguration>",
            )

    async def _pull_point(self, tasks: asyncio.TaskGroup) -> None:
        answer = await self.call(
            "event_service",
            f'<e:CreatePullPointSubscription xmlns:e="{TEV}">{_FILTER.replace("w:Filter", "e:Filter")}'
            "<e:InitialTerminationTime>PT5M</e:InitialTerminationTime></e:CreatePullPointSubscription>",
        )
        address = re.search(rb"Address[^>]*>([^<]+)<", answer)[1].decode()  # type: ignore[index]
        heard: list[int] = []
        self.heard["pull"].append(heard)
        tasks.create_task(self._pull(address, heard))

    async def _pull(self, address: str, heard: list[int]) -> None:
        most = "<e:Timeout>PT2S</e:Timeout><e:MessageLimit>256</e:MessageLimit>"
        pull = f'<e:PullMessages xmlns:e="{TEV}">{most}</e:PullMessages>'
        while not self._over:
            self._take(await self.call(address, pull), heard)

    async def _consumer(self, address: str) -> None:
        self.heard["notify"].append([])
        await self.call(
            "event_service",
            f'<w:Subscribe xmlns:w="{WSNT}"><w:ConsumerReference><a:Address xmlns:a="http://www.w3.org/2005/08/'
            f'addressing">{address}</a:Address></w:ConsumerReference>{_FILTER}'
            "<w:InitialTerminationTime>PT5M</w:InitialTerminationTime></w:Subscribe>",
        )

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[str]:
        async def notified(request: web.Request) -> web.Response:
            self._take(await request.read(), self.heard["notify"][int(request.match_info["number"])])
            return web.Response()

        application = web.Application(client_max_size=1 << 24)
        application.router.add_post("/{number}", notified)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, self._options.listen, 0)
        await site.start()
        try:
            yield f"http://{self._options.listen}:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    def _take(self, text: bytes, heard: list[int]) -> None:
        now = time.monotonic()
        for found in _NUMBER.findall(text):
            heard.append(int(found))
            self._latencies.append(now - self._sent[int(found)])

    async def _hear_out(self) -> None:
        """Wait until everybody has heard everything, or nobody hears anything more."""
        known, since = -1, time.monotonic()
        while time.monotonic() - since < QUIET_SECONDS:
            total = sum(map(len, [*self.heard["pull"], *self.heard["notify"]]))
            if total != known:
                known, since = total, time.monotonic()
            if total >= len(self._sent) * (self._options.pull_points + self._options.consumers):
                return
            await asyncio.sleep(0.05)

    def _found(self) -> dict[str, Any]:
        latencies = sorted(self._latencies)
        found: dict[str, Any] = {
            kind: {
                "readers": len(all_heard),
                "fewest": min((len(set(heard)) for heard in all_heard), default=0),
                "twice": sum(len(heard) - len(set(heard)) for heard in all_heard),
            }
            for kind, all_heard in self.heard.items()
        }
        for share, name in ((0.5, "p50_ms"), (0.99, "p99_ms")):
            found[name] = latencies[int(len(latencies) * share)] * 1000
        return found


def _configuration(content: str) -> str:
    source = "".join(f"<t:{name}>flood</t:{name}>" for name in ("SourceId", "Name", "Location", "Description"))
    return (
        '<c:RecordingConfiguration xmlns:t="http://www.onvif.org/ver10/schema">'
        f"<t:Source>{source}<t:Address>urn:flood</t:Address></t:Source><t:Content>{content}</t:Content>"
        "<t:MaximumRetentionTime>PT0S</t:MaximumRetentionTime></c:RecordingConfiguration>"
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--listen", default="127.0.0.1", help="where consumers listen")
    parser.add_argument("--pull-points", type=int, default=64)
    parser.add_argument("--consumers", type=int, default=10)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--cpu", type=int)
    options = parser.parse_args()
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        print(json.dumps(await Flood(options, session).run()))


asyncio.run(main())
