"""The tables, as of the newest migration."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData()

ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("level", String(16), nullable=False),
    Column("password", LargeBinary, nullable=False),  # sealed: see gateway.db.secrets
)

CHANNELS = Table(
    "channels",
    METADATA,
    Column("path", String(255), primary_key=True),
    Column("description", JSON, nullable=False),
)


def _objects(name: str) -> Table:
    return Table(
        name,
        METADATA,
        Column("id", Integer, primary_key=True),  # the order in which they were made
        Column("token", String(255), nullable=False, unique=True),
        Column("record", JSON, nullable=False),
    )


PROFILES = _objects("profiles")
RECORDINGS = _objects("recordings")
JOBS = _objects("jobs")
RECEIVERS = _objects("receivers")

SETTINGS = Table(
    "settings",
    METADATA,
    Column("key", String(255), primary_key=True),
    Column("value", JSON, nullable=False),
)

AUDIT = Table(
    "audit",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("utc_ns", BigInteger, nullable=False, index=True),
    Column("account", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("detail", Text, nullable=False),
)

HOLDS = Table(
    "holds",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("recording", String(255), nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_by", String(64), nullable=False),
)

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("id", Integer, primary_key=True),  # the order; a number is never used again
    Column("sink", String(32), nullable=False),
    Column("event", String(36), nullable=False),
    Column("camera", String(32), nullable=False),
    Column("queued_ns", BigInteger, nullable=False),
    Column("record", JSON, nullable=False),
    UniqueConstraint("sink", "event"),
    Index("ix_outbox_order", "sink", "id"),
    sqlite_autoincrement=True,
)

SINK_STATES = Table(
    "sink_states",
    METADATA,
    Column("sink", String(32), primary_key=True),
    Column("property", String(64), primary_key=True),
    Column("value", String(64), nullable=False),
)

CAMERA_HISTORY = Table(
    "camera_history",
    METADATA,
    Column("camera", String(32), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("start_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("subject", String(255), primary_key=True),
    Column("end_ns", BigInteger),
    Column("times", Integer, nullable=False),
    Column("value", JSON, nullable=False),
)
