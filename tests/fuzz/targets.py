"""The fuzz targets: each feeds bytes to one parser as its server does, and checks what must hold for any input."""

import asyncio
import atexit
import contextlib
import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from fuzz.engine import CORPUS, Target
from lxml import etree

from gateway.config import load, settings_for
from gateway.domain.access import Secret
from gateway.domain.broker import BrokerAddress
from gateway.domain.errors import GatewayError
from gateway.domain.event import Event, TopicDescription
from gateway.domain.media import AccessUnit, MediaKind, StreamDescription, TrackDescription
from gateway.onvif.codec import Codec, DecodeError
from gateway.onvif.contract import load_contract
from gateway.onvif.events_brokers import BrokerEvents, read_broker
from gateway.onvif.events_content import parse_content_filter
from gateway.onvif.events_faults import EventFaults
from gateway.onvif.events_filter import FilterReader
from gateway.onvif.events_topics import CONCRETE, CONCRETE_SET, parse_topics
from gateway.onvif.faults import SoapFault
from gateway.protocols import discovery, http_auth, sdp, websocket
from gateway.protocols.discovery_target import Responder
from gateway.protocols.mp4.join import MoviePlan, SourceRange
from gateway.protocols.mp4.reader import SegmentHeader, read_fragment, read_header
from gateway.protocols.mp4.runs import head_size
from gateway.protocols.mp4.scan import Scanner
from gateway.protocols.rtp import block, jpeg_file, packet, parameter_sets, rtcp
from gateway.protocols.rtp.assembler import Assembler
from gateway.protocols.rtp.depacketize import depacketizer
from gateway.protocols.rtp.interleaved import InterleavedStream
from gateway.protocols.rtp.timeline import CameraClock, Timeline
from gateway.protocols.rtsp import headers, messages, parser, ranges, transport, tunnel, url
from gateway.protocols.search_filter import parse_search_filter
from gateway.protocols.soap import envelope, wsse
from gateway.sdk.driver import CameraDriver, MediaSink
from gateway.services.eventbus import EventBus
from gateway.testing.clock import FakeClock
from gateway.testing.soap import SoapBench
from gateway_extension.service import GatewayService
from gateway_sia_dc09 import frame as alarm

PASSWORD = Secret("secret")
ALARM_KEY = b"k" * 16
LOSS = Event.of("tns1:VideoSource/SignalLoss", {"Source": "a+b#c"}, {"State": True})
TRACKS = (
    TrackDescription(MediaKind.VIDEO, "H264", 96, 90_000),
    TrackDescription(MediaKind.VIDEO, "H265", 97, 90_000),
    TrackDescription(MediaKind.VIDEO, "JPEG", 26, 90_000),
    TrackDescription(
        MediaKind.AUDIO, "MPEG4-GENERIC", 98, 48_000, fmtp="mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3"
    ),
    TrackDescription(MediaKind.AUDIO, "MP4A-LATM", 99, 48_000),
    TrackDescription(MediaKind.AUDIO, "PCMU", 0, 8_000),
    TrackDescription(MediaKind.APPLICATION, "VND.ONVIF.METADATA", 107, 90_000),
)


def _rtsp_events(pieces: Iterator[bytes]) -> list[parser.Event]:
    reader, events = parser.Parser(), []
    for piece in pieces:
        reader.feed(piece)
        while (event := reader.next_event()) is not None:
            events.append(event)
    return events


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def rtsp_stream(data: bytes) -> None:
    """Messages and interleaved frames: the same whether they come whole or in small pieces, and they go round."""
    whole = _rtsp_events(iter((data,)))
    assert _rtsp_events(_pieces(data, 7)) == whole
    for event in whole:
        if isinstance(event, parser.InterleavedFrame):
            assert _rtsp_events(iter((parser.serialize_frame(event),))) == [event]
        else:
            (again,) = _rtsp_events(iter((messages.serialize(event),)))
            assert not isinstance(again, parser.InterleavedFrame)
            assert again.body == event.body


