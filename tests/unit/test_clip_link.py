"""Signed links to footage."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from gateway.protocols.clip_link import ClipLink, read

KEY = bytes(32)
LINK = ClipLink("door", 1_795_334_395_500_000_000, 1_795_334_410_500_000_000, 1_795_420_800_000_000_000)


def taken(link: str, key: bytes = KEY) -> ClipLink | None:
    parts = urlsplit(link)
    return read(parts.path.removeprefix("/clip/"), dict(parse_qsl(parts.query)), key)


def test_a_link_is_read_as_it_was_signed() -> None:
    link = LINK.sign(KEY)
    assert link.startswith("/clip/door?from=1795334395500&to=1795334410500&until=1795420800&signature=")
    assert taken(link) == LINK
    assert LINK.sign(KEY) == link, "the same at every attempt"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/clip/door", "/clip/gate"),
        ("from=1", "from=2"),
        ("to=1", "to=2"),
        ("until=1", "until=2"),
        ("until=1", "until=01"),
        ("until=1795420800", "until=-1"),
        ("from=1", "from=x"),
        ("&until", "&untill"),
        ("signature=", "signature=A"),
        ("&signature", "&signatur"),
        ("signature=", "signature=\N{LATIN SMALL LETTER E WITH ACUTE}"),
    ],
)
def test_nothing_in_it_can_be_changed(old: str, new: str) -> None:
    assert taken(LINK.sign(KEY).replace(old, new, 1)) is None


def test_another_key_opens_nothing() -> None:
    assert taken(LINK.sign(KEY), bytes(31) + b"\1") is None
