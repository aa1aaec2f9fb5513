"""The catalogue's tables, as of its newest migration. All of it can be made anew from the segment files."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text, text

METADATA = MetaData()

CATALOGUE = Table(
    "catalogue",
    METADATA,
    Column("id", String(36), primary_key=True),  # UUID; the database that it belongs to knows it too
)

RECORDINGS = Table(
    "catalogue_recordings",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("token", String(255), nullable=False, unique=True),
    Column("longest_ns", BigInteger, nullable=False),  # no segment of it was ever longer
    Column("longest_run_ns", BigInteger, nullable=False),  # no stretch either
)

TRACKS = Table(
    "catalogue_tracks",
    METADATA,
    Column("recording", Integer, primary_key=True),
    Column("mask", BigInteger, primary_key=True),  # one bit; 1 stands for the recording itself, in every segment
    Column("token", String(255), nullable=False),
    sqlite_with_rowid=False,
)

STORAGES = Table(
    "catalogue_storages",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("token", String(255), nullable=False, unique=True),
)

SEGMENTS = Table(
    "segments",
    METADATA,
    Column("recording", Integer, primary_key=True),
    Column("start_ns", BigInteger, primary_key=True),
    Column("end_ns", BigInteger, nullable=False),
    Column("run_ns", BigInteger, nullable=False),
    Column("storage", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("tracks", BigInteger, nullable=False),
    Column("closed", Boolean, nullable=False),
    Column("fragments", LargeBinary, nullable=False),  # see gateway.db.packing
    Column("name", Text),  # null when it is the usual one
    Column("origin", Text),
    sqlite_with_rowid=False,
)
_OPEN = text("NOT closed")
Index("ix_segments_open", SEGMENTS.c.recording, sqlite_where=_OPEN, postgresql_where=_OPEN)

# What follows is derived from the closed segments, and kept true in the transaction that changes them.

DAYS = Table(
    "days",
    METADATA,
    Column("recording", Integer, primary_key=True),
    Column("day", BigInteger, primary_key=True),  # since the epoch, UTC
    Column("minutes", LargeBinary, nullable=False),  # bit 0 of byte 0 is the first minute
    Column("tracks", BigInteger, nullable=False),  # of the segments that start on this day
    sqlite_with_rowid=False,
)

USAGE = Table(
    "usage",
    METADATA,
    Column("recording", Integer, primary_key=True),
    Column("storage", Integer, primary_key=True),
    Column("day", BigInteger, primary_key=True),  # that the segments start on
    Column("size", BigInteger, nullable=False),
    Column("segments", Integer, nullable=False),
    sqlite_with_rowid=False,
)

RUNS = Table(
    "runs",
    METADATA,
    Column("recording", Integer, primary_key=True),
    Column("track", BigInteger, primary_key=True),  # its bit; 1: the recording itself
    Column("start_ns", BigInteger, primary_key=True),
    Column("run_ns", BigInteger, primary_key=True),
    Column("end_ns", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
