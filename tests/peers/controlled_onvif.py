"""A scripted ONVIF camera with a head, a lens, encoders, a relay and an input; every request must be valid."""

# ruff: noqa: N802 - methods have the names of the operations

from collections.abc import Callable
from dataclasses import dataclass, field

from lxml import etree
from peers.scripted_onvif import SPACES, FaultError, ScriptedOnvif

from gateway.onvif.contract import load_contract
from gateway.onvif.validation import Validator
from gateway.protocols.soap.envelope import escape

TT = SPACES["tt"]
_OPTIONS2 = """
<tr2:Options GovLengthRange="1 150" FrameRatesSupported="25 12.5 5" ProfilesSupported="Main High"
 ConstantBitRateSupported="true"><tt:Encoding>{}</tt:Encoding><tt:QualityRange><tt:Min>1</tt:Min><tt:Max>6</tt:Max>
</tt:QualityRange><tt:ResolutionsAvailable><tt:Width>640</tt:Width><tt:Height>360</tt:Height></tt:ResolutionsAvailable>
<tt:ResolutionsAvailable><tt:Width>1920</tt:Width><tt:Height>1080</tt:Height></tt:ResolutionsAvailable>
<tt:BitrateRange><tt:Min>64</tt:Min><tt:Max>8192</tt:Max></tt:BitrateRange></tr2:Options>"""
_SIZES = """
<tt:ResolutionsAvailable><tt:Width>1920</tt:Width><tt:Height>1080</tt:Height></tt:ResolutionsAvailable>
<tt:ResolutionsAvailable><tt:Width>640</tt:Width><tt:Height>360</tt:Height></tt:ResolutionsAvailable>"""
_RATES = """
<tt:FrameRateRange><tt:Min>1</tt:Min><tt:Max>4</tt:Max></tt:FrameRateRange>
<tt:EncodingIntervalRange><tt:Min>1</tt:Min><tt:Max>1</tt:Max></tt:EncodingIntervalRange>"""
_H264 = f"""
{_SIZES}<tt:GovLengthRange><tt:Min>1</tt:Min><tt:Max>150</tt:Max></tt:GovLengthRange>{_RATES}
<tt:H264ProfilesSupported>Baseline</tt:H264ProfilesSupported><tt:H264ProfilesSupported>Main</tt:H264ProfilesSupported>"""
_OPTIONS1 = f"""
<trt:Options><tt:QualityRange><tt:Min>1</tt:Min><tt:Max>6</tt:Max></tt:QualityRange>
<tt:JPEG>{_SIZES}{_RATES}</tt:JPEG><tt:H264>{_H264}</tt:H264>
<tt:Extension><tt:H264>{_H264}<tt:BitrateRange><tt:Min>32</tt:Min><tt:Max>4096</tt:Max></tt:BitrateRange></tt:H264>
</tt:Extension></trt:Options>"""
_MULTICAST = """<tt:Multicast><tt:Address><tt:Type>IPv4</tt:Type><tt:IPv4Address>239.1.2.3</tt:IPv4Address></tt:Address>
<tt:Port>5000</tt:Port><tt:TTL>3</tt:TTL><tt:AutoStart>false</tt:AutoStart></tt:Multicast>"""
_ENCODER2 = f"""
<tr2:Configurations xmlns:tr2="{SPACES["tr2"]}" xmlns:tt="{TT}" token="{{}}" GovLength="50" Profile="Main">
<tt:Name>Encoder</tt:Name><tt:UseCount>1</tt:UseCount><tt:Encoding>H264</tt:Encoding>
<tt:Resolution><tt:Width>1920</tt:Width><tt:Height>1080</tt:Height></tt:Resolution>
<tt:RateControl ConstantBitRate="false"><tt:FrameRateLimit>25</tt:FrameRateLimit><tt:BitrateLimit>4096</tt:BitrateLimit>
</tt:RateControl>{_MULTICAST}<tt:Quality>4</tt:Quality></tr2:Configurations>"""
_ENCODER1 = f"""
<trt:Configuration xmlns:trt="{SPACES["trt"]}" xmlns:tt="{TT}" token="{{}}"><tt:Name>Encoder</tt:Name>
<tt:UseCount>1</tt:UseCount><tt:Encoding>JPEG</tt:Encoding><tt:Resolution><tt:Width>640</tt:Width>
<tt:Height>360</tt:Height></tt:Resolution><tt:Quality>4</tt:Quality>{_MULTICAST}
<tt:SessionTimeout>PT60S</tt:SessionTimeout></trt:Configuration>"""
_RANGE = "<tt:Min>{}</tt:Min><tt:Max>{}</tt:Max>"
_HUNDRED = _RANGE.format(0, 100)
_IMAGING_OPTIONS = f"""<timg:ImagingOptions>
<tt:BacklightCompensation><tt:Mode>OFF</tt:Mode><tt:Mode>ON</tt:Mode></tt:BacklightCompensation>
<tt:Brightness>{_HUNDRED}</tt:Brightness><tt:Contrast>{_HUNDRED}</tt:Contrast>
<tt:Exposure><tt:Mode>AUTO</tt:Mode><tt:Mode>MANUAL</tt:Mode><tt:Priority>LowNoise</tt:Priority>
<tt:ExposureTime>{_RANGE.format(10, 40000)}</tt:ExposureTime></tt:Exposure>
<tt:Focus><tt:AutoFocusModes>AUTO</tt:AutoFocusModes><tt:AutoFocusModes>MANUAL</tt:AutoFocusModes>
<tt:DefaultSpeed>{_RANGE.format(0, 1)}</tt:DefaultSpeed></tt:Focus>
<tt:IrCutFilterModes>ON</tt:IrCutFilterModes><tt:IrCutFilterModes>AUTO</tt:IrCutFilterModes>
<tt:WideDynamicRange><tt:Mode>ON</tt:Mode><tt:Level>{_HUNDRED}</tt:Level></tt:WideDynamicRange>
<tt:WhiteBalance><tt:Mode>AUTO</tt:Mode><tt:YrGain>{_HUNDRED}</tt:YrGain><tt:YbGain>{_HUNDRED}</tt:YbGain>
</tt:WhiteBalance></timg:ImagingOptions>"""
_MOVE_OPTIONS = f"""<timg:MoveOptions><tt:Absolute><tt:Position>{_RANGE.format(0, 9)}</tt:Position></tt:Absolute>
<tt:Continuous><tt:Speed>{_RANGE.format(-7, 7)}</tt:Speed></tt:Continuous></timg:MoveOptions>"""
_SPACE = "http://www.onvif.org/ver10/tptz/"
_ONE = f"<tt:XRange>{_RANGE.format(-1, 1)}</tt:XRange>"
_NODE = f"""<tptz:PTZNode token="head" FixedHomePosition="false"><tt:Name>Head</tt:Name><tt:SupportedPTZSpaces>
<tt:AbsolutePanTiltPositionSpace><tt:URI>{_SPACE}PanTiltSpaces/PositionGenericSpace</tt:URI>{_ONE}
<tt:YRange>{_RANGE.format(-0.5, 0.5)}</tt:YRange></tt:AbsolutePanTiltPositionSpace>
<tt:ContinuousZoomVelocitySpace><tt:URI>{_SPACE}ZoomSpaces/VelocityGenericSpace</tt:URI>{_ONE}
</tt:ContinuousZoomVelocitySpace></tt:SupportedPTZSpaces><tt:MaximumNumberOfPresets>8</tt:MaximumNumberOfPresets>
<tt:HomeSupported>true</tt:HomeSupported><tt:AuxiliaryCommands>tt:Wiper|On</tt:AuxiliaryCommands></tptz:PTZNode>"""


