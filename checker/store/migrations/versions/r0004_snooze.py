"""Monitors that nobody is to be told of for a time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "snooze",
        sa.Column("monitor_id", _Id, nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["monitor_id"], ["monitor.id"], name="fk_snooze_monitor_id_monitor", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("monitor_id", name="pk_snooze"),
    )
