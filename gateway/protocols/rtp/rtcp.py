"""RTCP: sender and receiver reports, source descriptions and BYE, parse and serialise (RFC 3550 §6)."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.protocols.rtp.packet import VERSION, Buffer

SENDER_REPORT: Final = 200
RECEIVER_REPORT: Final = 201
SOURCE_DESCRIPTION: Final = 202
BYE: Final = 203

_CNAME: Final = 1
_MAX_REPORTS: Final = 31
_HEADER = struct.Struct("!BBH")
_SENDER = struct.Struct("!IQIII")
_REPORT = struct.Struct("!IIIIII")


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver saw of one source (RFC 3550 §6.4.1)."""

    ssrc: int
    fraction_lost: int
    """Packets lost since the last report, in 1/256."""
    total_lost: int
    """Packets lost in all; negative when more came than were sent (24 bits, signed)."""
    highest_sequence: int
    """Extended highest sequence number."""
    jitter: int
    """In units of the timestamp."""
    last_report: int = 0
    """Middle 32 bits of the last sender report's NTP time; 0 before one came."""
    delay: int = 0
    """Since that report, in 1/65536 s."""


@dataclass(frozen=True, slots=True)
class SenderReport:
    """What a source sent, and which NTP time one of its timestamps is."""

    ssrc: int
    ntp: int
    """64-bit NTP timestamp."""
    rtp_time: int
    """32-bit timestamp of the same moment."""
    packets: int
    octets: int
    reports: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """What a receiver saw of its sources."""

    ssrc: int
    reports: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """The canonical name of a source; other items are left out."""

    ssrc: int
    cname: str


@dataclass(frozen=True, slots=True)
class Bye:
    """These sources have ended."""

    ssrcs: tuple[int, ...]


RtcpPacket = SenderReport | ReceiverReport | SourceDescription | Bye


def parse(data: Buffer) -> Iterator[RtcpPacket]:
    """Yield the known packets of a compound; malformed and unknown ones are left out."""
    view = memoryview(data)
    while len(view) >= _HEADER.size:
        first, kind, words = _HEADER.unpack_from(view)
        size = 4 + 4 * words
        if first >> 6 != VERSION or size > len(view):
            return
        packet = _parse_one(kind, first & 0x1F, view[4:size])
        if packet is not None:
            yield packet
        view = view[size:]


def _parse_one(kind: int, count: int, body: memoryview) -> RtcpPacket | None:
    if kind == SENDER_REPORT and len(body) >= _SENDER.size:
        ssrc, ntp, rtp_time, packets, octets = _SENDER.unpack_from(body)
        return SenderReport(ssrc, ntp, rtp_time, packets, octets, _reports(body[_SENDER.size :], count))
    if kind == RECEIVER_REPORT and len(body) >= 4:  # noqa: PLR2004 - an SSRC
        return ReceiverReport(int.from_bytes(body[:4], "big"), _reports(body[4:], count))
    if kind == SOURCE_DESCRIPTION and count:
        return _source_description(body)
    if kind == BYE:
        return Bye(struct.unpack_from(f"!{min(count, len(body) // 4)}I", body))
    return None


def _reports(body: memoryview, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for index in range(min(count, len(body) // _REPORT.size)):
        ssrc, lost, highest, jitter, last, delay = _REPORT.unpack_from(body, index * _REPORT.size)
        total = (lost & 0xFFFFFF ^ 0x800000) - 0x800000
        blocks.append(ReportBlock(ssrc, lost >> 24, total, highest, jitter, last, delay))
    return tuple(blocks)


def _source_description(body: memoryview) -> SourceDescription | None:
    if len(body) < 6 or body[4] != _CNAME or len(body) < 6 + body[5]:  # noqa: PLR2004 - SSRC, type, length
        return None
    return SourceDescription(int.from_bytes(body[:4], "big"), bytes(body[6 : 6 + body[5]]).decode("utf-8", "replace"))


def serialize(packets: Sequence[RtcpPacket]) -> bytes:
    """Write a compound packet; by RFC 3550 §6.1 a report comes first and a source description follows."""
    return b"".join(map(_serialize_one, packets))


def _serialize_one(packet: RtcpPacket) -> bytes:
    match packet:
        case SenderReport(ssrc, ntp, rtp_time, count, octets, reports):
            head = _SENDER.pack(ssrc, ntp, rtp_time & 0xFFFFFFFF, count & 0xFFFFFFFF, octets & 0xFFFFFFFF)
            return _packet(SENDER_REPORT, len(reports), head + _report_bytes(reports))
        case ReceiverReport(ssrc, reports):
            return _packet(RECEIVER_REPORT, len(reports), struct.pack("!I", ssrc) + _report_bytes(reports))
        case SourceDescription(ssrc, cname):
            name = cname.encode()[:255]
            body = struct.pack("!IBB", ssrc, _CNAME, len(name)) + name
            return _packet(SOURCE_DESCRIPTION, 1, body + bytes(4 - len(body) % 4))
        case Bye(ssrcs):
            return _packet(BYE, len(ssrcs), struct.pack(f"!{len(ssrcs)}I", *ssrcs))


def _report_bytes(reports: Sequence[ReportBlock]) -> bytes:
    return b"".join(
        _REPORT.pack(
            report.ssrc,
            report.fraction_lost << 24 | report.total_lost & 0xFFFFFF,
            report.highest_sequence & 0xFFFFFFFF,
            report.jitter & 0xFFFFFFFF,
            report.last_report,
            report.delay & 0xFFFFFFFF,
        )
        for report in reports[:_MAX_REPORTS]
    )


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(VERSION << 6 | count, kind, len(body) // 4) + body