def rtsp_headers(data: bytes) -> None:
    """Every header that has a parser of its own, and URLs; the first byte says which."""
    text = data[1:].decode("utf-8", "replace")
    match data[:1]:
        case b"T":
            for offered in transport.parse(text):
                transport.serialize(offered)
        case b"S":
            headers.parse_session(text)
        case b"I":
            headers.serialize_rtp_info(headers.parse_rtp_info(text))
        case b"C":
            headers.parse_scale(text)
        case b"R":
            ranges.parse(text)
        case b"U":
            url.parse(text)


def rtsp_tunnel(data: bytes) -> None:
    """The base64 upstream of RTSP over HTTP, in pieces."""
    decoder = tunnel.Decoder()
    for piece in _pieces(data, 11):
        decoder.feed(piece)


def rtp_interleaved(data: bytes) -> None:
    """What a camera sends over TCP, through to the payload; the first byte chooses the codecs and the pieces."""
    first = data[0] if data else 0
    messages_of_camera: list[bytes] = []
    now = 1_700_000_000_000_000_000
    stream = InterleavedStream(messages_of_camera.append, lambda: now)
    units: list[AccessUnit] = []
    clock = CameraClock()
    for index in range(2):
        track = TRACKS[(first + index) % len(TRACKS)]
        assembler = Assembler(index, track, stream.buffer, Timeline(track.clock_rate, clock), units.append)
        stream.receivers[2 * index] = assembler.take
        stream.holders.append(assembler)
    for piece in _pieces(data[1:], 16 + 61 * (first >> 4)):
        room = stream.room()
        room[: len(piece)] = piece
        now += 1_000_000
        stream.received(len(piece))
    for unit in units:
        assert unit.packets.offsets[-1] < len(unit.packets.data)
        unit.payload()


def rtp_depacketize(data: bytes) -> None:
    """One access unit of packets with any content; the first byte chooses the codec."""
    if not data:
        return
    track = TRACKS[data[0] % len(TRACKS)]
    packets, at = [], 1
    while at < len(data):
        size = data[at] << 1 & 0x1FF
        packets.append(data[at + 1 : at + 1 + size])
        at += 1 + size
    for one in packets:
        packet.parse(one)
    whole = [one for one in packets if len(one) >= 12 and one[0] >> 6 == 2]
    if not whole:
        return  # the assembler lets nothing else into a unit, and makes none without a packet
    unit = block.frame(whole, 0)
    take = depacketizer(track)
    take.is_key(unit)
    total = sum(len(part) for part in take(unit))
    assert total <= 100 * len(data) + 2000


def rtcp_compound(data: bytes) -> None:
    """A compound packet; what is understood can be written."""
    rtcp.serialize(list(rtcp.parse(data)))


def parameter_set(data: bytes) -> None:
    """Parameter sets of both codecs, as NAL units and inside an fmtp."""
    for encoding in ("H264", "H265"):
        parameter_sets.video_parameters(encoding, (data,) if data else ())
        units = parameter_sets.from_fmtp(encoding, data.decode("utf-8", "replace"))
        parameter_sets.video_parameters(encoding, units)
        parameter_sets.to_fmtp(encoding, units)


def jpeg(data: bytes) -> None:
    """A JPEG file that is to be sent by RTP."""
    jpeg_file.serialize(jpeg_file.parse(data))


def session_description(data: bytes) -> None:
    """The SDP of a camera; what was understood of it can be offered to a viewer."""
    described = sdp.parse(data)
    tracks = tuple(
        TrackDescription(
            media.kind, media.encoding, media.payload_type, media.clock_rate, media.channels, fmtp=media.fmtp
        )
        for media in described.medias
    )
    again = sdp.parse(sdp.serialize(StreamDescription(tracks), session_name="fuzz"))
    assert len(again.medias) == len(tracks)


@cache
def _codec() -> Codec:
    return Codec(load_contract())


