"""The tables of past events, as of their newest migration."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, SmallInteger, Table

METADATA = MetaData()

SUBJECTS = Table(
    "event_subjects",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("subject", LargeBinary, nullable=False),  # topic, source and key, see gateway.db.events_packing
)

EVENTS = Table(
    "events",
    METADATA,
    # In the order in which they were told; an INTEGER PRIMARY KEY costs nothing in SQLite.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("time_ns", BigInteger, nullable=False),
    Column("subject", Integer, nullable=False),
    Column("operation", SmallInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
Index("ix_events_time", EVENTS.c.time_ns, EVENTS.c.id)
Index("ix_events_subject", EVENTS.c.subject, EVENTS.c.time_ns, EVENTS.c.id)
