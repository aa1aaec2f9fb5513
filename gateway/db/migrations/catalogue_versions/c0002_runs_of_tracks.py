"""Stretches of each track beside those of the recording, found out from the segments."""

from collections.abc import Iterable, Iterator, Sequence

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_JOINT_NS = 2_000_000_000
_PAGE = 10_000

_SEGMENTS = sa.table(
    "segments", *(sa.column(name) for name in ("recording", "start_ns", "end_ns", "run_ns", "tracks", "closed"))
)
_Piece = tuple[tuple[int, int], int, int]
"""What it is of, its start and its end."""
_OLD = "recording", "start_ns", "run_ns", "end_ns"
_NEW = "recording", "track", "start_ns", "run_ns", "end_ns"


def upgrade() -> None:
    """Make the table again, with a track in its key."""
    op.drop_table("runs")
    op.create_table("runs", *_columns(_NEW), sqlite_with_rowid=False)
    runs, connection = sa.table("runs", *(sa.column(name) for name in _NEW)), op.get_bind()
    for recording in connection.execute(sa.text("SELECT id FROM catalogue_recordings ORDER BY id")).scalars().all():
        rows = [dict(zip(_NEW, (recording, *each), strict=True)) for each in _stretches(_segments(recording))]
        for first in range(0, len(rows), _PAGE):
            op.bulk_insert(runs, rows[first : first + _PAGE])


def downgrade() -> None:
    """Keep the stretches of the recordings only."""
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT recording, start_ns, run_ns, end_ns FROM runs WHERE track = 1")).all()
    op.drop_table("runs")
    op.create_table("runs", *_columns(_OLD), sqlite_with_rowid=False)
    runs = sa.table("runs", *(sa.column(name) for name in _OLD))
    op.bulk_insert(runs, [dict(zip(_OLD, row, strict=True)) for row in rows])


def _columns(names: Iterable[str]) -> Iterator[sa.Column[int]]:
    for name in names:
        kind = sa.Integer if name == "recording" else sa.BigInteger
        yield sa.Column(name, kind, primary_key=name != "end_ns", nullable=False)


def _segments(recording: int) -> Iterable[Sequence[int]]:
    """Return a recording's closed segments in order, a page at a time: there may be a million."""
    columns = _SEGMENTS.c.start_ns, _SEGMENTS.c.end_ns, _SEGMENTS.c.run_ns, _SEGMENTS.c.tracks
    query = sa.select(*columns).where(_SEGMENTS.c.recording == recording, _SEGMENTS.c.closed.is_(True))
    query = query.order_by(_SEGMENTS.c.start_ns).execution_options(yield_per=_PAGE)
    return op.get_bind().execute(query)


def _stretches(segments: Iterable[Sequence[int]]) -> Iterator[tuple[int, int, int, int]]:
    """Yield track, start, run and end of every stretch: segments of one run that hang together and have the track.

    First those with the same tracks are chained, so that few are left when each track is looked at.
    """
    alike = _chained(((tracks, run_ns), start_ns, end_ns) for start_ns, end_ns, run_ns, tracks in segments)
    pieces = sorted(alike, key=lambda piece: piece[1])
    of_tracks = (((track, run), start, end) for (tracks, run), start, end in pieces for track in _bits(tracks))
    for (track, run_ns), start_ns, end_ns in _chained(of_tracks):
        yield track, start_ns, run_ns, end_ns


def _chained(pieces: Iterable[_Piece]) -> Iterator[_Piece]:
    """Join pieces of the same key that are no further apart than neighbours may be; given in order of their starts."""
    open_now: dict[tuple[int, int], tuple[int, int]] = {}
    for key, start_ns, end_ns in pieces:
        first_ns, last_ns = open_now.get(key, (start_ns, start_ns))
        if start_ns > last_ns + _JOINT_NS:
            yield key, first_ns, last_ns
            first_ns = start_ns
        open_now[key] = first_ns, max(last_ns, end_ns)
    for key, (first_ns, last_ns) in open_now.items():
        yield key, first_ns, last_ns


def _bits(mask: int) -> Iterator[int]:
    while mask:
        yield mask & -mask
        mask &= mask - 1