def soap(data: bytes) -> None:
    """A SOAP request: envelope, credentials, and the operation by the contract's schema."""
    request = envelope.parse(data)
    token = wsse.find_token(request.security)
    if token is not None:
        wsse.TokenVerifier(allow_text=True).verify(token, PASSWORD, 1_700_000_000.0)
    with contextlib.suppress(KeyError):  # no operation of the contract: answered before anything is decoded
        _codec().decode(request.body)


@cache
def _vendor() -> SoapBench:
    return SoapBench(GatewayService())


def vendor_soap(data: bytes) -> None:
    """A request to a plug-in's SOAP service: by the schema of its types, and into their values."""
    request = envelope.parse(data).body
    with contextlib.suppress(KeyError):  # no operation of the service
        asyncio.run(_vendor().call(etree.tostring(request, with_tail=False).decode()))


@cache
def _broker_events() -> tuple[FilterReader, BrokerEvents]:
    bus = EventBus(FakeClock())
    bus.declare(TopicDescription(LOSS.topic, (("Source", "tt:ReferenceToken"),), (("State", "xs:boolean"),)))
    return FilterReader(bus.topics, _codec().prefixes, EventFaults(_codec())), BrokerEvents(bus, _codec())


def event_broker(data: bytes) -> None:
    """An AddEventBroker request: what is taken of it can be kept, read again and published under."""
    plain: dict[str, Any] = {}
    with contextlib.suppress(KeyError):
        plain = _codec().decode(envelope.parse(data).body)
    broker = plain.get("EventBroker")
    if not isinstance(broker, dict):
        return
    filters, form = _broker_events()
    filters.wants({"Filter": broker.get("PublishFilter", {})}, datetime.fromtimestamp(0, UTC))
    config = read_broker(broker)
    BrokerAddress.parse(config.address)
    try:
        form.wants(config)(LOSS)
    except GatewayError as error:
        raise AssertionError(f"a filter that was taken can't be read again: {error}") from error
    sent = form.publication(config, LOSS)
    assert not set("+#\0") & set(sent.topic)
    assert sent.topic.endswith("/onvif-ej/VideoSource/SignalLoss/&abc")
    assert json.loads(sent.payload)["Data"] == {"State": True}


INFORMATION = {
    "RecordingToken": "Recording_yard",
    "Source": {"SourceId": "VideoSource_yard", "Name": "Yard", "Location": "Basement", "Description": "north"},
    "Track": [{"TrackToken": name, "TrackType": kind} for name, kind in (("VIDEO001", "Video"), ("AUDIO001", "Audio"))],
    "RecordingStatus": "Recording",
    "EarliestRecording": datetime(2026, 1, 31, 12, tzinfo=UTC),
}
EVENTS = (
    Event("tns1:VideoSource/MotionAlarm", (("Source", "VideoSource_yard"),), (("State", "true"),)),
    Event("tns1:RecordingConfig/JobState", elements=(("Information", {}),)),
)


def recording_filter(data: bytes) -> None:
    """A RecordingInformationFilter, and what it says of a recording."""
    parse_search_filter(data.decode("utf-8", "replace")).matches(INFORMATION)


def event_content_filter(data: bytes) -> None:
    """An ItemFilter, and what it says of events: the negation says the opposite."""
    text = data.decode("utf-8", "replace")
    content = parse_content_filter(text)
    for event in EVENTS:
        passes = content.passes(event)
        with contextlib.suppress(ValueError):  # it nests deeper by one
            assert parse_content_filter(f"not({text})").passes(event) is not passes


def topic_expression(data: bytes) -> None:
    """A TopicExpression of either dialect; the first byte says which."""
    node = etree.Element("TopicExpression", nsmap={"mine": "http://www.onvif.org/ver10/topics"})
    node.set("Dialect", CONCRETE if data[:1] == b"C" else CONCRETE_SET)
    text = data[1:].decode("utf-8", "replace")
    with contextlib.suppress(ValueError):  # XML can't hold it
        node.text = text
    takes = parse_topics(node, _codec().prefixes)
    assert not takes("")
    for event in EVENTS:
        takes(event.topic)


