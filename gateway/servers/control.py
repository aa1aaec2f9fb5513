"""The control socket: how a command such as `gateway storage` reaches the gateway that runs on the same data.

A Unix socket in the data directory, which only the gateway's own user may enter: that is its access control.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
from aiohttp import web

from gateway.domain.errors import ErrorKind, GatewayError

FILE = "control.sock"
ANSWER_SECONDS = 600.0
"""A large storage may take minutes to format."""

_LONGEST_PATH = 107
"""What a Unix socket's address holds, without its end (unix(7))."""

Command: TypeAlias = Callable[[dict[str, Any]], Awaitable[Any]]
"""Takes arguments and returns a result, both JSON; raises GatewayError."""


class ControlServer:
    """Answers commands by their names."""

    def __init__(self, directory: Path, commands: Mapping[str, Command]) -> None:
        self._path = directory / FILE
        self._commands = dict(commands)
        application = web.Application()
        application.router.add_post("/{command}", self._answer)
        self._runner = web.AppRunner(application, handle_signals=False, access_log=None)

    async def start(self) -> None:
        """Open the socket. Raises GatewayError where another gateway runs on the same data."""
        with _short(self._path) as path:
            if await asyncio.to_thread(_answers, path):
                message = f"another gateway runs on the data directory {str(self._path.parent)!r}"
                raise GatewayError(ErrorKind.CONFLICT, message)
            self._path.unlink(missing_ok=True)
            await self._runner.setup()
            listening = socket.socket(socket.AF_UNIX)
            listening.bind(path)
        self._path.chmod(0o600)
        await web.SockSite(self._runner, listening).start()

    async def stop(self) -> None:
        """Close the socket."""
        await self._runner.cleanup()
        self._path.unlink(missing_ok=True)

    async def _answer(self, request: web.Request) -> web.Response:
        command = self._commands.get(request.match_info["command"])
        if command is None:
            return web.json_response({"error": f"there is no command {request.match_info['command']!r}"}, status=404)
        try:
            return web.json_response({"result": await command(await request.json())})
        except GatewayError as error:
            return web.json_response({"error": error.message, "kind": error.kind.value}, status=400)


async def ask(directory: Path, command: str, arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    """Have the running gateway carry out a command. Raises GatewayError UNAVAILABLE when none runs on the data."""
    with _short(directory / FILE) as path:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(path), timeout=timeout) as session,
                session.post(f"http://gateway/{command}", json=dict(arguments)) as response,
            ):
                answer = await response.json()
        except (aiohttp.ClientError, OSError) as error:
            message = f"no gateway runs on the data directory {str(directory)!r}"
            raise GatewayError(ErrorKind.UNAVAILABLE, message) from error
    if "error" in answer:
        raise GatewayError(ErrorKind(answer.get("kind", ErrorKind.INVALID)), answer["error"])
    return answer["result"]


class _short:  # noqa: N801 - used as a statement
    """A path that fits a socket's address, by way of its directory's descriptor where it is too long."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> str:
        if len(os.fsencode(self._path)) <= _LONGEST_PATH:
            return str(self._path)
        try:
            self._descriptor = os.open(self._path.parent, os.O_PATH)
        except OSError as error:
            message = f"the data directory {str(self._path.parent)!r} can't be opened: {error.strerror}"
            raise GatewayError(ErrorKind.UNAVAILABLE, message) from error
        return f"/proc/self/fd/{self._descriptor}/{self._path.name}"

    def __exit__(self, *_raised: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as attempt:
        attempt.settimeout(1.0)
        try:
            attempt.connect(path)
        except OSError:
            return False
        return True
