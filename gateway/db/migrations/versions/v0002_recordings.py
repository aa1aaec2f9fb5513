"""Recordings, their jobs, receivers, and holds."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of the archive's objects."""
    for table in ("recordings", "jobs", "receivers"):
        op.create_table(
            table,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("token", sa.String(255), nullable=False, unique=True),
            sa.Column("record", sa.JSON, nullable=False),
        )
    op.create_table(
        "holds",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("recording", sa.String(255), nullable=False),
        sa.Column("start_ns", sa.BigInteger, nullable=False),
        sa.Column("end_ns", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_by", sa.String(64), nullable=False),
    )


def downgrade() -> None:
    """Remove them again."""
    for table in ("holds", "receivers", "jobs", "recordings"):
        op.drop_table(table)
