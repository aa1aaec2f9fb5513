"""Segments and what is derived from them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table("catalogue", sa.Column("id", sa.String(36), primary_key=True))
    op.create_table(
        "catalogue_recordings",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("token", sa.String(255), nullable=False, unique=True),
        sa.Column("longest_ns", sa.BigInteger, nullable=False),
        sa.Column("longest_run_ns", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "catalogue_tracks",
        sa.Column("recording", sa.Integer, primary_key=True),
        sa.Column("mask", sa.BigInteger, primary_key=True),
        sa.Column("token", sa.String(255), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "catalogue_storages",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("token", sa.String(255), nullable=False, unique=True),
    )
    op.create_table(
        "segments",
        sa.Column("recording", sa.Integer, primary_key=True),
        sa.Column("start_ns", sa.BigInteger, primary_key=True),
        sa.Column("end_ns", sa.BigInteger, nullable=False),
        sa.Column("run_ns", sa.BigInteger, nullable=False),
        sa.Column("storage", sa.Integer, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("tracks", sa.BigInteger, nullable=False),
        sa.Column("closed", sa.Boolean, nullable=False),
        sa.Column("fragments", sa.LargeBinary, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("origin", sa.Text),
        sqlite_with_rowid=False,
    )
    still_open = sa.text("NOT closed")
    op.create_index("ix_segments_open", "segments", ["recording"], sqlite_where=still_open, postgresql_where=still_open)
    op.create_table(
        "days",
        sa.Column("recording", sa.Integer, primary_key=True),
        sa.Column("day", sa.BigInteger, primary_key=True),
        sa.Column("minutes", sa.LargeBinary, nullable=False),
        sa.Column("tracks", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage",
        sa.Column("recording", sa.Integer, primary_key=True),
        sa.Column("storage", sa.Integer, primary_key=True),
        sa.Column("day", sa.BigInteger, primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("segments", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "runs",
        sa.Column("recording", sa.Integer, primary_key=True),
        sa.Column("start_ns", sa.BigInteger, primary_key=True),
        sa.Column("run_ns", sa.BigInteger, primary_key=True),
        sa.Column("end_ns", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Remove them again."""
    for table in (
        *("runs", "usage", "days", "segments"),
        *("catalogue_storages", "catalogue_tracks", "catalogue_recordings", "catalogue"),
    ):
        op.drop_table(table)