def digest_server(data: bytes) -> None:
    """An Authorization header."""
    server = http_auth.DigestServer("realm", b"key")
    text = data.decode("utf-8", "surrogateescape")
    verdict = server.verify(text, "DESCRIBE", lambda name: PASSWORD if name == "admin" else None, 1000.0)
    assert verdict.outcome is not http_auth.Outcome.ACCEPTED


def digest_client(data: bytes) -> None:
    """The WWW-Authenticate headers of a camera, one a line."""
    client = http_auth.DigestClient("admin", PASSWORD, os.urandom)
    values = data.decode("utf-8", "surrogateescape").splitlines()
    if client.challenged(values):
        answer = client.authorization("DESCRIBE", "rtsp://camera/stream")
        assert answer is not None
        assert len(answer.splitlines()) == 1


def discovery_datagram(data: bytes) -> None:
    """A datagram: refused by name or parsed, and never too much for the responder."""
    identity = "4d3a8f6e-1f0a-4a4b-9c2e-001122334455"
    responder = Responder(identity, discovery.ONVIF_TYPES, lambda: (discovery.scope("name", "x"),), 1)
    for multicast in (True, False):
        responder.respond(data, "192.0.2.1" if multicast else "fe80::1", ("http://h/",), 0.0, multicast=multicast)
    message = discovery.parse(data)
    with contextlib.suppress(ValueError):  # a namespace that is no URI can be read and not written
        again = discovery.parse(discovery.serialize(message))
        assert dataclasses.replace(again, body=message.body) == message


@dataclasses.dataclass(frozen=True)
class _Settings:
    """A driver's settings of every kind."""

    url: str
    password: Secret | None = None
    rate: float = 25.0
    transport: Literal["tcp", "udp"] = "tcp"
    ports: tuple[int, ...] = ()


class _Driver(CameraDriver):
    Settings: ClassVar[type[_Settings]] = _Settings

    def profiles(self) -> tuple[str, ...]:
        return ("main",)

    async def stream(self, profile: str, sink: MediaSink) -> None:
        """Deliver nothing."""


def configuration(data: bytes) -> None:
    """A configuration file, with the settings of its cameras."""
    path = _folder() / "gateway.toml"
    path.write_bytes(data)
    for camera in load(path).cameras:
        settings_for(_Driver, camera.settings, "camera.settings", base=path.parent, environment={"A": "b"})


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="gateway-fuzz-"))
    atexit.register(shutil.rmtree, folder)
    return folder


def alarm_frame(data: bytes) -> None:
    """A receiver's answer, whose length and CRC are right, reads the same when it is written again."""
    raw = b"\n%04X%04X%s\r" % (alarm.crc(data), len(data) & 0xFFFF, data)
    found = alarm.parse(raw, ALARM_KEY)
    assert alarm.parse(alarm.pack(found, ALARM_KEY, "0" * alarm.PADDING), ALARM_KEY) == found


def websocket_frames(data: bytes) -> None:
    """A client's frames: the same whether they come whole or in small pieces."""
    assert _websocket_frames(iter((data,))) == _websocket_frames(_pieces(data, 5))


def _websocket_frames(pieces: Iterator[bytes]) -> list[websocket.Frame]:
    reader, frames = websocket.Parser(), []
    for piece in pieces:
        reader.feed(piece)
        while (frame := reader.next_frame()) is not None:
            frames.append(frame)
    return frames


