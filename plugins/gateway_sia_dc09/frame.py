"""Frames of ANSI/SIA DC-09 §5.5: bytes to values and back. No I/O, no clock, no chance.

    LF crc 0LLL "token" sequence [Rreceiver] Lline [#account] [data] [extended]… [_timestamp] CR

`crc` and `LLL`, the length, are of what stands from the first quote to before CR. In an encrypted frame the token
begins with an asterisk, and all after the first bracket is the hexadecimal ciphertext (AES-CBC, initial vector zero).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

PADDING = 31
"""Most random characters that an encrypted frame needs."""
LONGEST = 0xFFF
"""Characters that the length can count."""

_BLOCK = 16
_HEADER = re.compile(r'"(\*?)([A-Z0-9-]{1,16})"([0-9]{4})([^\[#]*)(?:#([0-9A-Fa-f]{3,16}))?\[(.*)', re.DOTALL)
_PREFIXES = re.compile(r"(?:R([0-9A-Fa-f]{1,6}))?L([0-9A-Fa-f]{1,6})")
_CONTENT = re.compile(r"([^\[\]]*)\]((?:\[[^\[\]]*\])*)(?:_(\d\d:\d\d:\d\d,\d\d-\d\d-\d{4}))?")
_TIME = "%H:%M:%S,%m-%d-%Y"


@dataclass(frozen=True, slots=True)
class Frame:
    """One message, of either side."""

    token: str
    """`SIA-DCS`, `ADM-CID`, `NULL`, `ACK`, `NAK`, `DUH` …"""
    sequence: int
    """1 to 9999; 0 in NULL and NAK."""
    account: str = ""
    """3 to 16 hexadecimal digits."""
    data: str = ""
    """ASCII without brackets."""
    extended: tuple[str, ...] = ()
    """Each begins with its identifier, as `IFront door`; ASCII without brackets."""
    timestamp: datetime | None = None
    """UTC, whole seconds; an encrypted frame must have it."""
    receiver: str = ""
    """Receiver number, 1 to 6 hexadecimal digits, or nothing."""
    line: str = "0"
    """Account prefix, 1 to 6 hexadecimal digits."""
    encrypted: bool = False


def pack(frame: Frame, key: bytes | None = None, padding: str = "") -> bytes:
    """Return a frame as it is sent, with a key if and only if it is encrypted.

    `padding` are `PADDING` random ASCII characters other than `|`, `[` and `]`. Raises ValueError.
    """
    content = _content(frame)
    if frame.encrypted:
        content = _encrypt(content, _needed(key), padding, separated=bool(frame.data))
    star, receiver = "*" if frame.encrypted else "", f"R{frame.receiver}" if frame.receiver else ""
    account = f"#{frame.account}" if frame.account else ""
    message = f'"{star}{frame.token}"{frame.sequence:04d}{receiver}L{frame.line}{account}[{content}'.encode("ascii")
    if len(message) > LONGEST:
        raise ValueError(f"a message of {len(message)} characters is longer than {LONGEST}")
    return b"\n%04X%04X%s\r" % (crc(message), len(message), message)


def parse(raw: bytes, key: bytes | None = None) -> Frame:
    """Read one frame, with or without LF and CR. Raises ValueError with what is wrong."""
    text = raw.strip(b"\r\n").decode("ascii", "strict")
    message = text[8:]
    if not re.fullmatch(r"[0-9A-Fa-f]{8}", text[:8]) or not (header := _HEADER.fullmatch(message)):
        raise ValueError(f"{text[:64]!r} is no frame of DC-09")
    if int(text[4:8], 16) != len(message):
        raise ValueError(f"the length {text[4:8]} is wrong for {len(message)} characters")
    if int(text[:4], 16) != crc(message.encode()):
        raise ValueError(f"the CRC is {text[:4]}, not {crc(message.encode()):04X}")
    star, token, sequence, prefixes, account, content = header.groups()
    if star:
        content = _decrypt(content, _needed(key))
    found = _CONTENT.fullmatch(content)
    if found is None:
        raise ValueError(f"the content of {token} can't be read" + "; is the key right?" * bool(star))
    receiver, line = matched.groups() if (matched := _PREFIXES.fullmatch(prefixes)) else ("", "")
    return Frame(
        token,
        int(sequence),
        account or "",
        found[1],
        tuple(found[2][1:-1].split("][")) if found[2] else (),
        datetime.strptime(found[3], _TIME).replace(tzinfo=UTC) if found[3] else None,
        receiver or "",
        line,
        bool(star),
    )


def crc(message: bytes) -> int:
    """Return the CRC-16 of a message (polynomial 0xA001 reflected, beginning with 0)."""
    value = 0
    for octet in message:
        value ^= octet
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value


def time_text(moment: datetime) -> str:
    """Return a time as DC-09 writes it, `HH:MM:SS,MM-DD-YYYY` in UTC."""
    return moment.astimezone(UTC).strftime(_TIME)


def _content(frame: Frame) -> str:
    extended = "".join(f"[{each}]" for each in frame.extended)
    timestamp = f"_{time_text(frame.timestamp)}" if frame.timestamp is not None else ""
    return f"{frame.data}]{extended}{timestamp}"


def _needed(key: bytes | None) -> bytes:
    if key is None:
        raise ValueError("the frame is encrypted, and there is no key")
    return key


def _encrypt(content: str, key: bytes, padding: str, *, separated: bool) -> str:
    """Encrypt behind 16 random characters at least; data is set apart from them by a bar."""
    content = f"|{content}" if separated else content
    count = _BLOCK + -len(content) % _BLOCK
    if len(padding) < count:
        raise ValueError(f"{len(padding)} characters of padding are too few")
    encryptor = Cipher(AES(key), CBC(bytes(_BLOCK))).encryptor()
    return (encryptor.update((padding[:count] + content).encode("ascii")) + encryptor.finalize()).hex().upper()


def _decrypt(content: str, key: bytes) -> str:
    """Decrypt, and take the padding off: up to the bar, or all before the bracket where there is no data."""
    ciphertext = bytes.fromhex(content)
    if not ciphertext or len(ciphertext) % _BLOCK:
        raise ValueError(f"{len(ciphertext)} bytes are no ciphertext of whole blocks")
    decryptor = Cipher(AES(key), CBC(bytes(_BLOCK))).decryptor()
    plain = (decryptor.update(ciphertext) + decryptor.finalize()).decode("ascii", "replace")
    before, bracket, after = plain.partition("]")
    return before.partition("|")[2] + bracket + after
