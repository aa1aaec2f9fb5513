"""ONVIF requests as text and answers as values: what a camera is asked when it is described."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.domain.camera import CameraInfo
from gateway.protocols.soap.answers import Element, text
from gateway.protocols.soap.envelope import escape

DEVICE: Final = "http://www.onvif.org/ver10/device/wsdl"
MEDIA: Final = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2: Final = "http://www.onvif.org/ver20/media/wsdl"
EVENTS: Final = "http://www.onvif.org/ver10/events/wsdl"
IMAGING: Final = "http://www.onvif.org/ver20/imaging/wsdl"
PTZ: Final = "http://www.onvif.org/ver20/ptz/wsdl"
DEVICE_IO: Final = "http://www.onvif.org/ver10/deviceIO/wsdl"
SEARCH: Final = "http://www.onvif.org/ver10/search/wsdl"
REPLAY: Final = "http://www.onvif.org/ver10/replay/wsdl"
ADDRESSING: Final = "http://www.w3.org/2005/08/addressing"
NOTIFICATION: Final = "http://docs.oasis-open.org/wsn/b-2"
SCHEMA: Final = "http://www.onvif.org/ver10/schema"
NAMESPACES: Final = {"tds": DEVICE, "trt": MEDIA, "tr2": MEDIA2, "tev": EVENTS, "tt": SCHEMA} | {
    "wsa": ADDRESSING,
    "wsnt": NOTIFICATION,
    "timg": IMAGING,
    "tptz": PTZ,
    "tmd": DEVICE_IO,
    "tse": SEARCH,
    "trp": REPLAY,
}

GET_TIME: Final = "<tds:GetSystemDateAndTime/>"
GET_SERVICES: Final = "<tds:GetServices><tds:IncludeCapability>false</tds:IncludeCapability></tds:GetServices>"
GET_CAPABILITIES: Final = "<tds:GetCapabilities><tds:Category>All</tds:Category></tds:GetCapabilities>"
GET_INFORMATION: Final = "<tds:GetDeviceInformation/>"
GET_PROFILES: Final = {
    MEDIA: "<trt:GetProfiles/>",
    MEDIA2: "<tr2:GetProfiles><tr2:Type>All</tr2:Type></tr2:GetProfiles>",
}
_PROTOCOLS: Final = {"tcp": ("RTSP", "RTSP"), "udp": ("UDP", "RtspUnicast"), "http": ("HTTP", "RtspOverHttp")}
"""What a transport is called by Media and by Media2."""
_CODECS: Final = {"H264": "H264", "H265": "H265", "JPEG": "JPEG", "MPEG4": "MPV4-ES"}
_LONGEST: Final = 64


@dataclass(frozen=True, slots=True)
class Profile:
    """A media profile of the camera, as far as it matters here."""

    token: str
    name: str
    source: str
    """Token of its video source."""
    encoding: str
    """`H264`, `H265`, `JPEG` or another word of the camera's."""
    width: int
    height: int
    frame_rate: float = 0.0
    bitrate: int = 0
    """Kbit/s."""
    configuration: str = ""
    """Token of its video source configuration."""
    encoder: str = ""
    """Token of its video encoder configuration."""
    ptz: str = ""
    """Token of the PTZ node that it moves; empty for none."""

    def __str__(self) -> str:
        """Return it for messages."""
        return f"{self.token!r} ({self.encoding} {self.width}x{self.height})"


def get_stream_uri(service: str, token: str, transport: str) -> str:
    """Return the request for the address of a profile by `tcp`, `udp` or `http`."""
    of_media, of_media2 = _PROTOCOLS[transport]
    if service == MEDIA2:
        return (
            f"<tr2:GetStreamUri><tr2:Protocol>{of_media2}</tr2:Protocol>"
            f"<tr2:ProfileToken>{escape(token)}</tr2:ProfileToken></tr2:GetStreamUri>"
        )
    return (
        "<trt:GetStreamUri><trt:StreamSetup><tt:Stream>RTP-Unicast</tt:Stream><tt:Transport>"
        f"<tt:Protocol>{of_media}</tt:Protocol></tt:Transport></trt:StreamSetup>"
        f"<trt:ProfileToken>{escape(token)}</trt:ProfileToken></trt:GetStreamUri>"
    )


