"""The ways that media takes to clients: interleaved with RTSP, over UDP, and to multicast groups."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from socket import AF_INET, AF_INET6, AddressFamily

from gateway.protocols.rtsp import transport
from gateway.protocols.rtsp.messages import RtspError
from gateway.protocols.rtsp.transport import Lower, Transport
from gateway.protocols.sdp import MulticastTarget
from gateway.servers.rtsp_gso import Address
from gateway.servers.rtsp_ports import MulticastGroups
from gateway.servers.rtsp_sender_udp import UdpPorts, UdpViewer
from gateway.servers.rtsp_session import Session


@dataclass(frozen=True, slots=True)
class Transports:
    """Chooses transports for tracks, and binds tracks to them (RFC 2326 §12.39)."""

    ports: Mapping[AddressFamily, UdpPorts]
    """Those that could be opened."""
    multicast: MulticastGroups | None

    def choose(self, wanted: str, path: str, tracks: int, address: str) -> Transport:
        """Return the first alternative of a client's header that can be served. Raises RtspError 461."""
        for candidate in transport.parse(wanted):
            if candidate.profile != "RTP/AVP" or candidate.mode not in ("", "PLAY"):
                continue
            if candidate.lower is Lower.TCP:
                return Transport(Lower.TCP, interleaved=candidate.interleaved)
            if candidate.multicast:
                if self.groups(path, tracks):
                    return Transport(Lower.UDP, multicast=True)
            elif candidate.client_port and _family(address) in self.ports:
                return Transport(Lower.UDP, client_port=candidate.client_port)
        raise RtspError(461, f"no transport of {wanted[:120]!r} is supported")

    def bind(self, session: Session, track: int, chosen: Transport, address: str) -> Transport:
        """Have a track sent by the chosen transport to a client's IP address; return it as it is to be answered."""
        if chosen.lower is Lower.TCP:
            return chosen
        if chosen.multicast:
            return self._bind_group(session, track)
        ports = self.ports[_family(address)]
        if track < session.machine.tracks:
            rtp, rtcp = chosen.client_port or (0, 0)
            session.viewer = session.viewer or UdpViewer(ports, {}, {})
            session.viewer.rtp[track] = address, rtp
            session.viewer.rtcp[track] = address, rtcp
        return replace(chosen, server_port=ports.ports)

    def _bind_group(self, session: Session, track: int) -> Transport:
        path, tracks = session.machine.path, session.machine.tracks
        session.viewer = self.group_viewer(path, tracks)
        session.group = True
        target = self.groups(path, tracks)[track]
        ports = target.port, target.port + 1
        return Transport(multicast=True, destination=target.address, port=ports, ttl=target.ttl)

    def groups(self, path: str, tracks: int) -> tuple[MulticastTarget, ...]:
        """Return the group of each track of a stream; none unless all of them have one."""
        if self.multicast is None or AF_INET not in self.ports:
            return ()
        targets = self.multicast.targets(path, tracks)
        return targets if len(targets) == tracks else ()

    def group_viewer(self, path: str, tracks: int) -> UdpViewer:
        """Return the viewer that stands for the groups of a stream."""
        targets = dict(enumerate(self.groups(path, tracks)))
        rtp: dict[int, Address] = {track: (target.address, target.port) for track, target in targets.items()}
        rtcp: dict[int, Address] = {track: (target.address, target.port + 1) for track, target in targets.items()}
        return UdpViewer(self.ports[AF_INET], rtp, rtcp)


def _family(address: str) -> AddressFamily:
    return AF_INET6 if ":" in address else AF_INET
