"""Multicast groups that streams are sent to."""

from gateway.servers.rtsp_gso import Address
from gateway.servers.rtsp_hub import Start, StreamHub
from gateway.servers.rtsp_sender_udp import UdpViewer


class Groups:
    """Multicast groups in use: one more UDP viewer of a stream, for as long as anybody wants it.

    A stream with metadata has the same pictures as the one without: what one of them sends to a group, the other
    leaves to it. The first member finds the GOP in memory on the group, as players give up when nothing comes for some
    seconds; later ones begin where the group is.
    """

    def __init__(self) -> None:
        self._members: dict[StreamHub, set[object]] = {}
        self._viewers: dict[StreamHub, tuple[UdpViewer, dict[int, Address]]] = {}
        """With the groups that each would send to."""

    def join(self, member: object, hub: StreamHub, viewer: UdpViewer) -> None:
        """Add a member; the first one of a stream has its groups sent."""
        self._members.setdefault(hub, set()).add(member)
        if hub not in self._viewers:
            taken = {address for shown, _ in self._viewers.values() for address in shown.rtp.values()}
            self._viewers[hub] = viewer, viewer.rtp
            viewer.rtp = {track: to for track, to in viewer.rtp.items() if to not in taken}
            hub.add_udp(viewer, hub.start(viewer.rtp, udp=True))

    def leave(self, member: object, hub: StreamHub) -> bool:
        """Remove a member; tell whether it was the last one, so that nothing is sent any more."""
        members = self._members.get(hub, set())
        members.discard(member)
        if members or hub not in self._viewers:
            return False
        del self._members[hub]
        gone, _ = self._viewers.pop(hub)
        hub.remove_udp(gone)
        free = set(gone.rtp.values())
        for other, (viewer, wanted) in self._viewers.items():
            if more := {track: to for track, to in wanted.items() if to in free and track not in viewer.rtp}:
                free -= set(more.values())
                other.remove_udp(viewer)
                viewer.rtp = viewer.rtp | more
                other.add_udp(viewer, Start((), waiting=False))
        return True