def utc_seconds(answer: Element) -> float | None:
    """Return the UTC time of a GetSystemDateAndTimeResponse in seconds since the epoch, or None."""
    found = answer.find(".//{*}UTCDateTime")
    if found is None:
        return None
    names = ("Date/{*}Year", "Date/{*}Month", "Date/{*}Day", "Time/{*}Hour", "Time/{*}Minute", "Time/{*}Second")
    try:
        year, month, day, hour, minute, second = (int(text(found, f"{{*}}{name}")) for name in names)
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def services(answer: Element) -> dict[str, str]:
    """Return the addresses of a GetServicesResponse by namespace."""
    found = answer.iterfind("{*}Service")
    return {text(service, "{*}Namespace"): text(service, "{*}XAddr") for service in found}


def capabilities(answer: Element) -> dict[str, str]:
    """Return the addresses of a GetCapabilitiesResponse by namespace."""
    names = (("Device", DEVICE), ("Media", MEDIA), ("Events", EVENTS), ("Imaging", IMAGING), ("PTZ", PTZ))
    found = {namespace: text(answer, f"{{*}}Capabilities/{{*}}{name}/{{*}}XAddr") for name, namespace in names}
    found[DEVICE_IO] = text(answer, "{*}Capabilities/{*}Extension/{*}DeviceIO/{*}XAddr")
    return {namespace: address for namespace, address in found.items() if address}


def information(answer: Element) -> CameraInfo:
    """Return what a GetDeviceInformationResponse says."""
    names = ("Manufacturer", "Model", "FirmwareVersion", "SerialNumber", "HardwareId")
    return CameraInfo(*(text(answer, f"{{*}}{name}")[:_LONGEST] for name in names))


def profiles(answer: Element) -> tuple[Profile, ...]:
    """Return the profiles with video of a GetProfilesResponse of either Media service."""
    found = (_profile(profile) for profile in answer.iterfind("{*}Profiles"))
    return tuple(profile for profile in found if profile is not None)


def _profile(node: Element) -> Profile | None:
    encoder = node.find("{*}Configurations/{*}VideoEncoder")
    source = node.find("{*}Configurations/{*}VideoSource")
    if encoder is None:
        encoder, source = node.find("{*}VideoEncoderConfiguration"), node.find("{*}VideoSourceConfiguration")
    token = node.get("token", "")
    if encoder is None or not token:
        return None
    encoding = text(encoder, "{*}Encoding").upper()
    ptz = node.find("{*}Configurations/{*}PTZ")
    if ptz is None:
        ptz = node.find("{*}PTZConfiguration")
    return Profile(
        token,
        text(node, "{*}Name"),
        text(source, "{*}SourceToken") if source is not None else "",
        next((codec for codec, other in _CODECS.items() if encoding in (codec, other)), encoding),
        int(_number(encoder, "{*}Resolution/{*}Width")),
        int(_number(encoder, "{*}Resolution/{*}Height")),
        _number(encoder, "{*}RateControl/{*}FrameRateLimit"),
        int(_number(encoder, "{*}RateControl/{*}BitrateLimit")),
        source.get("token", "") if source is not None else "",
        encoder.get("token", ""),
        text(ptz, "{*}NodeToken"),
    )


def _number(node: Element, path: str) -> float:
    try:
        value = float(text(node, path))
    except ValueError:
        return 0.0
    return value if 0 <= value < 1e9 else 0.0  # noqa: PLR2004 - neither NaN nor a number that no camera means
