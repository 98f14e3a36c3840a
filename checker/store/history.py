"""What is old enough goes: each function deletes or empties a few rows, and returns how many."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, select

from checker.store import rollups
from checker.store.bulk import among, ids, placeholder
from checker.store.tables import LONG_BODY, change, incident, outbox, poll


def prune_pings(
    conn: Connection, monitor_ids: Iterable[int], most: int, old_most: int, before: float, limit: int
) -> int:
    """Delete monitors' pings beyond the last `most`, and those before `before` beyond the last `old_most`.

    Only those that are rolled up: what was not counted stays.
    """
    mark = placeholder(conn)
    last = "(SELECT max(n) FROM ping latest WHERE latest.monitor_id = ping.monitor_id)"
    done = conn.exec_driver_sql(
        f"DELETE FROM ping WHERE id IN (SELECT id FROM ping WHERE {among(conn, 'monitor_id')}"
        f" AND id <= {mark}"
        f" AND (n <= {last} - {mark} OR (n <= {last} - {mark} AND at < {mark})) LIMIT {int(limit)})",
        (*ids(conn, monitor_ids), rollups.mark_of(conn, rollups.PINGS).done, most, old_most, before),
    )
    return done.rowcount


def prune_bodies(conn: Connection, monitor_ids: Iterable[int], most: int, limit: int) -> int:
    """Empty the long bodies (over `LONG_BODY` bytes) of monitors' pings beyond the last `most` pings."""
    mark = placeholder(conn)
    # Both indexes of pings begin with the monitor, and only one of them is small.
    hint = " INDEXED BY ix_ping_long_body" if conn.dialect.name == "sqlite" else ""
    done = conn.exec_driver_sql(
        f"UPDATE ping SET body = NULL WHERE id IN (SELECT id FROM ping{hint}"
        f" WHERE length(body) > {LONG_BODY} AND {among(conn, 'monitor_id')}"
        f" AND n <= (SELECT max(n) FROM ping latest WHERE latest.monitor_id = ping.monitor_id) - {mark}"
        f" LIMIT {int(limit)})",
        (*ids(conn, monitor_ids), most),
    )
    return done.rowcount


def with_many_pings(conn: Connection, monitor_ids: Iterable[int], most: int) -> list[int]:
    """Return those of these monitors that have more than `most` pings: two looks into an index for each."""
    each = "(SELECT {}(n) FROM ping WHERE monitor_id = wanted.id)"
    among_them = (
        "SELECT value AS id FROM json_each(?)"
        if conn.dialect.name == "sqlite"
        else "SELECT unnest(%s::bigint[]) AS id"
    )
    found = conn.exec_driver_sql(
        f"SELECT id FROM ({among_them}) AS wanted"
        f" WHERE {each.format('max')} - {each.format('min')} >= {int(most)}",
        ids(conn, monitor_ids),
    )
    return [int(row[0]) for row in found]


def prune_polls(conn: Connection, before: float, limit: int) -> int:
    """Delete the oldest polls that are older than `before`, and rolled up."""
    done = rollups.mark_of(conn, rollups.POLLS).done
    return _oldest(conn, poll, lambda row: (row.at < before) & (row.id <= done), limit)


def prune_changes(conn: Connection, before: float, limit: int) -> int:
    """Delete the oldest changes that are judged and older than `before`."""
    return _oldest(conn, change, lambda row: (row.at < before) & row.judged_at.is_not(None), limit)


def prune_outbox(conn: Connection, before: float, limit: int) -> int:
    """Delete the oldest notifications that are sent or given up, and older than `before`."""
    return _oldest(
        conn,
        outbox,
        lambda row: (row.created_at < before) & (row.sent_at.is_not(None) | row.gave_up_at.is_not(None)),
        limit,
    )


def prune_incidents(conn: Connection, before: float, limit: int) -> int:
    """Delete the oldest incidents, with their members, that were resolved before `before`."""
    return _oldest(conn, incident, lambda row: row.resolved_at < before, limit)


def _oldest(conn: Connection, table: Table, gone: Callable[[Any], ColumnElement[bool]], limit: int) -> int:
    # Ids grow with time: the first `limit` rows tell whether there is anything to do, and no index on time is
    # needed. What must stay among them, such as an incident open for a year, is stepped over.
    first = select(table).order_by(table.c.id).limit(limit).subquery()
    return conn.execute(
        table.delete().where(table.c.id.in_(select(first.c.id).where(gone(first.c))))
    ).rowcount
