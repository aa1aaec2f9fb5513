"""Accounts, channels, profiles, settings and the audit."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "accounts",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("password", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "channels",
        sa.Column("path", sa.String(255), primary_key=True),
        sa.Column("description", sa.JSON, nullable=False),
    )
    op.create_table(
        "profiles",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("token", sa.String(255), nullable=False, unique=True),
        sa.Column("record", sa.JSON, nullable=False),
    )
    op.create_table(
        "settings",
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("value", sa.JSON, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("utc_ns", sa.BigInteger, nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("ix_audit_utc_ns", "audit", ["utc_ns"])


def downgrade() -> None:
    """Remove them again."""
    for table in ("audit", "settings", "profiles", "channels", "accounts"):
        op.drop_table(table)