def mp4_segment(data: bytes) -> None:
    """A segment file: what the scanner finds whole is where it says, and all of it goes into a movie or is refused."""
    scanner = Scanner(lambda offset, size: data[offset : offset + size])
    plan = MoviePlan(0, 1 << 62)
    assert plan.segment(0, data[: scanner.header.size])
    end = scanner.header.size
    for found in scanner.fragments():
        assert found.offset == end
        end += found.size
        fragment = data[found.offset : end]
        plan.fragment(found.offset, fragment[: head_size(fragment)])
        with contextlib.suppress(GatewayError):  # payload is looked at here for the first time
            assert sum(len(part) for one in read_fragment(fragment, scanner.header) for part in one.payload) < len(data)
    assert end <= scanner.valid_end <= len(data)
    movie = plan.movie()
    assert movie is None or sum(_length(part) for part in movie.parts(0, movie.size)) == movie.size


def _length(part: bytes | SourceRange) -> int:
    return part.size if isinstance(part, SourceRange) else len(part)


def mp4_fragment(data: bytes) -> None:
    """A fragment of a known file."""
    read_fragment(data, _segment_header())


@cache
def _segment_header() -> SegmentHeader:
    return read_header(min((CORPUS / "mp4_segment").iterdir()).read_bytes())


_XML = (
    b"<!--",
    b"-->",
    b"<![CDATA[",
    b"]]>",
    b"&#0;",
    b"&#x41;",
    b"&lt;",
    b"xmlns:",
    b'=""',
    b"<a/>",
    b"<!DOCTYPE",
    b"xsi:nil",
)
_BROKER = (
    *_XML,
    *(
        b"mqtt://",
        b"wss://",
        b":1883",
        b"[::1]",
        b"$",
        b"+",
        b"#",
        b"tns1:",
        b"//.",
        b"|",
        b"boolean(",
        b"//tt:SimpleItem[",
    ),
)
_RTSP = (
    *(b"OPTIONS ", b"SETUP ", b"RTSP/1.0", b"RTSP/1.0 200 OK", b"\r\n\r\n", b"CSeq: 1", b"Content-Length: ", b"$\0"),
    *(b"rtsp://", b"Session: ", b"Transport: ", b":", b" ", b"\r\n "),
)
_HEADERS = (
    *(
        b"RTP/AVP",
        b"/TCP",
        b";",
        b"=",
        b"-",
        b",",
        b"unicast",
        b"multicast",
        b"interleaved=",
        b"client_port=",
        b"ssrc=",
    ),
    *(b"destination=", b"npt=", b"clock=", b"smpte=", b"now-", b"20240101T000000Z", b"url=", b"seq=", b"rtptime="),
    *(b"timeout=", b"[::1]", b"%zz", b"?", b"#", b"@", b"trackID=", b'"'),
)
_SDP = (
    *(
        b"\r\n",
        b"m=video 0 RTP/AVP 96",
        b"m=audio 0 RTP/AVP 0",
        b"a=rtpmap:96 ",
        b"H264/90000",
        b"a=fmtp:96 ",
        b"a=control:",
    ),
    *(b"a=framerate:", b"a=range:", b"a=x-dimensions:", b"c=IN IP4 ", b"b=AS:", b"/", b":", b"sprop-parameter-sets="),
)
_DIGEST = (
    *(b"Digest ", b"Basic ", b'realm="realm"', b'nonce="', b'"', b"\\", b", ", b"=", b"qop=auth", b"nc=00000001"),
    *(
        b"algorithm=",
        b"SHA-256",
        b"MD5-sess",
        b"SHA-256-sess",
        b"opaque=",
        b"stale=true",
        b'username="admin"',
        b"response=",
    ),
)
_TOML = (
    *(b"[[camera]]\n", b"[camera.settings]\n", b"[http]\n", b"[rtsp]\n", b"listen = ", b'"127.0.0.1:80"', b"id = "),
    *(b"= true", b"= 1", b"= 1e400", b"= nan", b"= []", b"= {}", b'= ""', b'{ env = "A" }', b'{ file = "x" }'),
    *(b"1979-05-27", b"\n"),
)

