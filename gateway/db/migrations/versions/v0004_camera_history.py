"""What cameras were, and how well they were reached."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of the cameras' history."""
    op.create_table(
        "camera_history",
        sa.Column("camera", sa.String(32), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("start_ns", sa.BigInteger, primary_key=True),
        sa.Column("subject", sa.String(255), primary_key=True),
        sa.Column("end_ns", sa.BigInteger),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("value", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    """Remove it again."""
    op.drop_table("camera_history")
