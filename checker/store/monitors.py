"""The monitors there are: what the configuration says, what was found, what was made by a ping."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, select

from checker.components import component_spec
from checker.model import Cause, Change, Kind, MonitorSpec, MonitorState, State
from checker.schedule import Every
from checker.state import initial, respecified
from checker.store import blind, codec, door, news
from checker.store.bulk import among, ids, placeholder
from checker.store.monitor_rows import Monitor, insert, insert_all, load, monitor_of
from checker.store.tables import monitor

__all__ = [
    "DAY",
    "HOUR",
    "Monitor",
    "Synced",
    "auto_spec",
    "create_heartbeat",
    "enter",
    "insert",
    "load",
    "monitor_of",
    "remove",
    "sync",
]

DAY, HOUR = 86_400.0, 3_600.0
CHUNK = 500  # ids in one list of a statement


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync did, by full names: made for a diff that people read."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    revived: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the diff, a line a monitor: `+ added`, `~ changed`, `- removed`, `+ back again`."""
        groups = (
            ("+", self.added, ""),
            ("+", self.revived, " (back again)"),
            ("~", self.changed, ""),
            ("-", self.removed, " (its history is kept)"),
        )
        return [f"{sign} {name}{note}" for sign, names, note in groups for name in names]


def auto_spec(slug: str) -> MonitorSpec:
    """Return what `create=1` makes, as Healthchecks does: once a day, an hour's grace, every channel.

    A start without an end alerts after the grace, too (Healthchecks: min(next expected, last start) + grace).
    """
    return MonitorSpec(
        kind=Kind.HEARTBEAT,
        name=slug,
        slug=slug,
        source="auto",
        schedule=Every(DAY),
        grace=HOUR,
        max_runtime=HOUR,
    )


def sync(conn: Connection, specs: Sequence[MonitorSpec], now: float) -> Synced:
    """Make the rows say what the configuration says.

    New ones are added in their initial state. Of changed ones the specification is replaced and the state
    kept, a new schedule counting from now. Those no longer named are removed, their history kept, and leave
    their incident; those named again come back. Monitors made by a ping or by the API are left alone, unless
    the file now names them.
    """
    names = {(str(spec.kind), spec.name): spec for spec in specs}
    _free_tokens(conn, specs)
    rows = {(row.kind, row.name): row for row in _concerned(conn, specs)}
    slugs = {spec.slug for spec in specs if spec.kind is Kind.HEARTBEAT}
    removed = remove(conn, [row for key, row in rows.items() if _is_to_go(row, key in names, slugs)], now)
    new = [_with_token(spec) for key, spec in names.items() if key not in rows]
    insert_all(conn, new, now)
    told: dict[str, list[str]] = {"added": [spec.name for spec in new], "changed": [], "revived": []}
    for key, row in rows.items():
        if key in names and (what := _put(conn, row, names[key], now)):
            told[what].append(row.name)
    if removed or any(told.values()):
        news.changed(conn, [news.EVERYTHING])
    return Synced(removed=removed, **{what: tuple(each) for what, each in told.items()})


def create_heartbeat(conn: Connection, slug: str, now: float) -> tuple[Monitor, bool]:
    """Return the heartbeat with this slug, and whether it was made now; two at once make one."""
    present = _live_slug(conn, slug)
    if present is None:
        spec = replace(auto_spec(slug), token=str(uuid.uuid4()))
        gone = conn.execute(
            select(monitor).where(
                monitor.c.kind == "heartbeat",
                monitor.c.name == slug,
                monitor.c.parent_id.is_(None),
                monitor.c.removed_at.is_not(None),
            )
        ).first()
        if gone is not None:
            _put(conn, gone, spec, now)
            news.changed(conn, [gone.id])
            return Monitor(gone.id, replace(spec, token=gone.token or spec.token)), True
        made = insert(conn, spec, None, now)
        if made is not None:
            news.changed(conn, [made])
            return Monitor(made, spec), True
        present = _live_slug(conn, slug)  # another node was faster
    if present is None:
        raise LookupError(f"heartbeat {slug!r}: another monitor has this name under another slug")
    return present, False


def remove(
    conn: Connection, rows: Sequence[Any], now: float, reason: str = "removed from the configuration"
) -> tuple[str, ...]:
    """Mark monitors and their components as gone; pause them, so that their incidents let go of them."""
    if not rows:
        return ()
    top = [row.id for row in rows]
    family = [
        found[0]
        for found in conn.exec_driver_sql(
            f"SELECT id FROM monitor WHERE removed_at IS NULL AND {among(conn, 'parent_id')}", ids(conn, top)
        )
    ]
    gone = [*top, *family]
    mark = placeholder(conn)
    conn.exec_driver_sql(
        f"UPDATE monitor SET removed_at = {mark} WHERE {among(conn, 'id')}",
        (now, *ids(conn, gone)),
    )
    states = door.load_states(conn, gone, lock=True)
    changes = [
        Change(
            at=now,
            old=each.state,
            new=State.PAUSED,
            cause=Cause.OPERATOR,
            reason=reason,
            monitor_id=monitor_id,
        )
        for monitor_id, each in states.items()
        if each.state is not State.PAUSED
    ]
    door.insert_changes(conn, [door.change_row(each) for each in changes])
    door.save_states(conn, {monitor_id: _resting(each, reason, now) for monitor_id, each in states.items()})
    return tuple(row.name for row in rows)


def _live_slug(conn: Connection, slug: str) -> Monitor | None:
    row = conn.execute(
        select(monitor).where(
            monitor.c.kind == "heartbeat", monitor.c.slug == slug, monitor.c.removed_at.is_(None)
        )
    ).first()
    return None if row is None else monitor_of(row)


