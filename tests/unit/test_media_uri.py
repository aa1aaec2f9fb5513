"""Every spelling of a transport, and the URIs that follow the address a client used."""

from dataclasses import replace

import pytest
from media_samples import CONTEXT

from gateway.onvif.media_uri import Transport, media1_transport, media2_transport, snapshot_uri, stream_uri


@pytest.mark.parametrize(
    ("stream", "protocol", "transport"),
    [
        ("RTP-Unicast", "UDP", Transport.RTSP),
        ("RTP-Unicast", "RTSP", Transport.RTSP),
        ("RTP-Unicast", "HTTP", Transport.HTTP),
        ("RTP_unicast", "RTSP", Transport.RTSP),
        ("RTP-multicast", "UDP", Transport.MULTICAST),
        ("RTP-Multicast", "RTSP", Transport.MULTICAST),
        ("RTP-Multicast", "HTTP", None),
        ("RTP-Unicast", "TCP", None),
        ("", "", None),
    ],
)
def test_media1_transports(stream: str, protocol: str, transport: Transport | None) -> None:
    assert media1_transport({"Stream": stream, "Transport": {"Protocol": protocol}}) is transport
    assert media1_transport({}) is None


@pytest.mark.parametrize(
    ("protocol", "transport"),
    [
        ("RtspUnicast", Transport.RTSP),
        ("RTSP", Transport.RTSP),
        ("RtspMulticast", Transport.MULTICAST),
        ("RtspOverHttp", Transport.HTTP),
        ("RtspsUnicast", Transport.RTSPS),
        ("rtspunicast", Transport.RTSP),
        ("RtspsMulticast", None),
        ("Smoke", None),
    ],
)
def test_media2_transports(protocol: str, transport: Transport | None) -> None:
    assert media2_transport(protocol) is transport


@pytest.mark.parametrize(
    ("transport", "uri"),
    [
        (Transport.RTSP, "rtsp://nvr.example:8554/live/yard/main"),
        (Transport.MULTICAST, "rtsp://nvr.example:8554/live/yard/main?multicast"),
        (Transport.HTTP, "http://nvr.example:8080/live/yard/main"),
        (Transport.RTSPS, "rtsps://nvr.example:322/live/yard/main"),
    ],
)
def test_uris_follow_the_address_that_the_client_used(transport: Transport, uri: str) -> None:
    assert stream_uri(transport, "/live/yard/main", CONTEXT, 322) == uri


def test_an_ipv6_host_keeps_its_brackets() -> None:
    context = replace(CONTEXT, host="[2001:db8::1]", base="http://[2001:db8::1]:8080")
    assert stream_uri(Transport.RTSPS, "/live/yard/sub", context, 322) == "rtsps://[2001:db8::1]:322/live/yard/sub"


def test_a_snapshot_stands_beside_its_stream() -> None:
    assert snapshot_uri("/live/yard/sub", CONTEXT) == "http://nvr.example:8080/snapshot/yard/sub"
