"""Multicast groups: which one each stream has, by default or as a client wrote, and who keeps it sending."""

from collections.abc import Callable, Mapping
from typing import Protocol

from gateway.domain.media import MediaKind, StreamDescription
from gateway.protocols.sdp import MulticastTarget
from gateway.services.metadata import base_path
from gateway.services.profiles import MulticastGroup

_PORTS = {MediaKind.VIDEO: 0, MediaKind.AUDIO: 2, MediaKind.APPLICATION: 4}
"""Offset of each media's RTP port from the stream's first port; RTCP goes to the next."""


class GroupSender(Protocol):
    """What sends a stream to its groups without a session asking for it."""

    def hold_group(self, path: str) -> None:
        """Send a stream to its groups until released."""
        ...

    def release_group(self, path: str) -> None:
        """Stop what `hold_group` began."""
        ...


class MulticastStreams:
    """The groups of all live streams, by RTSP path."""

    def __init__(
        self,
        groups: Mapping[str, tuple[str, int]],
        description: Callable[[str], StreamDescription | None],
        ttl: int,
        interface: str,
    ) -> None:
        """`groups` holds each path's default address and first port; `interface` is an IPv4 address or empty."""
        self.ttl = ttl
        self.interface = interface
        self.written: Callable[[str], Mapping[MediaKind, MulticastGroup]] = lambda _path: {}
        """The groups of a path as clients see and write them."""
        self.sender: GroupSender | None = None
        self._groups = groups
        self._description = description

    def group(self, path: str, kind: MediaKind) -> MulticastGroup | None:
        """Return the default group of one media of a path."""
        found = self._groups.get(path)
        return None if found is None else MulticastGroup(found[0], found[1] + _PORTS[kind], self.ttl)

    def targets(self, path: str, tracks: int) -> tuple[MulticastTarget, ...]:
        """Return one target for each track of a path; none when it has no groups."""
        description, base = self._description(path), base_path(path)
        if description is None or base not in self._groups:
            return ()
        written = self.written(base)
        chosen = [written.get(track.kind) or self.group(base, track.kind) for track in description.tracks[:tracks]]
        return tuple(MulticastTarget(group.address, group.port, group.ttl) for group in chosen if group is not None)

    async def start(self, path: str, groups: Mapping[MediaKind, MulticastGroup]) -> None:  # noqa: ARG002 - `targets` knows them
        """Send a path's media to its groups until stopped."""
        if self.sender is not None:
            self.sender.hold_group(path)

    async def stop(self, path: str) -> None:
        """Stop what `start` began."""
        if self.sender is not None:
            self.sender.release_group(path)
