"""The metadata of all cameras' streams, put together."""

from collections.abc import Callable
from random import SystemRandom

from gateway.domain.media import AccessUnit
from gateway.onvif.codec import Codec
from gateway.onvif.events import EventService
from gateway.onvif.events_message import EventMessages
from gateway.onvif.media_profiles import MediaProfiles
from gateway.onvif.metadata import Archived, MetadataContent, MetadataDocuments
from gateway.protocols.rtp.packetize import Packetizer
from gateway.sdk.clock import Clock
from gateway.services.cameras import Cameras
from gateway.services.eventbus import EventBus
from gateway.services.metadata import MetadataPorts, MetadataStreams
from gateway.services.metadata_stream import TRACK, Packetize
from gateway.services.motion import Motion


class LiveMetadata:
    """The cameras' streams, with and without metadata."""

    def __init__(self, cameras: Cameras, bus: EventBus, codec: Codec, clock: Clock) -> None:
        documents = MetadataDocuments(codec, EventMessages(codec, bus.topics).text)
        self.streams = MetadataStreams(cameras, bus, MetadataPorts(documents, packetizer_of, clock))

    def follow(
        self, profiles: MediaProfiles, events: EventService, motion: Motion, recordings: Callable[[], Archived | None]
    ) -> None:
        """Tell from now on what the metadata configurations say, with what moves, and of recordings too."""
        profiles.read_filter = events.read_filter
        content = MetadataContent(profiles, recordings)
        self.streams.content, self.streams.channels = content.of, content.channels
        motion.watch(self.streams.scene)


def packetizer_of(track: int) -> Packetize:
    """Return what packs documents as the track of some number."""
    random = SystemRandom()
    packetizer = Packetizer(track, TRACK, random.getrandbits(32), random.getrandbits(16))

    def pack(document: bytes, rtp_time: int, utc_ns: int) -> AccessUnit:
        return packetizer.unit((document,), rtp_time, utc_ns, keyframe=True)

    return pack
