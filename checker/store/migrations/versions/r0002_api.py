"""What the API makes: one-off maintenance windows, and heartbeats that may share a slug or have none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_LIVE = "kind = 'heartbeat' AND removed_at IS NULL AND source != 'api'"


def upgrade() -> None:
    """Add the table, and leave the API's heartbeats out of the index on slugs."""
    op.create_table(
        "maintenance",
        sa.Column("id", _Id, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("start", sa.Double(), nullable=False),
        sa.Column("end", sa.Double(), nullable=False),
        sa.Column("monitors", sa.JSON(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_maintenance"),
    )
    op.create_index("ix_maintenance_end", "maintenance", ["end"], unique=False)
    op.drop_index("uq_monitor_slug", table_name="monitor")
    op.create_index(
        "uq_monitor_slug",
        "monitor",
        ["slug"],
        unique=True,
        sqlite_where=sa.text(_LIVE),
        postgresql_where=sa.text(_LIVE),
    )