@dataclass
class ControlledOnvif(ScriptedOnvif):
    """Remembers what was set; `requests` has what was asked of the head and the rest, by operation."""

    services: tuple[str, ...] = ("tds", "trt", "tr2", "tev", "timg", "tptz", "tmd")
    requests: dict[str, etree._Element] = field(default_factory=dict, init=False)
    imaging: str = "<tt:Brightness>50</tt:Brightness><tt:IrCutFilter>AUTO</tt:IrCutFilter>"
    relay: str = "<tt:Mode>Bistable</tt:Mode><tt:DelayTime>PT1M1.5S</tt:DelayTime><tt:IdleState>open</tt:IdleState>"
    presets: dict[str, str] = field(default_factory=dict)
    encoders: dict[str, etree._Element] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._validator = Validator(load_contract())

    def __getattr__(self, name: str) -> Callable[[etree._Element], str]:
        """Answer whatever only has to be taken note of with an empty response."""
        prefix = {"Move": "timg", "SetImagingSettings": "timg"} | dict.fromkeys(
            ("AbsoluteMove", "RelativeMove", "ContinuousMove", "GotoPreset", "GotoHomePosition", "SetHomePosition"),
            "tptz",
        )
        prefix |= {"SetRelayOutputState": "tds", "SetDigitalInputConfigurations": "tmd"}
        if name.removeprefix("_") not in prefix or not name.startswith("_"):
            raise AttributeError(name)
        return lambda asked: self._taken(asked) and f"<{prefix[name[1:]]}:{name[1:]}Response/>"

    def _taken(self, asked: etree._Element) -> bool:
        errors = self._validator.errors(asked)
        assert errors == [], etree.tostring(asked)
        self.requests[etree.QName(asked).localname] = asked
        return True

    def markup(self, node: etree._Element) -> str:
        return etree.tostring(node, encoding="unicode")

    def text_of(self, operation: str, path: str) -> str | None:
        return self.requests[operation].findtext(path)

    def _GetProfiles(self, asked: etree._Element) -> str:
        """Every profile has an encoder of its own, and the head."""
        answer = super()._GetProfiles(asked)
        for token, *_ in self.profiles:
            answer = answer.replace('token="e"', f'token="e_{token}"', 1)
        two = etree.QName(asked).namespace == SPACES["tr2"]
        head = '<{} token="p"><tt:NodeToken>head</tt:NodeToken></{}>'.format(
            *["tr2:PTZ" if two else "tt:PTZConfiguration"] * 2
        )
        end = "</tr2:Configurations>" if two else "</trt:Profiles>"
        return answer.replace(end, head + end)

    def _GetVideoEncoderConfigurations(self, asked: etree._Element) -> str:
        self._taken(asked)
        found = etree.tostring(self._encoder(asked, _ENCODER2), encoding="unicode")
        return f"<tr2:GetVideoEncoderConfigurationsResponse>{found}</tr2:GetVideoEncoderConfigurationsResponse>"

    def _GetVideoEncoderConfiguration(self, asked: etree._Element) -> str:
        self._taken(asked)
        found = etree.tostring(self._encoder(asked, _ENCODER1), encoding="unicode")
        return f"<trt:GetVideoEncoderConfigurationResponse>{found}</trt:GetVideoEncoderConfigurationResponse>"

    def _encoder(self, asked: etree._Element, new: str) -> etree._Element:
        token = asked.findtext("{*}ConfigurationToken") or ""
        return self.encoders.setdefault(token, etree.fromstring(new.format(token)))

    def _SetVideoEncoderConfiguration(self, asked: etree._Element) -> str:
        self._taken(asked)
        [configuration] = asked.iterfind("{*}Configuration")
        token = configuration.get("token", "")
        if int(configuration.findtext("{*}RateControl/{*}BitrateLimit") or 0) > 8192:
            raise FaultError("Sender", "ter:InvalidArgVal", "ter:ConfigModify", reason="Too much")
        configuration.tag = self.encoders[token].tag
        self.encoders[token] = configuration
        prefix = "tr2" if etree.QName(asked).namespace == SPACES["tr2"] else "trt"
        return f"<{prefix}:SetVideoEncoderConfigurationResponse/>"

    def _GetVideoEncoderConfigurationOptions(self, asked: etree._Element) -> str:
        self._taken(asked)
        two = etree.QName(asked).namespace == SPACES["tr2"]
        options = "".join(_OPTIONS2.format(codec) for codec in ("H264", "H265")) if two else _OPTIONS1
        name = f"{'tr2' if two else 'trt'}:GetVideoEncoderConfigurationOptionsResponse"
        return f"<{name}>{options}</{name}>"

    def _GetImagingSettings(self, asked: etree._Element) -> str:
        self._taken(asked)
        settings = f"<timg:ImagingSettings>{self.imaging}</timg:ImagingSettings>"
        return f"<timg:GetImagingSettingsResponse>{settings}</timg:GetImagingSettingsResponse>"

    def _GetOptions(self, asked: etree._Element) -> str:
        self._taken(asked)
        return f"<timg:GetOptionsResponse>{_IMAGING_OPTIONS}</timg:GetOptionsResponse>"

    def _GetMoveOptions(self, asked: etree._Element) -> str:
        self._taken(asked)
        return f"<timg:GetMoveOptionsResponse>{_MOVE_OPTIONS}</timg:GetMoveOptionsResponse>"

    def _Stop(self, asked: etree._Element) -> str:
        self._taken(asked)
        return "<timg:StopResponse/>"

    def _GetStatus(self, asked: etree._Element) -> str:
        self._taken(asked)
        if etree.QName(asked).namespace == SPACES["timg"]:
            found = "<tt:Position>4.5</tt:Position><tt:MoveStatus>MOVING</tt:MoveStatus>"
            status = f"<timg:Status><tt:FocusStatus20>{found}</tt:FocusStatus20></timg:Status>"
            return f"<timg:GetStatusResponse>{status}</timg:GetStatusResponse>"
        return (
            '<tptz:GetStatusResponse><tptz:PTZStatus><tt:Position><tt:PanTilt x="0.25" y="-0.5"/><tt:Zoom x="1"/>'
            "</tt:Position><tt:MoveStatus><tt:PanTilt>MOVING</tt:PanTilt><tt:Zoom>IDLE</tt:Zoom></tt:MoveStatus>"
            "<tt:UtcTime>2026-11-23T12:00:00Z</tt:UtcTime></tptz:PTZStatus></tptz:GetStatusResponse>"
        )

    def _GetNode(self, asked: etree._Element) -> str:
        self._taken(asked)
        return f"<tptz:GetNodeResponse>{_NODE}</tptz:GetNodeResponse>"

    def _GetPresets(self, asked: etree._Element) -> str:
        self._taken(asked)
        found = "".join(
            f'<tptz:Preset token="{token}"><tt:Name>{escape(name)}</tt:Name></tptz:Preset>'
            for token, name in self.presets.items()
        )
        return f"<tptz:GetPresetsResponse>{found}</tptz:GetPresetsResponse>"

    def _SetPreset(self, asked: etree._Element) -> str:
        self._taken(asked)
        if len(self.presets) == 2:
            raise FaultError("Receiver", "ter:Action", "ter:TooManyPresets", reason="Full", status=500)
        token = asked.findtext("{*}PresetToken") or str(len(self.presets) + 1)
        self.presets[token] = asked.findtext("{*}PresetName") or token
        return f"<tptz:SetPresetResponse><tptz:PresetToken>{token}</tptz:PresetToken></tptz:SetPresetResponse>"

    def _RemovePreset(self, asked: etree._Element) -> str:
        self._taken(asked)
        if self.presets.pop(asked.findtext("{*}PresetToken") or "", None) is None:
            raise FaultError("Sender", "ter:InvalidArgVal", "ter:NoToken", reason="Which?")
        return "<tptz:RemovePresetResponse/>"

    def _SendAuxiliaryCommand(self, asked: etree._Element) -> str:
        self._taken(asked)
        answer = "<tptz:AuxiliaryResponse>done</tptz:AuxiliaryResponse>"
        return f"<tptz:SendAuxiliaryCommandResponse>{answer}</tptz:SendAuxiliaryCommandResponse>"

    def _GetRelayOutputs(self, asked: etree._Element) -> str:
        self._taken(asked)
        found = f'<tds:RelayOutputs token="r1"><tt:Properties>{self.relay}</tt:Properties></tds:RelayOutputs>'
        return f"<tds:GetRelayOutputsResponse>{found}</tds:GetRelayOutputsResponse>"

    def _GetRelayOutputOptions(self, asked: etree._Element) -> str:
        self._taken(asked)
        found = (
            '<tmd:RelayOutputOptions token="r1"><tmd:Mode>Monostable</tmd:Mode><tmd:DelayTimes>0.5 60</tmd:DelayTimes>'
        )
        return (
            f"<tmd:GetRelayOutputOptionsResponse>{found}</tmd:RelayOutputOptions></tmd:GetRelayOutputOptionsResponse>"
        )

    def _SetRelayOutputSettings(self, asked: etree._Element) -> str:
        self._taken(asked)
        prefix = "tmd" if etree.QName(asked).namespace == SPACES["tmd"] else "tds"
        return f"<{prefix}:SetRelayOutputSettingsResponse/>"

    def _GetDigitalInputs(self, asked: etree._Element) -> str:
        self._taken(asked)
        found = '<tmd:DigitalInputs token="i1" IdleState="open"/><tmd:DigitalInputs token="i2"/>'
        return f"<tmd:GetDigitalInputsResponse>{found}</tmd:GetDigitalInputsResponse>"