_BOXES = (
    *(b"moof", b"mdat", b"traf", b"tfhd", b"tfdt", b"trun", b"prft", b"moov", b"trak", b"uuid", b"mfra", b"mfro"),
    *(
        b"\0\0\0\1",
        b"\xff\xff\xff\xff",
        b"\x7f\xff\xff\xff",
        b"\1\0\x0f\1",
        b"\1\0\3\1",
        b"\0\2\0\x20",
        b'"timings":{}',
    ),
)
_FILTER = (
    *(
        b"boolean(",
        b"not(",
        b"contains(",
        b"(",
        b")",
        b"[",
        b"]",
        b"//",
        b"/",
        b"@",
        b"*",
        b".",
        b",",
        b" and ",
        b" or ",
    ),
    *(b"=", b"!=", b"<=", b'"Video"', b"'x'", b"tt:", b"Track", b"TrackType", b"Source", b"SimpleItem", b"ElementItem"),
    *(b"Name=", b"Value=", b'"State"', b",2026-01-31T12:00:00Z,1,2,3,4", "\u201cAudio\u201d".encode()),
)
_TOPICS = (b"tns1:", b"mine:", b"/", b"//.", b"|", b":", b".", b"-", b"VideoSource", b"MotionAlarm", b" ", b"\0")

TARGETS = {
    target.name: target
    for target in (
        Target("rtsp_stream", rtsp_stream, (messages.RtspError,), _RTSP),
        Target("rtsp_headers", rtsp_headers, (messages.RtspError,), _HEADERS),
        Target("rtsp_tunnel", rtsp_tunnel, (messages.RtspError,), (b"=", b"==", b"\r\n", b"AAAA")),
        Target(
            "rtp_interleaved",
            rtp_interleaved,
            (),
            (b"$\0\0\x10\x80\x60", b"$\2\0\x0c\x80\xe0", b"$\1", b"RTSP/1.0 200"),
        ),
        Target(
            "rtp_depacketize",
            rtp_depacketize,
            (),
            (b"\x80\x60", b"\x80\xe0", b"\x90\x60", b"\xa0\x60", b"\x7c\x85", b"\x18"),
        ),
        Target("rtcp_compound", rtcp_compound, (), (b"\x80\xc8\0\6", b"\x81\xc9\0\7", b"\x81\xca", b"\x81\xcb\0\1")),
        Target(
            "parameter_set", parameter_set, (), (b"\x67", b"\x42\1", b"\0\0\3", b"sprop-sps=", b"sprop-parameter-sets=")
        ),
        Target(
            "jpeg", jpeg, (ValueError,), (b"\xff\xd8", b"\xff\xdb", b"\xff\xc0", b"\xff\xda", b"\xff\xd9", b"\xff\xdd")
        ),
        Target("session_description", session_description, (GatewayError,), _SDP),
        Target("soap", soap, (envelope.EnvelopeError, DecodeError), _XML),
        Target("vendor_soap", vendor_soap, (envelope.EnvelopeError, SoapFault), _XML),
        Target("event_broker", event_broker, (envelope.EnvelopeError, DecodeError, SoapFault, GatewayError), _BROKER),
        Target("recording_filter", recording_filter, (ValueError,), _FILTER),
        Target("event_content_filter", event_content_filter, (ValueError,), _FILTER),
        Target("topic_expression", topic_expression, (ValueError,), _TOPICS),
        Target("digest_server", digest_server, (), _DIGEST),
        Target("digest_client", digest_client, (), _DIGEST),
        Target("discovery_datagram", discovery_datagram, (discovery.DiscoveryError,), _XML),
        Target("mp4_segment", mp4_segment, (GatewayError,), _BOXES),
        Target("mp4_fragment", mp4_fragment, (GatewayError,), _BOXES),
        Target(
            "alarm_frame", alarm_frame, (ValueError,), (b'"ACK"', b'"*ACK"', b"R0L0#1234", b"[]", b"][", b"|", b"_")
        ),
        Target("configuration", configuration, (GatewayError,), _TOML),
        Target(
            "websocket_frames", websocket_frames, (GatewayError,), (b"\x82\x80", b"\x82\xfe", b"\x82\xff", b"\x89\x80")
        ),
    )
}
