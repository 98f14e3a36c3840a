"""Blind times by number, and which of them each heartbeat was told of: nobody tells all of them at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table and the column."""
    op.create_table(
        "unseen",
        sa.Column("id", _Id, autoincrement=True, nullable=False),
        sa.Column("start", sa.Double(), nullable=False),
        sa.Column("end", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_unseen"),
    )
    op.add_column("monitor_state", sa.Column("told", sa.BigInteger(), nullable=True))
