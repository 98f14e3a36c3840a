"""The tables of what is kept for years: roll-ups by hour and day, blind time, and how far all that is."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from checker.store.tables import incident, metadata

_Id = BigInteger().with_variant(Integer, "sqlite")

# Clustered by their key where the database can (SQLite: without a rowid), so that a monitor's year lies
# together and a row costs some thirty bytes beside its sketch.
history_hour = Table(
    "history_hour",  # looks and runs only; an hour without any has no row
    metadata,
    Column("monitor_id", _Id, ForeignKey("monitor.id", ondelete="CASCADE"), primary_key=True),
    Column("hour", Integer, primary_key=True, autoincrement=False),  # epoch seconds / 3600
    Column("looks", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("sketch", LargeBinary, nullable=False),  # of latencies or durations, by sketch.py
    sqlite_with_rowid=False,
)

history_day = Table(
    "history_day",  # UTC days
    metadata,
    Column("monitor_id", _Id, ForeignKey("monitor.id", ondelete="CASCADE"), primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),  # epoch seconds / 86400
    Column("looks", Integer, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("sketch", LargeBinary, nullable=True),
    # Seconds, as `uptime.Uptime` has them; null until the day is over and was counted.
    Column("up", Double, nullable=True),
    Column("warn", Double, nullable=True),
    Column("down", Double, nullable=True),
    Column("blind", Double, nullable=True),
    Column("paused", Double, nullable=True),
    Column("maintenance", Double, nullable=True),
    Column("falls", Integer, nullable=True),
    sqlite_with_rowid=False,
)

blind = Table(
    "blind",  # when no monitor could be seen, and by which node
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("node", String(64), nullable=False),
    Column("start", Double, nullable=False),
    Column("end", Double, nullable=False),
    UniqueConstraint("node", "start", name="uq_blind_node"),
)
Index("ix_blind_end", blind.c.end)

unseen = Table(
    "unseen",  # what deadlines move by, each row once for each heartbeat: when somebody looks at that next
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("start", Double, nullable=False),
    Column("end", Double, nullable=False),
)

progress = Table(
    "progress",  # how far work is that goes on over restarts and from node to node
    metadata,
    Column("name", String(32), primary_key=True),
    Column("data", Text, nullable=False),
)

Index("ix_incident_since", incident.c.since)  # who was noisy this week
