"""Reports to pysiaalarm's receivers on real sockets: formats, answers, the backup, and restarts of both sides."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pysiaalarm import SIAAccount
from pysiaalarm.aio import SIAClient
from pysiaalarm.aio.server import SIAServerUDP
from pysiaalarm.event import SIAEvent
from pysiaalarm.utils import Counter
from sink_kit import HurriedClock, running

from gateway.domain.access import Secret
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.sdk.clock import Clock
from gateway.sdk.sink import EventSink
from gateway.testing.clock import FakeClock
from gateway.testing.sinks import DictMemory, SinkContract, motion, sink_context
from gateway_sia_dc09.codes import CodeRule
from gateway_sia_dc09.frame import Frame, pack
from gateway_sia_dc09.link import ReceiverSettings
from gateway_sia_dc09.sink import SiaSettings, SiaSink

_NS = 1_000_000_000


def free_port() -> int:
    """Return a port that is free for TCP and UDP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = int(tcp.getsockname()[1])
            with contextlib.suppress(OSError):  # another test has it for UDP
                udp.bind(("127.0.0.1", port))
                return port


class _UdpServer(SIAServerUDP):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # theirs asserts a class that asyncio's transports have from Python 3.13 on


class Station:
    """A receiver that can go away and come back on its port."""

    def __init__(self, transport: str = "tcp", key: str | None = None) -> None:
        self.settings = ReceiverSettings("127.0.0.1", free_port(), transport)  # type: ignore[arg-type]
        self.events: list[SIAEvent] = []
        self._account = SIAAccount("1234", key)
        self._server: SIAClient | asyncio.DatagramTransport | None = None
        self._news = asyncio.Event()

    async def start(self) -> None:
        if self.settings.transport == "tcp":
            self._server = SIAClient("127.0.0.1", self.settings.port, [self._account], self._take)
            await self._server.async_start()
            return
        server = _UdpServer({"1234": self._account}, self._take, Counter())
        loop, address = asyncio.get_running_loop(), ("127.0.0.1", self.settings.port)
        self._server, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=address)

    async def stop(self) -> None:
        if isinstance(self._server, SIAClient):
            await self._server.async_stop()
        elif self._server is not None:
            self._server.abort()
        await asyncio.sleep(0)

    async def arrived(self, count: int) -> list[SIAEvent]:
        """Return what was received, once there is so much; who knows a sequence number has to take it only once."""
        async with asyncio.timeout(30):
            while len(self.events) < count:
                self._news.clear()
                await self._news.wait()
        return self.events

    @property
    def codes(self) -> list[str | None]:
        return [event.code for event in self.events]

    async def _take(self, event: SIAEvent) -> None:
        last = self.events[-1] if self.events else None
        if last is None or event.sequence == "0000" or (event.sequence, event.code) != (last.sequence, last.code):
            self.events.append(event)
        self._news.set()


@asynccontextmanager
async def stationed(transport: str = "tcp", key: str | None = None) -> AsyncIterator[Station]:
    station = Station(transport, key)
    await station.start()
    try:
        yield station
    finally:
        await station.stop()


@pytest.fixture
async def station() -> AsyncIterator[Station]:
    async with stationed() as station:
        yield station


def sink(
    *receivers: ReceiverSettings, clock: Clock | None = None, memory: DictMemory | None = None, **settings: Any
) -> SiaSink:
    return SiaSink(SiaSettings(receivers, "1234", **{"timeout": 5.0, **settings}), sink_context(memory, clock))


class TestContract(SinkContract):
    @pytest.fixture(autouse=True)
    def _station(self, station: Station) -> None:
        self.station = station
        self.memory = DictMemory()

    def working(self) -> EventSink:
        return sink(self.station.settings, memory=self.memory)

    def unreachable(self) -> EventSink:
        return sink(ReceiverSettings("127.0.0.1", free_port()))

    async def received(self, count: int) -> list[str]:
        return [f"{event.sequence} {event.code}" for event in await self.station.arrived(count)]


