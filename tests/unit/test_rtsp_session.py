import pytest

from gateway.protocols.rtsp.messages import RtspError
from gateway.protocols.rtsp.session import SessionMachine, State
from gateway.protocols.rtsp.transport import Lower, Transport

PATH = "/live/a/main"
TCP = Transport(Lower.TCP, interleaved=(0, 1))
UDP = Transport(client_port=(5000, 5001))


def machine(tracks: int = 2) -> SessionMachine:
    return SessionMachine(PATH, tracks)


def status(caught: pytest.ExceptionInfo[RtspError]) -> int:
    return caught.value.status


def test_the_way_of_a_session() -> None:
    session = machine()
    assert session.setup(PATH, 0, TCP) == (0, TCP)
    assert session.state is State.READY
    assert session.play(PATH, None)
    assert not session.play(PATH, None)
    assert session.pause(PATH, None)
    assert not session.pause(PATH, None)
    session.setup(PATH, 1, Transport(Lower.TCP, interleaved=(2, 3)))
    assert session.play("*", None)
    session.teardown(PATH, None)


def test_a_stream_of_one_track_may_be_meant_as_a_whole() -> None:
    session = machine(1)
    assert session.setup(PATH, None, UDP) == (0, UDP)
    assert session.play(PATH, 0)
    session.teardown(PATH, 0)


@pytest.mark.parametrize(
    ("wished", "granted"),
    [(None, (2, 3)), ((0, 1), (2, 3)), ((1, 2), (2, 3)), ((8, 9), (8, 9)), ((5, 5), (2, 3)), ((3, 2), (3, 2))],
)
def test_interleaved_channels_never_collide(wished: tuple[int, int] | None, granted: tuple[int, int]) -> None:
    session = machine()
    session.setup(PATH, 0, TCP)
    _, chosen = session.setup(PATH, 1, Transport(Lower.TCP, interleaved=wished))
    assert chosen.interleaved == granted


def test_what_a_state_forbids() -> None:
    session = machine()
    for refused in (session.play, session.pause):
        with pytest.raises(RtspError, match="is not valid in state Init") as caught:
            refused(PATH, None)
        assert status(caught) == 455
    session.setup(PATH, 0, TCP)
    session.play(PATH, None)
    with pytest.raises(RtspError, match=r"^SETUP is not valid in state Playing$") as caught:
        session.setup(PATH, 1, TCP)
    assert status(caught) == 455


def test_aggregate_and_single_tracks_are_told_apart() -> None:
    session = machine()
    with pytest.raises(RtspError, match=r"^SETUP needs the URL of one of the 2 tracks of /live/a/main$") as caught:
        session.setup(PATH, None, TCP)
    assert status(caught) == 459
    session.setup(PATH, 0, UDP)
    session.setup(PATH, 1, UDP)
    for refused, name in ((session.play, "PLAY"), (session.pause, "PAUSE"), (session.teardown, "TEARDOWN")):
        with pytest.raises(RtspError, match=rf"^{name} is possible only for the whole of /live/a/main$") as caught:
            refused(PATH, 0)
        assert status(caught) == 460


def test_other_streams_and_tracks_are_not_found() -> None:
    session = machine()
    with pytest.raises(RtspError, match=r"^/live/a/main has no track 2$") as caught:
        session.setup(PATH, 2, TCP)
    assert status(caught) == 404
    with pytest.raises(RtspError, match=r"^the session belongs to /live/a/main, not to /live/b/main$") as caught:
        session.setup("/live/b/main", 0, TCP)
    assert status(caught) == 404


def test_one_session_uses_one_kind_of_transport() -> None:
    session = machine()
    session.setup(PATH, 0, TCP)
    session.setup(PATH, 0, UDP)
    with pytest.raises(RtspError, match=r"^all tracks of a session must use the same kind of transport$") as caught:
        session.setup(PATH, 1, TCP)
    assert status(caught) == 461
