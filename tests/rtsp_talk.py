"""A camera behind the RTSP server that keeps what is said to it."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from rtsp_peers import PATH, House, house

from gateway.domain.access import Account, Secret, UserLevel
from gateway.domain.media import MediaKind, TrackDescription
from gateway.protocols.rtp import rtcp
from gateway.protocols.rtp.packet import RtpPacket, serialize

TAG = "www.onvif.org/ver20/backchannel"
PCMU = TrackDescription(MediaKind.AUDIO, "PCMU", 0, 8000)
AAC = TrackDescription(MediaKind.AUDIO, "MPEG4-GENERIC", 97, 16_000, fmtp="streamtype=5;mode=AAC-hbr;config=1408")


@dataclass
class Talk:
    """Keeps what a client said."""

    account: str
    address: str
    said: list[tuple[str, bytes]] = field(default_factory=list)
    closed: int = 0

    def deliver(self, track: TrackDescription, packet: bytes) -> bool:
        self.said.append((track.encoding, packet))
        return True

    def close(self) -> None:
        self.closed += 1


@dataclass
class Talks:
    """A camera that can be talked to."""

    busy: str = ""
    taken: tuple[TrackDescription, ...] = (PCMU, AAC)
    opened: list[Talk] = field(default_factory=list)

    def tracks(self, path: str) -> tuple[TrackDescription, ...]:
        return self.taken if path == PATH else ()

    def talker(self, path: str) -> str:
        return self.busy

    def open(self, path: str, account: str, address: str) -> Talk:
        assert path == PATH
        self.opened.append(Talk(account, address))
        return self.opened[-1]


@dataclass
class Door:
    """Lets everybody in as one account."""

    level: UserLevel = UserLevel.OPERATOR

    def admit(self, address: str, method: str, authorization: str | None, uri: str = "") -> Account:
        return Account("anna", self.level, Secret("secret"))


def yard(talks: Talks, level: UserLevel = UserLevel.OPERATOR) -> AbstractContextManager[House]:
    return house(talks=talks, door=Door(level))


def packet(payload_type: int = 0, payload: bytes = b"\x7f" * 160, number: int = 1) -> bytes:
    return serialize(RtpPacket(payload_type, number, number * 160, 0xABCD, marker=False, payload=payload))


BYE = rtcp.serialize((rtcp.ReceiverReport(0xABCD), rtcp.Bye((0xABCD,))))
REPORT = rtcp.serialize((rtcp.ReceiverReport(0xABCD),))