@pytest.mark.parametrize("key", [None, "k" * 16, "K" * 24, "0123456789abcdef" * 2])
@pytest.mark.parametrize("token", ["SIA-DCS", "ADM-CID"])
@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_reports_in_every_format_are_acknowledged(transport: str, token: str, key: str | None) -> None:
    secret = {"key": Secret(key), "key_format": "ascii"} if key else {}
    async with stationed(transport, key) as station:
        reporter = sink(station.settings, format=token, zones={"gate": 12}, line="1A", test="report", **secret)
        now_ns = time.time_ns()
        await reporter.send(motion(camera="gate", utc_ns=now_ns))
        await reporter.send(motion(camera="gate", utc_ns=now_ns, on=False))
        await reporter.supervise()
        await sink(station.settings, format=token, **secret).supervise()
        events = await station.arrived(4)
    assert [event.code for event in events] == ["BA", "BR" if token == "SIA-DCS" else "BH", "RP", "RP"]
    assert [event.sequence for event in events] == ["0001", "0002", "0003", "0000"]
    assert {event.encrypted for event in events} == {key is not None}
    alarm = events[0]
    assert (alarm.account, alarm.receiver, alarm.line) == ("1234", "R0", "L1A")
    assert (alarm.message if token == "SIA-DCS" else alarm.ri) == "012"
    assert alarm.extended_data is not None
    assert [(each.identifier, each.value) for each in alarm.extended_data] == [("I", "Gate")]


@pytest.mark.parametrize("token", ["SIA-DCS", "ADM-CID"])
async def test_a_late_event_is_reported_with_its_own_time(station: Station, token: str) -> None:
    moment = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
    await sink(station.settings, format=token).send(motion(utc_ns=round(moment.timestamp()) * _NS))
    (event,) = await station.arrived(1)
    assert event.extended_data is not None
    told = [(each.identifier, each.value) for each in event.extended_data]
    assert told[0] == ("H", "14:13:20,09-21-2026")
    assert told[1:] == ([("I", "Front door")] if token == "SIA-DCS" else [])


@pytest.mark.parametrize(("token", "others"), [("SIA-DCS", [("I", "Front door")]), ("ADM-CID", [])])
async def test_a_link_to_the_footage_goes_with_it(station: Station, token: str, others: list[tuple[str, str]]) -> None:
    link = "https://nvr.example/clip/door?from=1795334395500&to=1795334410500&until=1795420800&signature=A-b_1"
    context = replace(sink_context(), clips=lambda camera, _: link if camera == "door" else "")
    reporter = SiaSink(SiaSettings((station.settings,), "1234", format=token), context)  # type: ignore[arg-type]
    await reporter.send(motion(utc_ns=time.time_ns()))
    (event,) = await station.arrived(1)
    assert event.extended_data is not None
    assert [(each.identifier, each.value) for each in event.extended_data] == [("V", link), *others]


async def test_a_clock_that_is_wrong_is_put_right_by_the_receivers(station: Station) -> None:
    clock = FakeClock(time.time_ns() - 3600 * _NS)
    reporter = sink(station.settings, clock=clock)
    await reporter.send(motion())
    (event,) = await station.arrived(1)
    assert isinstance(event.timestamp, datetime)
    assert abs((event.timestamp - datetime.now(UTC)).total_seconds()) < 20
    assert event.sequence == "0001"


async def test_what_the_station_can_not_take_is_refused_for_good(station: Station) -> None:
    unknown = CodeRule("tns1:VideoSource/MotionAlarm", "QQ")
    with pytest.raises(GatewayError) as refused:
        await sink(station.settings, codes=(unknown,)).send(motion())
    assert refused.value.kind is ErrorKind.UNSUPPORTED
    assert refused.value.message == f"{station.settings} can't do anything with it (DUH): are code and key right?"


async def test_a_station_that_does_not_know_us_is_worth_a_retry(station: Station) -> None:
    with pytest.raises(GatewayError) as refused:
        await sink(station.settings, key=Secret("0f" * 16)).send(motion())
    assert refused.value.kind is ErrorKind.UNAVAILABLE
    reason = "it refuses (NAK): are its account, key and clock right?"
    assert refused.value.message == f"{station.settings}: {reason}"
    assert station.events == []


