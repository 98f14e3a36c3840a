"""What channels remember of an incident's first message, and what fire drills proved."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the two tables."""
    op.create_table(
        "channel_thread",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("dedup_key", sa.String(length=255), nullable=False),
        sa.Column("post", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "dedup_key", name="pk_channel_thread"),
    )
    op.create_index("ix_channel_thread_at", "channel_thread", ["at"], unique=False)
    op.create_table(
        "drill",
        sa.Column("id", _Id, autoincrement=True, nullable=False),
        sa.Column("monitor_id", _Id, nullable=False),
        sa.Column("dedup_key", sa.String(length=255), nullable=False),
        sa.Column("asked_at", sa.Double(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=True),
        sa.Column("seen", sa.Text(), nullable=False),
        sa.Column("told_at", sa.Double(), nullable=True),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["monitor_id"], ["monitor.id"], name="fk_drill_monitor_id_monitor", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_drill"),
    )
    op.create_index("ix_drill_monitor_id", "drill", ["monitor_id", "id"], unique=False)
