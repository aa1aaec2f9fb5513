"""Who talks to a camera, for how long, and how much of it gets there."""

import asyncio
from collections.abc import AsyncIterator, Callable

from gateway.domain.abilities import Abilities
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import MediaKind, TrackDescription
from gateway.sdk.controls import CameraControls
from gateway.services import talking
from gateway.services.talking import Talks
from gateway.testing.clock import FakeClock, settle

PCMU = TrackDescription(MediaKind.AUDIO, "PCMU", 0, 8000)
PCMA = TrackDescription(MediaKind.AUDIO, "PCMA", 8, 8000)
PATH = "/live/yard/main"


class Loudspeaker:
    """Keeps what it hears; fails or hangs when told to."""

    tracks = (PCMU, PCMA)

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.calls: list[str] = []
        self.fault: Exception | None = None
        self.deaf = asyncio.Event()
        self.deaf.set()
        self.hangs = False

    async def talk(self, track: TrackDescription, packets: AsyncIterator[bytes]) -> None:
        self.calls.append(track.encoding)
        if self.fault is not None:
            raise self.fault
        await self.deaf.wait()
        async for packet in packets:
            self.heard.append(packet)
        if self.hangs:
            await asyncio.Event().wait()
        self.calls.append("ended")


class Yard:
    """One camera with a loudspeaker, and one that is away."""

    def __init__(self) -> None:
        self.loudspeaker = Loudspeaker()
        self.clock = FakeClock()
        self.audit: list[tuple[str, str, str]] = []
        self.talks = Talks(self, lambda *entry: self.audit.append(entry), self.clock)

    def abilities(self, camera: str) -> Abilities:
        return Abilities(loudspeaker=Loudspeaker.tracks if camera in ("yard", "away") else ())

    def live(self, camera: str) -> CameraControls:
        if camera == "away":
            raise GatewayError(ErrorKind.UNAVAILABLE, "camera 'away' has not been reached yet")
        return CameraControls(backchannel=self.loudspeaker)


async def test_tracks_are_those_of_the_camera_of_a_live_path() -> None:
    talks = Yard().talks
    assert [talks.tracks(path) for path in (PATH, "/live/yard/sub/metadata")] == [(PCMU, PCMA)] * 2
    assert [talks.tracks(path) for path in ("/live/door/main", "/replay/yard", "*", "")] == [()] * 4


async def test_one_talks_at_a_time_until_it_ends() -> None:
    yard = Yard()
    anna, bert = yard.talks.open(PATH, "anna", "::1"), yard.talks.open("/live/yard/sub", "bert", "::2")
    assert yard.talks.talker(PATH) == ""
    assert anna.deliver(PCMU, b"a1")
    assert yard.talks.talker(PATH) == "anna"
    assert not bert.deliver(PCMU, b"b1")
    assert not anna.deliver(PCMA, b"another codec in between")
    assert anna.deliver(PCMU, b"a2")
    bert.close()
    await settle()
    assert yard.loudspeaker.heard == [b"a1", b"a2"]
    anna.close()
    assert yard.talks.talker(PATH) == ""
    await settle()
    assert bert.deliver(PCMA, b"b2")
    await settle()
    assert (yard.loudspeaker.heard[2:], yard.loudspeaker.calls) == ([b"b2"], ["PCMU", "ended", "PCMA"])
    await yard.talks.stop()
    assert [(account, what) for account, _, what in yard.audit] == [
        ("anna", "talks to camera 'yard' in PCMU"),
        ("anna", "no longer talks to camera 'yard': 2 packets, 0 dropped; has ended"),
        ("bert", "talks to camera 'yard' in PCMA"),
    ]


async def test_silence_makes_room_for_another() -> None:
    yard = Yard()
    anna, bert = yard.talks.open(PATH, "anna", "::1"), yard.talks.open(PATH, "bert", "::2")
    anna.deliver(PCMU, b"a")
    await settle()
    for _ in range(3):
        await yard.clock.advance(talking.SILENCE_SECONDS - 1)
        anna.deliver(PCMU, b"a")
    assert not bert.deliver(PCMU, b"b")
    await yard.clock.advance(talking.SILENCE_SECONDS)
    assert bert.deliver(PCMU, b"b")
    assert not anna.deliver(PCMU, b"a")
    await yard.talks.stop()


async def test_what_comes_too_fast_too_large_or_too_early_is_dropped() -> None:
    yard = Yard()
    anna = yard.talks.open(PATH, "anna", "::1")
    assert not anna.deliver(PCMU, bytes(talking.MAX_PACKET + 1))
    assert yard.loudspeaker.calls == []
    yard.loudspeaker.deaf.clear()
    taken = [anna.deliver(PCMU, bytes([number])) for number in range(talking.MAX_QUEUED + 5)]
    assert all(taken)
    yard.loudspeaker.deaf.set()
    await settle()
    assert yard.loudspeaker.heard == [bytes([number]) for number in range(5, talking.MAX_QUEUED + 5)]
    large = bytes(talking.MAX_PACKET)
    count = 0
    while anna.deliver(PCMU, large):
        count += 1
    assert count == (talking.BURST - (talking.MAX_QUEUED + 5) * talking.LEAST_CHARGE) // talking.MAX_PACKET
    await yard.clock.advance(1.0)
    assert sum(anna.deliver(PCMU, large) for _ in range(100)) in (15, 16)
    await yard.talks.stop()


async def failing(yard: Yard, path: str, fault: Callable[[], None]) -> str:
    anna = yard.talks.open(path, "anna", "::1")
    fault()
    assert anna.deliver(PCMU, b"a")
    await settle()
    assert not anna.deliver(PCMU, b"not tried again with every packet")
    await yard.clock.advance(talking.RETRY_SECONDS)
    assert anna.deliver(PCMU, b"a")
    await yard.talks.stop()
    return yard.audit[1][2]


async def test_a_camera_that_fails_is_left_in_peace_for_a_while() -> None:
    def breaks(yard: Yard, fault: Exception) -> Callable[[], None]:
        return lambda: setattr(yard.loudspeaker, "fault", fault)

    one, two, three = Yard(), Yard(), Yard()
    lost = GatewayError(ErrorKind.UNAVAILABLE, "camera 'yard' closed the connection")
    assert (await failing(one, PATH, breaks(one, lost))).endswith("; camera 'yard' closed the connection")
    assert (await failing(two, PATH, breaks(two, KeyError("x")))).endswith("; its driver failed: KeyError: 'x'")
    away = await failing(three, "/live/away/main", lambda: None)
    assert away.endswith("; camera 'away' has not been reached yet")


async def test_a_driver_that_does_not_come_to_an_end_is_ended() -> None:
    yard = Yard()
    yard.loudspeaker.hangs = True
    anna = yard.talks.open(PATH, "anna", "::1")
    anna.deliver(PCMU, b"a")
    await settle()
    anna.close()
    await settle()
    assert not anna.deliver(PCMU, b"b")
    await yard.clock.advance(talking.SILENCE_SECONDS / 4 + talking.ENDING_SECONDS)
    assert anna.deliver(PCMU, b"b")
    await yard.talks.stop()
