"""Packets that a camera made for TCP, larger than a network's frames, made again for UDP."""

from collections.abc import Iterable, Sequence
from typing import Final

from gateway.domain.media import AccessUnit, TrackDescription
from gateway.protocols.rtp.packetize import Packetizer
from gateway.servers.rtsp_gso import MAX_SEGMENT, Datagrams

ENCODINGS: Final = frozenset(("H264", "H265"))
"""Encodings whose frames can be cut anew; packets of others are left to IP's fragmentation."""


class Refragmenter:
    """Makes packets that fit UDP; from a track's first large packet on, all its packets, numbered anew."""

    def __init__(self, tracks: Sequence[TrackDescription]) -> None:
        self._tracks = tracks
        self._packetizers: dict[int, Packetizer] = {}

    def needed(self, units: Iterable[AccessUnit]) -> bool:
        """Tell whether any track is packed anew, by what was seen before or is seen in these units."""
        return bool(self._packetizers) or any(self._is_large(unit, Datagrams(unit.packets)) for unit in units)

    def datagrams(self, unit: AccessUnit) -> Datagrams:
        """Return a unit's packets, or others with the same payload that fit. Call it for every unit, in order."""
        datagrams = Datagrams(unit.packets)
        packetizer = self._packetizers.get(unit.track)
        if packetizer is None:
            if not self._is_large(unit, datagrams):
                return datagrams
            first = unit.packets.data
            ssrc, sequence = int.from_bytes(first[12:16], "big"), int.from_bytes(first[6:8], "big")
            packetizer = Packetizer(unit.track, self._tracks[unit.track], ssrc, sequence)
            self._packetizers[unit.track] = packetizer
        try:
            fitting = packetizer.unit(unit.payload(), unit.rtp_time, unit.utc_ns, unit.keyframe)
        except ValueError:
            return datagrams
        return Datagrams(fitting.packets)

    def _is_large(self, unit: AccessUnit, datagrams: Datagrams) -> bool:
        return datagrams.largest > MAX_SEGMENT and self._tracks[unit.track].encoding in ENCODINGS
