"""The Media service (ver10, "Media1"): profiles and streams. Its configurations are in `media1_configurations`."""

from datetime import timedelta
from typing import Any, ClassVar

from gateway.onvif import media1_schema as schema
from gateway.onvif import media_faults as faults
from gateway.onvif.codec import Kept
from gateway.onvif.context import Context
from gateway.onvif.media1_configurations import Media1Configurations
from gateway.onvif.media_model import MediaModel
from gateway.onvif.media_osd import Media1Osd
from gateway.onvif.media_profiles import MediaProfiles, find_profile
from gateway.onvif.media_schema import Plain, max_profiles
from gateway.onvif.media_streaming import StreamOperations
from gateway.onvif.media_uri import media1_transport

FOREVER = timedelta()
"""A Timeout of PT0S: the URI stays valid (Media §5.15)."""


class MediaService(Media1Configurations, Media1Osd, StreamOperations):
    """Operations of the Media service (Media Service Specification)."""

    namespace: ClassVar[str] = "http://www.onvif.org/ver10/media/wsdl"
    path: ClassVar[str] = "/onvif/media_service"

    def __init__(self, profiles: MediaProfiles) -> None:
        self.profiles = profiles
        self._listed: tuple[MediaModel, Plain] | None = None
        """The last list of profiles, good as long as the model is the same: clients ask for it again and again."""

    def capabilities(self) -> Plain:
        """Return what is announced: only what works."""
        return {
            "SnapshotUri": True,
            "Rotation": False,
            "VideoSourceMode": False,
            "OSD": False,
            "EXICompression": False,
            "ProfileCapabilities": {"MaximumNumberOfProfiles": max_profiles(self.profiles.model())},
            "StreamingCapabilities": {
                "RTPMulticast": self.profiles.streaming.multicast is not None,
                "RTP_TCP": False,
                "RTP_RTSP_TCP": True,
                "NonAggregateControl": False,
                "NoRTSPStreaming": False,
            },
        }

    async def GetProfiles(self, _request: Plain, _context: Context) -> Plain:
        """List every profile that Media1 can express."""
        model = self.profiles.model()
        if self._listed is None or self._listed[0] is not model:
            visible = [profile for profile in model.profiles.values() if schema.is_visible(profile, model)]
            self._listed = (model, Kept(Profiles=[schema.profile(profile, model) for profile in visible]))
        return self._listed[1]

    async def GetProfile(self, request: Plain, _context: Context) -> Plain:
        """Return one profile."""
        model = self.profiles.model()
        profile = find_profile(model, request["ProfileToken"])
        if not schema.is_visible(profile, model):
            raise faults.no_profile(profile.token)
        return {"Profile": schema.profile(profile, model)}

    async def CreateProfile(self, request: Plain, _context: Context) -> Plain:
        """Make an empty profile."""
        profile = self.profiles.create(request["Name"], request.get("Token", ""))
        return {"Profile": schema.profile(profile, self.profiles.model())}

    async def DeleteProfile(self, request: Plain, _context: Context) -> Plain:
        """Delete a profile that a client made."""
        self.profiles.delete(request["ProfileToken"])
        return {}

    async def GetStreamUri(self, request: Plain, context: Context) -> Plain:
        """Return a stream's URI for a transport."""
        setup = request["StreamSetup"]
        asked = f"{setup.get('Stream')} over {setup.get('Transport', {}).get('Protocol')}"
        transport = media1_transport(setup)
        uri = self.profiles.stream_uri(request["ProfileToken"], transport, asked, context, media1=True)
        return {"MediaUri": _media_uri(uri)}

    async def GetSnapshotUri(self, request: Plain, context: Context) -> Plain:
        """Return the URI of a JPEG of the profile's picture."""
        return {"MediaUri": _media_uri(self.profiles.snapshot_uri(request["ProfileToken"], context))}


def _media_uri(uri: str) -> dict[str, Any]:
    return {"Uri": uri, "InvalidAfterConnect": False, "InvalidAfterReboot": False, "Timeout": FOREVER}
