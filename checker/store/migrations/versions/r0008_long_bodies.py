"""An index of the pings with long bodies, which are found among very many without one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_LONG = sa.text("length(body) > 1000")


def upgrade() -> None:
    """Add the index."""
    op.create_index(
        "ix_ping_long_body",
        "ping",
        ["monitor_id", "n"],
        unique=False,
        sqlite_where=_LONG,
        postgresql_where=_LONG,
    )