def _free_tokens(conn: Connection, specs: Sequence[MonitorSpec]) -> None:
    """Give a new token to whoever has one that the file now gives to another: a token is one heartbeat's."""
    wanted = {spec.token: spec.name for spec in specs if spec.token}
    if not wanted:
        return
    held = conn.exec_driver_sql(
        f"SELECT id, name, token FROM monitor WHERE {among(conn, 'token')}", ids(conn, wanted)
    )
    for row in held.all():
        if wanted[row.token] != row.name:
            fresh = str(uuid.uuid4())
            conn.execute(monitor.update().where(monitor.c.id == row.id).values(token=fresh))


def _concerned(conn: Connection, specs: Sequence[MonitorSpec]) -> Sequence[Any]:
    """Return the rows that the file made, or names, or wants the slug of: few, though there be a million."""
    found = conn.exec_driver_sql(
        "SELECT id FROM monitor WHERE source = 'file' AND parent_id IS NULL AND removed_at IS NULL"
        f" UNION SELECT id FROM monitor WHERE parent_id IS NULL AND {among(conn, 'name')}"
        " AND kind IN ('endpoint', 'heartbeat')"
        f" UNION SELECT id FROM monitor WHERE kind = 'heartbeat' AND {among(conn, 'slug')}",
        (*ids(conn, {spec.name for spec in specs}), *ids(conn, {spec.slug for spec in specs if spec.slug})),
    )
    return _locked(conn, found.scalars())


def _locked(conn: Connection, monitor_ids: Iterable[int]) -> list[Any]:
    """Return rows by their ids, in order, held until the commit; pings and polls of them are not held up."""
    wanted = sorted(monitor_ids)
    rows: list[Any] = []
    for start in range(0, len(wanted), CHUNK):
        part = monitor.c.id.in_(wanted[start : start + CHUNK])
        rows += conn.execute(
            select(monitor).where(part).order_by(monitor.c.id).with_for_update(key_share=True)
        ).all()
    return rows


def _is_to_go(row: Any, named: bool, slugs: Collection[str]) -> bool:
    """Tell whether a live row goes: no longer in the file, or in the way of a slug that the file wants."""
    if named or row.removed_at is not None:
        return False
    return row.source == "file" or (row.kind == "heartbeat" and row.slug in slugs)


def _put(conn: Connection, row: Any, spec: MonitorSpec, now: float) -> str:
    """Make one row say what `spec` says; return what was done ("" where nothing had to be)."""
    token = spec.token or row.token or (str(uuid.uuid4()) if spec.kind is Kind.HEARTBEAT else None)
    values = {"slug": spec.slug, "token": token, "source": spec.source, "spec": codec.spec_to(spec)}
    before = {"slug": row.slug, "token": row.token, "source": row.source, "spec": row.spec}
    if row.removed_at is None and _same(before, values):
        return ""
    conn.execute(monitor.update().where(monitor.c.id == row.id).values(**values, removed_at=None))
    if row.removed_at is not None:
        _revive(conn, row, spec, now)
        return "revived"
    _respecify(conn, row, spec, now)
    return "changed"


def enter(conn: Connection, gone: Any, spec: MonitorSpec, now: float) -> int | None:
    """Insert an endpoint or heartbeat, or bring back the row that it left behind; return its id."""
    if gone is None:
        return insert(conn, spec, None, now)
    _put(conn, gone, spec, now)
    return int(gone.id)


def _same(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return all(
        codec.dumps(before[key]) == codec.dumps(after[key]) for key in ("slug", "token", "source")
    ) and (_sorted(before["spec"]) == _sorted(after["spec"]))


def _sorted(data: Mapping[str, Any]) -> str:
    return codec.dumps(sorted((key, codec.dumps(value)) for key, value in data.items()))


def _with_token(spec: MonitorSpec) -> MonitorSpec:
    """Return a heartbeat with a token of its own, where the file gives it none."""
    if spec.token or spec.kind is not Kind.HEARTBEAT:
        return spec
    return replace(spec, token=str(uuid.uuid4()))


def _resting(state: MonitorState, reason: str, now: float) -> MonitorState:
    return replace(
        state,
        state=State.PAUSED,
        since=now,
        cause=Cause.OPERATOR,
        reason=reason,
        deadline=None,
        due_at=None,
        runs=(),
        failures=0,
        first_failure=None,
    )


def _revive(conn: Connection, row: Any, spec: MonitorSpec, now: float) -> None:
    """Begin anew, with the count of pings going on; bring back components that went with their endpoint."""
    family = conn.execute(
        select(monitor.c.id, monitor.c.name).where(
            monitor.c.parent_id == row.id, monitor.c.removed_at == row.removed_at
        )
    ).all()
    conn.execute(
        monitor.update().where(monitor.c.id.in_([each.id for each in family])).values(removed_at=None)
    )
    specs = {row.id: spec, **{each.id: component_spec(spec, each.name) for each in family}}
    old = door.load_states(conn, specs, lock=True)
    fresh = {
        key: replace(initial(each, now), pings=old[key].pings if key in old else 0)
        for key, each in specs.items()
    }
    door.save_states(conn, fresh)


def _respecify(conn: Connection, row: Any, spec: MonitorSpec, now: float) -> None:
    """Let what is expected of a monitor count anew from now, under its changed specification."""
    present = blind.load_told(conn, {row.id: spec})
    door.save_states(conn, {key: respecified(spec, each, now) for key, each in present.items()})
