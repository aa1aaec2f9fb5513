"""Commands reach the gateway that runs on a data directory, and nobody else reaches it."""

import stat
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.servers.control import FILE, ControlServer, ask


async def _echo(arguments: dict[str, Any]) -> Any:
    if "refuse" in arguments:
        raise GatewayError(ErrorKind.CONFLICT, f"storage {arguments['refuse']!r} is in use")
    return {"got": arguments}


@pytest.fixture(params=["data", "d" * 120])
def directory(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path / request.param
    folder.mkdir()
    return folder


async def test_a_command_is_carried_out_and_a_refusal_comes_back_as_it_was_said(directory: Path) -> None:
    server = ControlServer(directory, {"echo": _echo})
    await server.start()
    try:
        assert stat.S_IMODE((directory / FILE).stat().st_mode) == 0o600
        assert await ask(directory, "echo", {"a": 1}) == {"got": {"a": 1}}
        with pytest.raises(GatewayError, match="storage 'disk1' is in use") as caught:
            await ask(directory, "echo", {"refuse": "disk1"})
        assert caught.value.kind is ErrorKind.CONFLICT
        with pytest.raises(GatewayError, match="there is no command 'ehco'"):
            await ask(directory, "ehco", {})
    finally:
        await server.stop()
    assert not (directory / FILE).exists()


async def test_without_a_gateway_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="no gateway runs on the data directory") as caught:
        await ask(tmp_path, "echo", {})
    assert caught.value.kind is ErrorKind.UNAVAILABLE


async def test_two_gateways_do_not_share_their_data_and_a_dead_socket_is_taken_over(tmp_path: Path) -> None:
    first = ControlServer(tmp_path, {})
    await first.start()
    with pytest.raises(GatewayError, match="another gateway runs on the data directory"):
        await ControlServer(tmp_path, {}).start()
    await first.stop()
    (tmp_path / FILE).touch()
    await (second := ControlServer(tmp_path, {"echo": _echo})).start()
    assert await ask(tmp_path, "echo", {}) == {"got": {}}
    await second.stop()
