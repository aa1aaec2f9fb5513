"""The DeviceIO service: inputs and outputs of the device. Video and audio sources are those of Media1 and Media2."""

from typing import ClassVar

from gateway.onvif import media_faults as faults
from gateway.onvif import media_outputs, media_settings
from gateway.onvif import media_schema as schema
from gateway.onvif.contacts import Contacts, NoContacts
from gateway.onvif.context import Context
from gateway.onvif.media_model import (
    AudioOutputConfiguration,
    AudioSourceConfiguration,
    MediaModel,
    VideoSourceConfiguration,
)
from gateway.onvif.media_profiles import MediaProfiles
from gateway.onvif.media_schema import Plain
from gateway.services.profiles import ConfigurationKind as Kind


class DeviceIOService:
    """Operations of the DeviceIO service (Device IO Service Specification)."""

    namespace: ClassVar[str] = "http://www.onvif.org/ver10/deviceIO/wsdl"
    path: ClassVar[str] = "/onvif/deviceio_service"

    def __init__(self, profiles: MediaProfiles, contacts: Contacts | None = None) -> None:
        self.profiles = profiles
        self.contacts = contacts or NoContacts()

    def capabilities(self) -> Plain:
        """Return the number of each kind of input and output."""
        model = self.profiles.model()
        return {
            "VideoSources": len(model.video_sources),
            "VideoOutputs": 0,
            "AudioSources": len(model.audio_sources),
            "AudioOutputs": len(model.audio_outputs),
            "RelayOutputs": len(self.contacts.relay_outputs()),
            "SerialPorts": 0,
            "DigitalInputs": (inputs := len(self.contacts.digital_inputs())),
            "DigitalInputOptions": inputs > 0,
        }

    async def GetVideoSources(self, _request: Plain, _context: Context) -> Plain:
        """List the tokens of the channels."""
        return {"Token": list(self.profiles.model().video_sources)}

    async def GetVideoSourceConfiguration(self, request: Plain, _context: Context) -> Plain:
        """Return the configuration of a channel's picture."""
        model = self.profiles.model()
        found = _video(model, request["VideoSourceToken"])
        return {"VideoSourceConfiguration": schema.video_source_configuration(found, model)}

    async def GetVideoSourceConfigurationOptions(self, request: Plain, _context: Context) -> Plain:
        """Return the only values that a channel's picture can have."""
        model = self.profiles.model()
        found = _video(model, request["VideoSourceToken"])
        return {"VideoSourceConfigurationOptions": schema.video_source_options([found], model)}

    async def SetVideoSourceConfiguration(self, request: Plain, _context: Context) -> Plain:
        """Write what may be written of a channel's picture."""
        wanted = request["Configuration"]
        current = self.profiles.model().video_source_configurations.get(wanted["token"])
        if current is None:
            raise faults.no_config(wanted["token"])
        media_settings.check_video_source(current, wanted)
        self.profiles.configure(Kind.VIDEO_SOURCE, current.token, media_settings.written(current, wanted))
        return {}

    async def GetAudioSources(self, _request: Plain, _context: Context) -> Plain:
        """List the tokens of the channels with audio."""
        return {"Token": list(self.profiles.model().audio_sources)}

    async def GetAudioSourceConfiguration(self, request: Plain, _context: Context) -> Plain:
        """Return the configuration of a channel's audio."""
        model = self.profiles.model()
        found = _audio(model, request["AudioSourceToken"])
        return {"AudioSourceConfiguration": schema.audio_source_configuration(found, model)}

    async def GetAudioSourceConfigurationOptions(self, request: Plain, _context: Context) -> Plain:
        """Return the only values that a channel's audio can have."""
        found = _audio(self.profiles.model(), request["AudioSourceToken"])
        return {"AudioSourceOptions": schema.audio_source_options([found])}

    async def SetAudioSourceConfiguration(self, request: Plain, _context: Context) -> Plain:
        """Write what may be written of a channel's audio."""
        wanted = request["Configuration"]
        current = self.profiles.model().audio_source_configurations.get(wanted["token"])
        if current is None:
            raise faults.no_config(wanted["token"])
        media_settings.check_audio_source(current, wanted)
        self.profiles.configure(Kind.AUDIO_SOURCE, current.token, media_settings.written(current, wanted))
        return {}

    async def GetVideoOutputs(self, _request: Plain, _context: Context) -> Plain:
        """List no video outputs."""
        return {"VideoOutputs": []}

    async def GetVideoOutputConfiguration(self, request: Plain, _context: Context) -> Plain:
        """Refuse: there is no video output."""
        raise faults.no_video_output(request["VideoOutputToken"])

    async def GetVideoOutputConfigurationOptions(self, request: Plain, _context: Context) -> Plain:
        """Refuse: there is no video output."""
        raise faults.no_video_output(request["VideoOutputToken"])

    async def GetAudioOutputs(self, _request: Plain, _context: Context) -> Plain:
        """List the tokens of the cameras' loudspeakers."""
        return {"Token": [each.output for each in self.profiles.model().audio_outputs.values()]}

    async def GetAudioOutputConfiguration(self, request: Plain, _context: Context) -> Plain:
        """Return the configuration of a loudspeaker."""
        model = self.profiles.model()
        found = _output(model, request["AudioOutputToken"])
        return {"AudioOutputConfiguration": media_outputs.output(found, model)}

    async def GetAudioOutputConfigurationOptions(self, request: Plain, _context: Context) -> Plain:
        """Return the only values that a loudspeaker can have."""
        found = _output(self.profiles.model(), request["AudioOutputToken"])
        return {"AudioOutputOptions": media_outputs.output_options([found])}

    async def SetAudioOutputConfiguration(self, request: Plain, _context: Context) -> Plain:
        """Write what may be written of a loudspeaker."""
        wanted = request["Configuration"]
        current = self.profiles.model().audio_outputs.get(wanted["token"])
        if current is None:
            raise faults.no_config(wanted["token"])
        media_outputs.check_output(current, wanted)
        self.profiles.configure(Kind.AUDIO_OUTPUT, current.token, media_settings.written(current, wanted))
        return {}

    async def GetRelayOutputs(self, _request: Plain, _context: Context) -> Plain:
        """List the cameras' relays."""
        return {"RelayOutputs": self.contacts.relay_outputs()}

    async def GetRelayOutputOptions(self, request: Plain, _context: Context) -> Plain:
        """List what relays can be set to."""
        return {"RelayOutputOptions": self.contacts.relay_options(request.get("RelayOutputToken"))}

    async def SetRelayOutputSettings(self, request: Plain, context: Context) -> Plain:
        """Change a relay's settings."""
        relay = request["RelayOutput"]
        await self.contacts.set_relay(relay["token"], relay["Properties"], context)
        return {}

    async def SetRelayOutputState(self, request: Plain, context: Context) -> Plain:
        """Switch a relay."""
        await self.contacts.switch_relay(request["RelayOutputToken"], request["LogicalState"], context)
        return {}

    async def GetDigitalInputs(self, _request: Plain, _context: Context) -> Plain:
        """List the cameras' digital inputs."""
        return {"DigitalInputs": self.contacts.digital_inputs()}

    async def GetDigitalInputConfigurationOptions(self, request: Plain, _context: Context) -> Plain:
        """Return what the idle state of an input can be."""
        return {"DigitalInputOptions": self.contacts.input_options(request.get("Token"))}

    async def SetDigitalInputConfigurations(self, request: Plain, context: Context) -> Plain:
        """Change the idle states of inputs."""
        await self.contacts.set_inputs(request["DigitalInputs"], context)
        return {}

    async def GetSerialPorts(self, _request: Plain, _context: Context) -> Plain:
        """List no serial ports."""
        return {"SerialPort": []}


def _video(model: MediaModel, token: str) -> VideoSourceConfiguration:
    for configuration in model.video_source_configurations.values():
        if configuration.source.token == token:
            return configuration
    raise faults.no_video_source(token)


def _output(model: MediaModel, token: str) -> AudioOutputConfiguration:
    for configuration in model.audio_outputs.values():
        if configuration.output == token:
            return configuration
    raise faults.no_config(token, "audio output")


def _audio(model: MediaModel, token: str) -> AudioSourceConfiguration:
    for configuration in model.audio_source_configurations.values():
        if configuration.source.token == token:
            return configuration
    raise faults.no_config(token, "audio source")
