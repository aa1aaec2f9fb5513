"""Where streams and snapshots are: URIs built from the address that the client itself used."""

from enum import StrEnum
from typing import Any

from gateway.onvif.context import Context


class Transport(StrEnum):
    """How a client wants a stream."""

    RTSP = "rtsp"
    """RTP over UDP unicast or interleaved: the client decides in SETUP."""
    MULTICAST = "multicast"
    """The query tells the RTSP server to name the groups in its SDP, before the client could ask in SETUP."""
    HTTP = "http"
    """Tunnelled, on the port of the web service."""
    RTSPS = "rtsps"


_MEDIA1 = {
    ("rtp-unicast", "udp"): Transport.RTSP,
    ("rtp-unicast", "rtsp"): Transport.RTSP,
    ("rtp-unicast", "http"): Transport.HTTP,
    ("rtp-multicast", "udp"): Transport.MULTICAST,
    ("rtp-multicast", "rtsp"): Transport.MULTICAST,
}
_MEDIA2 = {
    "rtspunicast": Transport.RTSP,
    "rtsp": Transport.RTSP,
    "rtspmulticast": Transport.MULTICAST,
    "rtspoverhttp": Transport.HTTP,
    "rtspsunicast": Transport.RTSPS,
}


def media1_transport(setup: dict[str, Any]) -> Transport | None:
    """Return what a `tt:StreamSetup` means, or None. ZoneMinder spells its stream `RTP_unicast`."""
    stream = str(setup.get("Stream", "")).lower().replace("_", "-")
    protocol = str(setup.get("Transport", {}).get("Protocol", "")).lower()
    return _MEDIA1.get((stream, protocol))


def media2_transport(protocol: str) -> Transport | None:
    """Return what a Protocol of Media2's GetStreamUri means (`tr2:TransportProtocol`), or None."""
    return _MEDIA2.get(protocol.strip().lower())


def stream_uri(transport: Transport, path: str, context: Context, rtsps_port: int | None) -> str:
    """Return the URI of an RTSP path. `rtsps_port` must be known for RTSPS."""
    if transport is Transport.HTTP:
        return f"{context.base}{path}"
    if transport is Transport.RTSPS:
        return f"rtsps://{context.host}:{rtsps_port}{path}"
    group = "?multicast" if transport is Transport.MULTICAST else ""
    return f"{context.rtsp}{path}{group}"


def snapshot_uri(path: str, context: Context) -> str:
    """Return the URI of the JPEG of a live RTSP path: `/live/ID/main` becomes `/snapshot/ID/main`."""
    return f"{context.base}/snapshot{path.removeprefix('/live')}"
