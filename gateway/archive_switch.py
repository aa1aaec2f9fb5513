"""Archiving turned on and off while the gateway runs, with the services that a VMS sees of it."""

import asyncio
import logging
from typing import Any

from gateway.archiving import Archiving, Surroundings
from gateway.config import Config
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.onvif.offer import Offer
from gateway.servers.control import Command
from gateway.services.exports import Export
from gateway.services.recordings import Recordings

_log = logging.getLogger(__name__)


class ArchiveSwitch:
    """Turns archiving on and off as the configuration says, with the services that a VMS sees of it."""

    def __init__(self, surroundings: Surroundings, offer: Offer) -> None:
        self._with = surroundings
        self._offer = offer
        self._changing = asyncio.Lock()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None
        self.current: Archiving | None = None

    async def run(self) -> None:
        """Raise what archiving ends with, if it does."""
        await self._failed

    async def follow(self, config: Config) -> bool:
        """Record as a configuration says; returns whether that can be. Else it is logged, and all stays as it was."""
        async with self._changing:
            try:
                following = Archiving(config, self._with) if config.storages else None
            except GatewayError as error:
                if self.current is None:
                    raise
                _log.error("%s", error.message)
                return False
            await self._end()
            if following is not None:
                self._begin(following)
            self._offer.changed()
            return True

    async def stop(self) -> None:
        """Close the files."""
        async with self._changing:
            await self._end()

    async def movie(self, name: str, start_ns: int, end_ns: int) -> Export:
        """Return a time range of what was recorded as one movie. Raises GatewayError."""
        return await self._present().store.movie(name, start_ns, end_ns)

    def recordings(self) -> Recordings | None:
        """Return what is recorded; None while no storage is configured."""
        return None if self.current is None else self.current.recordings

    async def storages(self) -> list[dict[str, Any]]:
        """Return every storage as a person or a program reads it."""
        return [] if self.current is None else await self.current.store.listed()

    def tokens(self) -> list[str]:
        """Return the tokens of all recordings."""
        return [] if self.current is None else [each.token for each in self.current.recordings.all()]

    def begin_ns(self) -> int | None:
        """Return the time of the oldest footage, None when there is none."""
        if self.current is None:
            return None
        archive = self.current.store.archive
        extents = [extent for token in archive.recordings() if (extent := archive.extent(token)) is not None]
        return min((extent.span.start_ns for extent in extents), default=None)

    def commands(self) -> dict[str, Command]:
        """Return what the control socket offers."""

        async def storages(_: dict[str, Any]) -> list[dict[str, Any]]:
            return await self.storages()

        async def recordings(_: dict[str, Any]) -> list[dict[str, Any]]:
            return [] if self.current is None else await self.current.store.recorded()

        async def format_(arguments: dict[str, Any]) -> None:
            await self._present().format(arguments["id"])

        async def remove(arguments: dict[str, Any]) -> None:
            await self._present().remove(arguments["id"])

        return {"storages": storages, "recordings": recordings, "format": format_, "remove": remove}

    def _present(self) -> Archiving:
        if self.current is None:
            raise GatewayError(ErrorKind.NOT_FOUND, "no storage is configured")
        return self.current

    def _begin(self, archiving: Archiving) -> None:
        self.current = archiving
        self._task = asyncio.create_task(archiving.run(), name="archiving")
        self._task.add_done_callback(self._ended)
        self._with.rtsp.replays = archiving.replays()
        self._offer.add(archiving.services)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def _end(self) -> None:
        if self.current is None or self._task is None:
            return
        self._with.rtsp.replays = None
        self._offer.remove(self.current.services)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.current.withdraw()
        self.current = self._task = None
