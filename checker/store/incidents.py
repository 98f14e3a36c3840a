"""Incidents as rows: what is open, who is in it, which changes nobody has judged yet."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, func, select

from checker.model import Change, Incident, Member, Severity
from checker.store import codec
from checker.store.bulk import Insert, Row, among, ids, placeholder
from checker.store.tables import change, incident, member

_MEMBERS = Insert(
    member,
    ("incident_id", "monitor_id", "name", "state", "cause", "reason", "since", "resolved_at", "evidence"),
    "ON CONFLICT (incident_id, monitor_id) DO UPDATE SET name = excluded.name, state = excluded.state,"
    " cause = excluded.cause, reason = excluded.reason, since = excluded.since,"
    " resolved_at = excluded.resolved_at, evidence = excluded.evidence",
)
_GROUP = '"group"'  # a reserved word
# Not well, and in no open incident: what a lost or misjudged change would leave behind.
_STRAYS = (
    "SELECT monitor_id FROM monitor_state WHERE state IN ('down', 'warn') AND NOT EXISTS ("
    "SELECT 1 FROM incident_member JOIN incident ON incident.id = incident_member.incident_id"
    " WHERE incident_member.monitor_id = monitor_state.monitor_id"
    " AND incident_member.resolved_at IS NULL AND incident.resolved_at IS NULL)"
    " ORDER BY monitor_id LIMIT "
)


def unjudged(conn: Connection, limit: int, without: Iterable[int] = ()) -> list[Change]:
    """Return the oldest changes that nobody has judged yet, in the order they were made."""
    query = select(change).where(change.c.judged_at.is_(None)).order_by(change.c.id).limit(limit)
    skipped = sorted(without)
    if skipped:
        query = query.where(change.c.id.not_in(skipped))
    return [codec.change_of(row) for row in conn.execute(query)]


def any_unjudged(conn: Connection) -> bool:
    """Tell whether a change waits to be judged."""
    return conn.exec_driver_sql("SELECT 1 FROM change WHERE judged_at IS NULL LIMIT 1").first() is not None


def mark_judged(conn: Connection, change_ids: Sequence[int], now: float) -> None:
    """Write down that these changes have been judged."""
    mark = placeholder(conn)
    conn.exec_driver_sql(
        f"UPDATE change SET judged_at = {mark} WHERE {among(conn, 'id')}", (now, *ids(conn, change_ids))
    )


def strays(conn: Connection, limit: int) -> set[int]:
    """Return monitors that are down or warn and in no open incident."""
    return {row[0] for row in conn.exec_driver_sql(f"{_STRAYS}{int(limit)}")}


def last_falls(conn: Connection, monitor_ids: Iterable[int]) -> list[Change]:
    """Return the change that made each of these monitors what it is, where it is not well: the evidence."""
    wanted = list(monitor_ids)
    if not wanted:
        return []
    of_them = change.c.monitor_id.in_(wanted)
    latest = select(func.max(change.c.id)).where(of_them).group_by(change.c.monitor_id)
    query = select(change).where(change.c.id.in_(latest), change.c.new.in_(("down", "warn")))
    return [codec.change_of(row) for row in conn.execute(query.order_by(change.c.id))]


def open_of(
    conn: Connection,
    groups: Iterable[str],
    monitor_ids: Iterable[int] = (),
    *,
    known: Container[int] = (),
) -> list[Incident]:
    """Return the open incidents of these groups, and those with one of these monitors among their members.

    Those `known` already, by id, are left out: one may have thousands of members.
    """
    found = conn.exec_driver_sql(
        f"SELECT id FROM incident WHERE resolved_at IS NULL AND {among(conn, _GROUP)}"
        " UNION SELECT incident_id FROM incident_member JOIN incident ON incident.id = incident_id"
        f" WHERE incident.resolved_at IS NULL AND {among(conn, 'monitor_id')}",
        (*ids(conn, groups), *ids(conn, monitor_ids)),
    )
    wanted = [number for number in found.scalars() if number not in known]
    return load(conn, select(incident).where(incident.c.id.in_(wanted)).order_by(incident.c.id))


def open_after(conn: Connection, last: int, limit: int) -> list[Incident]:
    """Return open incidents with ids beyond `last`, in the order of their ids."""
    query = select(incident).where(incident.c.resolved_at.is_(None), incident.c.id > last)
    return load(conn, query.order_by(incident.c.id).limit(limit))


def load(conn: Connection, query: Select[Any]) -> list[Incident]:
    """Return the incidents that a query on their table finds, in its order, with their members."""
    rows = conn.execute(query).mappings().all()
    members: dict[int, list[Member]] = {row["id"]: [] for row in rows}
    found = (
        select(member).where(member.c.incident_id.in_(members)).order_by(member.c.since, member.c.monitor_id)
    )
    for row in conn.execute(found) if members else ():
        members[row.incident_id].append(codec.member_row(row))
    return [_incident(row, members[row["id"]]) for row in rows]


def save(conn: Connection, found: Incident, now: float) -> int:
    """Write an incident and its members; return its id, given here where it was 0."""
    return save_all(conn, [found], now)[0]


def save_all(
    conn: Connection, found: Sequence[Incident], now: float, before: Mapping[int, Incident] | None = None
) -> list[int]:
    """Write incidents and their members; return their ids in order, given here where they were 0.

    `before`: incidents as they were read in this transaction, by id, so that only what changed is written.
    """
    members: list[Row] = []
    incident_ids = []
    for each in found:
        known = before.get(each.id) if before else None
        if each.id:
            _update(conn, each)
            _leave(conn, each, known)
        incident_id = each.id or _insert(conn, each, now)
        present = {one.monitor_id: one for one in known.members} if known else {}
        members += [
            _member_row(incident_id, one) for one in each.members if present.get(one.monitor_id) != one
        ]
        incident_ids.append(incident_id)
    _MEMBERS(conn, members)
    return incident_ids


def _update(conn: Connection, found: Incident) -> None:
    conn.execute(
        incident.update()
        .where(incident.c.id == found.id)
        .values(
            title=found.title,
            cause=found.cause,
            severity=found.severity,
            since=found.since,
            resolved_at=found.resolved_at,
            suppressed=list(found.suppressed),
        )
    )


def _leave(conn: Connection, found: Incident, known: Incident | None) -> None:
    kept = {each.monitor_id for each in found.members}
    if known is not None and all(each.monitor_id in kept for each in known.members):
        return
    conn.execute(member.delete().where(member.c.incident_id == found.id, member.c.monitor_id.not_in(kept)))


def _insert(conn: Connection, found: Incident, now: float) -> int:
    row = {
        "group": found.group,
        "dedup_key": found.dedup_key,
        "title": found.title,
        "cause": found.cause,
        "severity": str(found.severity),
        "since": found.since,
        "opened_at": now,
        "resolved_at": found.resolved_at,
        "acknowledged_at": found.acknowledged_at,
        "suppressed": codec.dumps(found.suppressed),
    }
    columns = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join([placeholder(conn)] * len(row))
    made = conn.exec_driver_sql(
        f"INSERT INTO incident ({columns}) VALUES ({marks}) RETURNING id", tuple(row.values())
    )
    return int(made.scalar_one())


def _member_row(incident_id: int, each: Member) -> Row:
    return (
        incident_id,
        each.monitor_id,
        each.name,
        str(each.state),
        str(each.cause),
        codec.clean(each.reason),
        each.since,
        each.resolved_at,
        codec.dumps(each.evidence),
    )


def _incident(row: Any, members: Sequence[Member]) -> Incident:
    return Incident(
        id=row["id"],
        group=row["group"],
        dedup_key=row["dedup_key"],
        title=row["title"],
        cause=row["cause"],
        since=row["since"],
        severity=Severity(row["severity"]),
        resolved_at=row["resolved_at"],
        acknowledged_at=row["acknowledged_at"],
        members=tuple(members),
        suppressed=tuple(row["suppressed"] or ()),
    )