@asynccontextmanager
async def answering(answer: Callable[[int], bytes]) -> AsyncIterator[tuple[ReceiverSettings, list[bytes]]]:
    """Run a TCP receiver that answers each connection, by its number, with some bytes and hangs up."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r"))
        writer.write(answer(len(asked)))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield ReceiverSettings("127.0.0.1", server.sockets[0].getsockname()[1]), asked


async def test_an_encrypted_report_is_not_acknowledged_by_who_has_no_key() -> None:
    async with answering(lambda _: pack(Frame("ACK", 1, "1234"))) as (settings, asked):
        with pytest.raises(GatewayError, match="it hung up without an answer"):
            await sink(settings, key=Secret("0f" * 16), attempts=2).send(motion())
    assert len(asked) == 2


async def test_answers_to_something_else_and_nonsense_do_not_count() -> None:
    others = (Frame("ACK", 2, "1234"), Frame("ACK", 1, "9999"), Frame("RSP", 1, "1234"))
    noise = b"\n\r" + b"".join(pack(frame) for frame in others)
    answers = {1: noise, 2: noise + pack(Frame("ACK", 1, "1234"))}
    async with answering(lambda number: answers[number]) as (settings, asked):
        await sink(settings).send(motion())
    assert len(asked) == 2
    assert asked[0].partition(b"_")[0] == asked[1].partition(b"_")[0], "a repeat is the same report"


async def test_a_receiver_that_says_nothing_is_asked_again() -> None:
    held: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    settings = ReceiverSettings("127.0.0.1", silent.sockets[0].getsockname()[1])
    async with silent:
        with pytest.raises(GatewayError, match="no answer within 1 seconds"):
            await sink(settings, timeout=1.0, attempts=1).send(motion())
        held[0].close()
    nobody = ReceiverSettings("127.0.0.1", free_port(), "udp")
    with pytest.raises(GatewayError, match=f"{nobody}: can't be reached: Connection refused"):
        await sink(nobody).send(motion())


async def test_the_backup_takes_over_until_the_primary_is_back(caplog: pytest.LogCaptureFixture) -> None:
    clock, primary = FakeClock(time.time_ns()), Station()
    async with stationed("udp") as backup:
        reporter = sink(primary.settings, backup.settings, clock=clock, return_after=300.0)
        await reporter.send(motion())
        await primary.start()
        await clock.advance(299)
        await reporter.supervise()
        assert (len(await backup.arrived(2)), primary.events) == (2, [])
        await clock.advance(1)
        await reporter.send(motion(on=False))
        assert [event.sequence for event in await primary.arrived(1)] == ["0002"]
        await primary.stop()
        await backup.stop()
        with pytest.raises(GatewayError) as failed:
            await reporter.send(motion())
    reason = "can't be reached: Connection refused"
    assert failed.value.message == f"{primary.settings}: {reason}; {backup.settings}: {reason}"
    told = [record.getMessage() for record in caplog.records if record.name == "gateway_sia_dc09.sender"]
    assert told == [
        f"sink sink: the backup is used: {backup.settings}",
        f"sink sink: the primary is used again: {primary.settings}",
    ]


async def test_a_repeat_after_a_restart_has_the_number_of_the_first_attempt(station: Station) -> None:
    memory, entry = DictMemory(), motion()
    await station.stop()
    reporter = sink(station.settings, memory=memory)
    with pytest.raises(GatewayError):
        await reporter.send(entry)
    await station.start()
    for each in (entry, entry, motion(on=False)):
        await sink(station.settings, memory=memory).send(each)
    memory.store("sent", {"sequence": 9999, "id": "other"})
    await sink(station.settings, memory=memory).send(motion())
    events = await station.arrived(3)
    assert [event.sequence for event in events] == ["0001", "0002", "0001"]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_none_is_lost_and_none_comes_twice_over_restarts_of_both_sides(tmp_path: Path, transport: str) -> None:
    memory, published, on = DictMemory(), 0, False
    async with stationed(transport, "k" * 16) as station:
        made = {"memory": memory, "key": Secret("k" * 16), "key_format": "ascii", "timeout": 1.0}
        for turn in range(3):
            async with running(tmp_path, HurriedClock(), sink(station.settings, **made)) as place:
                for _ in range(10):
                    place.alarm(on=(on := not on))
                await station.arrived(published + 3)
                await station.stop()
                for _ in range(10):
                    place.alarm(on=(on := not on))
                published += 20
                if turn != 1:  # in the second turn the gateway ends while the station is away
                    await station.start()
                    await station.arrived(published - 5)
            if turn == 1:
                await station.start()
        async with running(tmp_path, HurriedClock(), sink(station.settings, **made)):
            events = await station.arrived(published)
    assert [event.sequence for event in events] == [f"{number:04d}" for number in range(1, 61)]
    assert [event.code for event in events] == ["BA", "BR"] * 30
