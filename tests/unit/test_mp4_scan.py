"""Segment files as a crash leaves them, and files that are none."""

from contextlib import suppress
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mp4_media import START, audio, segment, video

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.protocols.mp4 import identity, runs
from gateway.protocols.mp4.boxes import box
from gateway.protocols.mp4.reader import read_fragment, read_header
from gateway.protocols.mp4.scan import Scanned, Scanner


@cache
def file() -> bytes:
    return segment([video("H264"), audio("PCMU")])[0]


@cache
def whole() -> tuple[Scanned, ...]:
    return tuple(Scanner(lambda offset, size: file()[offset : offset + size]).fragments())


def scan(data: bytes) -> tuple[Scanner, list[Scanned]]:
    scanner = Scanner(lambda offset, size: data[offset : offset + size])
    return scanner, list(scanner.fragments())


def test_a_complete_file_is_told_as_it_was_written() -> None:
    data, fragments = segment([video("H264"), audio("PCMU")])
    scanner, found = scan(data)
    assert (scanner.complete, scanner.valid_end) == (True, len(data))
    assert [(each.size, each.start_ns, each.end_ns) for each in found] == [
        (each.size, each.start_ns, each.end_ns) for each in fragments
    ]
    assert {each.tracks for each in found} == {(0, 1)}
    assert found[0].offset == scanner.header.size
    assert found[0].start_ns == START


def test_payload_is_not_read() -> None:
    read = 0

    def reading(offset: int, size: int) -> bytes:
        nonlocal read
        read += size
        return file()[offset : offset + size]

    assert len(list(Scanner(reading).fragments())) == len(whole())
    assert read < len(file()) // 10


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 400_000), st.sampled_from([b"", bytes(5000), b"\xff" * 5000, b"\0\0\0\x08moof" * 600]))
def test_a_file_cut_anywhere_keeps_its_whole_fragments(cut: int, tail: bytes) -> None:
    cut = min(cut, len(file()) - 1)
    data = file()[:cut] + tail
    expected = [each for each in whole() if each.offset + each.size <= cut]
    try:
        scanner, found = scan(data)
    except GatewayError:
        assert cut < whole()[0].offset
        return
    assert found[: len(expected)] == expected
    assert not scanner.complete
    if not tail:
        assert found == expected
        assert scanner.valid_end == (found[-1].offset + found[-1].size if found else scanner.header.size)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 4000), st.binary(min_size=1, max_size=8))
def test_a_damaged_head_is_read_or_refused(at: int, noise: bytes) -> None:
    data = bytearray(file()[: whole()[1].offset])
    data[at : at + len(noise)] = noise
    with suppress(GatewayError):
        scanner, found = scan(bytes(data))
        for each in found:
            assert read_fragment(data[each.offset : each.offset + each.size], scanner.header)


HEADER = file()[: whole()[0].offset]
FRAGMENT = file()[whole()[0].offset : whole()[0].offset + whole()[0].size]
UNKNOWN = identity.UUID + b'{"version":9,"start_ns":0,"info":{},"description":{"tracks":[]},"timings":{}}'


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "the file is no MP4: it begins with "),
        (b"RIFF" + bytes(20), "the file is no MP4: it begins with 5249464600000000"),
        (HEADER[:500], "the file has no whole movie box behind its type"),
        (HEADER[:20] + box(b"moov"), "the file has no whole movie box behind its type"),
        (HEADER[:24] + box(b"moov"), "the file does not describe itself: it is none of the gateway's segments"),
        (
            HEADER[:24] + box(b"moov", box(b"uuid", identity.UUID, b"{")),
            "the file's description of itself can't be read: Input data was truncated",
        ),
        (
            HEADER[:24] + box(b"moov", box(b"uuid", UNKNOWN)),
            "the file has a description of version 9, only 1 is known",
        ),
        (HEADER[:24] + box(b"moov", box(b"trak")), "the file has no tkhd box"),
        (
            HEADER.replace(b'"VIDEO"', b'"video"').replace(b'"H264"', b'"H999"'),
            "the file has tracks [0, 1] but describes [1]",
        ),
    ],
)
def test_what_is_no_header_is_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(GatewayError) as refused:
        read_header(data)
    assert (refused.value.kind, refused.value.message) == (ErrorKind.INVALID, sentence)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "no whole fragment begins with "),
        (FRAGMENT[:100], "no whole fragment begins with 0000002070726674010000000000000"),
        (FRAGMENT[:-1], f"of a fragment of {len(FRAGMENT)} bytes only {len(FRAGMENT) - 1} are there"),
        (FRAGMENT.replace(b"tfhd", b"tfhx"), "a track fragment has no tfhd box"),
        (
            FRAGMENT.replace(b"trun\1\0\x0f", b"trun\1\0\x0e"),
            "25 samples that are laid out in a way that is not ours: 0x1000e01",
        ),
        (FRAGMENT.replace(b"traf", b"trax"), "a fragment has no samples"),
        (FRAGMENT.replace(b"mdat", b"free"), "no whole fragment begins with "),
    ],
)
def test_what_is_no_fragment_is_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(GatewayError) as refused:
        read_fragment(data, read_header(HEADER))
    assert refused.value.kind is ErrorKind.INVALID
    assert sentence in refused.value.message


def test_payload_that_never_reached_the_disk_is_noticed() -> None:
    head = runs.head_size(FRAGMENT)
    with pytest.raises(GatewayError, match=r"a sample has a NAL unit of 0 bytes where \d+ are left"):
        read_fragment(FRAGMENT[:head] + bytes(len(FRAGMENT) - head), read_header(HEADER))
