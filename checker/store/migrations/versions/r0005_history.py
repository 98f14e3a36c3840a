"""Roll-ups by hour and day, blind time, and how far the work on them is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables, and the index that finds the latest incidents."""
    op.create_table(
        "history_hour",
        sa.Column("monitor_id", _Id, nullable=False),
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("sketch", sa.LargeBinary(), nullable=False),
        _of_monitor("history_hour"),
        sa.PrimaryKeyConstraint("monitor_id", "hour", name="pk_history_hour"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "history_day",
        sa.Column("monitor_id", _Id, nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("looks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sketch", sa.LargeBinary(), nullable=True),
        *(sa.Column(name, sa.Double(), nullable=True) for name in _SECONDS),
        sa.Column("falls", sa.Integer(), nullable=True),
        _of_monitor("history_day"),
        sa.PrimaryKeyConstraint("monitor_id", "day", name="pk_history_day"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "blind",
        sa.Column("id", _Id, autoincrement=True, nullable=False),
        sa.Column("node", sa.String(length=64), nullable=False),
        sa.Column("start", sa.Double(), nullable=False),
        sa.Column("end", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_blind"),
        sa.UniqueConstraint("node", "start", name="uq_blind_node"),
    )
    op.create_index("ix_blind_end", "blind", ["end"], unique=False)
    op.create_table(
        "progress",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_progress"),
    )
    op.create_index("ix_incident_since", "incident", ["since"], unique=False)


_SECONDS = ("up", "warn", "down", "blind", "paused", "maintenance")


def _of_monitor(table: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_monitor_id_monitor"
    return sa.ForeignKeyConstraint(["monitor_id"], ["monitor.id"], name=name, ondelete="CASCADE")
