"""What waits for sinks, and what they were told."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of the sinks."""
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sink", sa.String(32), nullable=False),
        sa.Column("event", sa.String(36), nullable=False),
        sa.Column("camera", sa.String(32), nullable=False),
        sa.Column("queued_ns", sa.BigInteger, nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
        sa.UniqueConstraint("sink", "event"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_order", "outbox", ["sink", "id"])
    op.create_table(
        "sink_states",
        sa.Column("sink", sa.String(32), primary_key=True),
        sa.Column("property", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(64), nullable=False),
    )


def downgrade() -> None:
    """Remove them again."""
    for table in ("sink_states", "outbox"):
        op.drop_table(table)
