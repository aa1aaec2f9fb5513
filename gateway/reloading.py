"""What a gateway that runs takes over from a configuration that is read again."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from msgspec.structs import replace

from gateway.config import Camera, Config, Writes
from gateway.onvif.offer import Offer
from gateway.telling import Telling
from gateway.watching import Watching


def taken_over(running: Config, new: Config) -> Config:
    """Return a running configuration with what of a new one needs no restart."""
    return replace(
        running,
        storages=new.storages,
        recordings=new.recordings,
        retention=new.retention,
        motion=new.motion,
        sinks=new.sinks,
        brokers=new.brokers,
        writes=new.writes,
        cameras=cameras_watched_anew(running.cameras, new.cameras),
    )


def cameras_watched_anew(running: tuple[Camera, ...], new: tuple[Camera, ...]) -> tuple[Camera, ...]:
    """Return running cameras with what new ones of the same ids say of motion."""
    motion = {camera.id: camera.motion for camera in new}
    return tuple(replace(camera, motion=motion.get(camera.id, camera.motion)) for camera in running)


@dataclass(frozen=True, slots=True)
class Reloading:
    """The parts of a running gateway that follow its configuration."""

    watching: Watching
    telling: Telling
    record: Callable[[Config], Awaitable[bool]]
    """Records as a configuration says; returns whether that could be."""
    use_writes: Callable[[Writes], None]
    """Treats what clients write as a configuration says."""
    offer: Offer

    async def follow(self, running: Config, config: Config) -> bool:
        """Do as a configuration says from now on; returns whether that could be. If not, nothing has changed.

        Raises GatewayError, when what it says can't be.
        """
        plan = self.watching.prepare(config)
        sinks = self.telling.prepare(config)
        if self._says_otherwise_of_recording(running, config) and not await self.record(config):
            return False
        before = self.watching.services()
        await self.watching.follow(plan)
        self.offer.exchange(before, self.watching.services())
        self.use_writes(config.writes)
        await self.telling.follow(config, sinks)
        return True

    @staticmethod
    def _says_otherwise_of_recording(running: Config, config: Config) -> bool:
        sections = ("storages", "recordings", "retention")
        return any(getattr(running, name) != getattr(config, name) for name in sections)
