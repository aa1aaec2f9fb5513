"""DESCRIBE of a camera that nobody has seen yet."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from rtsp_peers import AUDIO, PATH, VIDEO, Client, House, house
from waiting import until

from gateway.domain.media import StreamDescription
from gateway.protocols import sdp
from gateway.servers.rtsp_ports import RtspOptions
from gateway.services.streams import LiveStream

SUPPOSED = StreamDescription((VIDEO,))
REAL = StreamDescription((VIDEO, AUDIO))


@contextmanager
def unseen(*, known: StreamDescription | None = None, patience: float = 30.0) -> Iterator[House]:
    """Run a server whose camera has not said anything yet."""
    with house(options=RtspOptions(first_look=patience)) as home:
        home.camera.description = SUPPOSED
        home.camera.stream = LiveStream(PATH, known)
        yield home


def kinds(body: bytes) -> list[str]:
    return [media.kind for media in sdp.parse(body).medias]


async def test_who_comes_before_the_camera_is_told_of_its_real_tracks() -> None:
    with unseen() as home:
        client = await Client.connect(home)
        asked = asyncio.create_task(client.request("DESCRIBE"))
        await until(lambda: home.camera.stream.readers)
        assert not asked.done()
        home.camera.description = REAL
        home.camera.stream.describe(REAL)
        answer = await asked
        assert (answer.status, kinds(answer.body)) == (200, ["video", "audio"])
        assert not home.camera.stream.readers


async def test_a_camera_that_stays_away_is_described_as_it_is_supposed_to_be() -> None:
    with unseen(patience=0.01) as home:
        client = await Client.connect(home)
        answer = await client.request("DESCRIBE")
        assert (answer.status, kinds(answer.body)) == (200, ["video"])
        assert not home.camera.stream.readers


async def test_what_was_known_before_a_restart_is_told_at_once() -> None:
    with unseen(known=SUPPOSED) as home:
        client = await Client.connect(home)
        assert (await client.request("DESCRIBE")).status == 200


async def test_who_leaves_meanwhile_leaves_nothing_behind() -> None:
    with unseen() as home:
        client = await Client.connect(home)
        asked = asyncio.create_task(client.request("DESCRIBE"))
        await until(lambda: home.camera.stream.readers)
        asked.cancel()
        client.writer.close()
        await until(lambda: not home.camera.stream.readers)
