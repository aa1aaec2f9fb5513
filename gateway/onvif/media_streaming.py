"""The operations on running streams that Media and Media2 have alike."""

from gateway.onvif.context import Context
from gateway.onvif.media_profiles import MediaProfiles
from gateway.onvif.media_schema import Plain


class StreamOperations:
    """What a client does with the stream of a profile."""

    profiles: MediaProfiles

    async def StartMulticastStreaming(self, request: Plain, _context: Context) -> Plain:
        """Send the profile's stream to its multicast group."""
        await self.profiles.start_multicast(request["ProfileToken"])
        return {}

    async def StopMulticastStreaming(self, request: Plain, _context: Context) -> Plain:
        """Stop multicasting."""
        await self.profiles.stop_multicast(request["ProfileToken"])
        return {}

    async def SetSynchronizationPoint(self, request: Plain, _context: Context) -> Plain:
        """Ask for a key frame."""
        self.profiles.synchronize(request["ProfileToken"])
        return {}
