"""Indexes by which few monitors are found among very many."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_FROM_FILE = sa.text("source = 'file' AND parent_id IS NULL")


def upgrade() -> None:
    """Add the indexes."""
    op.create_index("ix_monitor_slug", "monitor", ["slug"], unique=False)
    op.create_index(
        "ix_monitor_file",
        "monitor",
        ["id"],
        unique=False,
        sqlite_where=_FROM_FILE,
        postgresql_where=_FROM_FILE,
    )
