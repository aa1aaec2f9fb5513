"""Fragments packed into their row, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.db.packing import pack, unpack
from gateway.domain.recording import Fragment

START = 1_700_000_000_000_000_000
TIMES = st.integers(0, 1 << 62)
FRAGMENTS = st.builds(Fragment, st.integers(0, 1 << 40), st.integers(0, 1 << 40), TIMES, TIMES, st.integers(0, 255))


@given(st.lists(FRAGMENTS, max_size=5), TIMES)
def test_any_fragments_come_back(fragments: list[Fragment], start_ns: int) -> None:
    assert unpack(pack(fragments, start_ns), start_ns) == tuple(fragments)


def test_regular_fragments_take_few_bytes() -> None:
    second = 1_000_000_000
    fragments = [
        Fragment(1200 + number * 500_000, 500_000, START + 2 * number * second, START + 2 * (number + 1) * second)
        for number in range(30)
    ]
    packed = pack(fragments, START)
    assert unpack(packed, START) == tuple(fragments)
    assert len(packed) == 70


@pytest.mark.parametrize("data", [b"", b"\x02", b"\x04\x00\x02\x02", b"\xff"])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=f"'{data.hex()}' are no packed fragments"):
        unpack(data, START)
