"""Frames of a recording that go out together: packetised, and joined once for whoever takes them."""

from collections.abc import Sequence

from gateway.domain.media import AccessUnit
from gateway.protocols.rtp.packetize import Packetizer, Part
from gateway.servers.rtsp_hub import Count, Framing, StreamHub
from gateway.services.playback import Frame


class Burst:
    """What is sent in one go: bytes for a TCP viewer of its own, else access units."""

    __slots__ = ("_counts", "_framing", "_packetizers", "_parts", "_units", "size")

    def __init__(self, packetizers: Sequence[Packetizer], framing: Framing | None) -> None:
        """With a framing, that of `StreamHub.direct`, no access units are made."""
        self.size = 0
        """Bytes of its frames."""
        self._packetizers = packetizers
        self._framing = framing
        self._units: list[AccessUnit] = []
        self._parts: list[Part] = []
        self._counts: list[Count] = []

    def __bool__(self) -> bool:
        return bool(self.size)

    def add(self, frame: Frame, rtp_time: int, now_ns: int, extension: bytes) -> None:
        """Add a frame; `now_ns` is what sender reports tell. Raises ValueError when its format can't carry it."""
        packetizer, payload, channel = self._packetizers[frame.track], frame.payload, 2 * frame.track
        size = sum(map(len, payload))
        if self._framing is None:
            packetizer.channel = channel
            self._units.append(packetizer.unit(payload, rtp_time, now_ns, frame.keyframe, extension))
        else:
            pair = self._framing.channels[frame.track]
            packetizer.channel = pair[0] if pair else channel
            parts, sizes = packetizer.packets(payload, rtp_time, extension)
            self._parts += parts
            self._counts.append((frame.track, sum(count for count, _ in sizes), size, frame.keyframe))
        self.size += size

    def send(self, hub: StreamHub) -> None:
        """Send it to the hub that the framing is of."""
        if self._framing is None:
            hub.deliver_burst(self._units)
        elif self._parts:
            hub.deliver_packets(self._parts, self._counts)
