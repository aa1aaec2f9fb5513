"""What is drawn on or cut from the picture: nothing, since pictures pass through untouched; and source modes."""

from gateway.onvif import media_faults as faults
from gateway.onvif.context import Context
from gateway.onvif.media_profiles import MediaProfiles, find
from gateway.onvif.media_schema import Plain, mode_token, osd_options, video_source_mode


class Overlays:
    """Operations on OSDs and source modes that Media1 and Media2 share."""

    profiles: MediaProfiles

    async def GetOSDs(self, request: Plain, _context: Context) -> Plain:
        """List no OSDs."""
        if (token := request.get("OSDToken")) is not None:
            raise faults.no_config(token, "OSD")
        if (token := request.get("ConfigurationToken")) is not None:
            find(self.profiles.model().video_source_configurations, token)
        return {"OSDs": []}

    async def GetOSDOptions(self, request: Plain, _context: Context) -> Plain:
        """Leave room for no OSD."""
        find(self.profiles.model().video_source_configurations, request["ConfigurationToken"])
        return {"OSDOptions": osd_options()}

    async def SetOSD(self, request: Plain, _context: Context) -> Plain:
        """Refuse: there is none."""
        raise faults.no_config(request["OSD"]["token"], "OSD")

    async def DeleteOSD(self, request: Plain, _context: Context) -> Plain:
        """Refuse: there is none."""
        raise faults.no_config(request["OSDToken"], "OSD")

    async def CreateOSD(self, request: Plain, _context: Context) -> Plain:
        """Refuse: there is room for none."""
        token = request["OSD"]["VideoSourceConfigurationToken"]["_"]
        find(self.profiles.model().video_source_configurations, token)
        raise faults.full("MaxOSDs", f"video source configuration {token!r} has room for 0 OSDs")

    async def GetVideoSourceModes(self, request: Plain, _context: Context) -> Plain:
        """Return a video source's only mode."""
        model = self.profiles.model()
        token = request["VideoSourceToken"]
        for configuration in model.video_source_configurations.values():
            if configuration.source.token == token:
                return {"VideoSourceModes": [video_source_mode(configuration, model)]}
        raise faults.no_video_source(token)

    async def SetVideoSourceMode(self, request: Plain, _context: Context) -> Plain:
        """Accept the mode that is set anyway."""
        source, mode = request["VideoSourceToken"], request["VideoSourceModeToken"]
        if source not in self.profiles.model().video_sources:
            raise faults.no_video_source(source)
        if mode != mode_token(source):
            raise faults.no_video_source_mode(mode)
        return {"Reboot": False}


class Media1Osd(Overlays):
    """The operation that only Media1 has."""

    async def GetOSD(self, request: Plain, _context: Context) -> Plain:
        """Refuse: there is none."""
        raise faults.no_config(request["OSDToken"], "OSD")


class Media2Masks(Overlays):
    """The operations on privacy masks that only Media2 has."""

    async def GetMasks(self, request: Plain, _context: Context) -> Plain:
        """List no masks."""
        if (token := request.get("Token")) is not None:
            raise faults.no_config(token, "mask")
        if (token := request.get("ConfigurationToken")) is not None:
            find(self.profiles.model().video_source_configurations, token)
        return {"Masks": []}

    async def GetMaskOptions(self, request: Plain, _context: Context) -> Plain:
        """Leave room for no mask."""
        find(self.profiles.model().video_source_configurations, request["ConfigurationToken"])
        black = {"X": 0.0, "Y": 128.0, "Z": 128.0, "Colorspace": "http://www.onvif.org/ver10/colorspace/YCbCr"}
        return {"Options": {"MaxMasks": 0, "MaxPoints": 4, "Types": ["Color"], "Color": {"ColorList": [black]}}}

    async def CreateMask(self, request: Plain, _context: Context) -> Plain:
        """Refuse: there is room for none."""
        token = request["Mask"]["ConfigurationToken"]
        find(self.profiles.model().video_source_configurations, token)
        raise faults.full("MaxMasks", f"video source configuration {token!r} has room for 0 masks")

    async def SetMask(self, request: Plain, _context: Context) -> Plain:
        """Refuse: there is none."""
        raise faults.no_config(request["Mask"].get("token", ""), "mask")

    async def DeleteMask(self, request: Plain, _context: Context) -> Plain:
        """Refuse: there is none."""
        raise faults.no_config(request["Token"], "mask")
