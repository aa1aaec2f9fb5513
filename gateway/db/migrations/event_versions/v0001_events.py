"""Events and what they are about."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "event_subjects",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("subject", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sa.Column("subject", sa.Integer, nullable=False),
        sa.Column("operation", sa.SmallInteger, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_events_time", "events", ["time_ns", "id"])
    op.create_index("ix_events_subject", "events", ["subject", "time_ns", "id"])


def downgrade() -> None:
    """Remove them again."""
    op.drop_table("events")
    op.drop_table("event_subjects")
