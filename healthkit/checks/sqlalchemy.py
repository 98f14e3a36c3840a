"""Checks through the app's own SQLAlchemy engine: it takes writes, rows keep coming, replicas keep up.

health.add(DatabaseWrite(engine))
health.add(RowFreshness(Invoice.created_at, engine, max_age="26h", name="invoices"))
health.add(ReplicationLag(replica, warn="30s", fail="5m"))
health.add(MigrationsCurrent(engine, "migrations"))
"""

from __future__ import annotations

from healthkit.checks.sql_freshness import AsyncRowFreshness, RowFreshness
from healthkit.checks.sql_migrations import AsyncMigrationsCurrent, MigrationsCurrent
from healthkit.checks.sql_replication import AsyncReplicationLag, ReplicationLag
from healthkit.checks.sql_write import AsyncDatabaseWrite, DatabaseWrite

__all__ = [
    "AsyncDatabaseWrite",
    "AsyncMigrationsCurrent",
    "AsyncReplicationLag",
    "AsyncRowFreshness",
    "DatabaseWrite",
    "MigrationsCurrent",
    "ReplicationLag",
    "RowFreshness",
]
