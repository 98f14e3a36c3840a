"""Read-only queries for the dashboard, `status` and the API. Each takes a `Connection` first; none writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select
from sqlalchemy import text as sa_text

from checker.model import Blind, Change, Incident, Kind, MonitorSpec, MonitorState, Snooze
from checker.rules.snoozing import NOBODY
from checker.state import caught_up
from checker.store import blind, codec, snoozes
from checker.store import incidents as stored
from checker.store.bulk import ids
from checker.store.tables import change, channel_state, incident, member, monitor, node, outbox, ping, state

RECENT = 10  # resolved incidents on the dashboard


@dataclass(frozen=True, slots=True)
class Watched:
    """A monitor as it stands, an endpoint with its components (sorted by name)."""

    id: int
    spec: MonitorSpec
    state: MonitorState
    components: tuple[Watched, ...] = ()
    snoozed_until: float | None = None  # it may be over by now, and not told of yet


@dataclass(frozen=True, slots=True)
class ChannelView:
    """What became of a channel's deliveries; `waiting` counts what is owed and not sent yet."""

    name: str
    kind: str = ""
    broken_since: float | None = None
    last_sent_at: float | None = None
    last_error_at: float | None = None
    last_error: str = ""
    waiting: int = 0

    @property
    def failing(self) -> bool:
        """Whether the last try to deliver failed."""
        return self.last_error_at is not None and self.last_error_at > (self.last_sent_at or 0.0)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One row of the outbox, without what it says."""

    id: int
    incident_id: int | None
    channel: str
    event: str
    created_at: float
    not_before: float
    attempts: int
    sent_at: float | None
    gave_up_at: float | None
    last_error: str

    @property
    def status(self) -> str:
        """One word: "sent", "gave up" or "waiting"."""
        return "sent" if self.sent_at is not None else "gave up" if self.gave_up_at is not None else "waiting"


@dataclass(frozen=True, slots=True)
class NodeView:
    """A checker process that uses this store, by its own last sign."""

    name: str
    started_at: float
    seen_at: float
    clean_stop: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """All that the dashboard shows, read in one transaction."""

    monitors: tuple[Watched, ...]
    open: tuple[Incident, ...] = ()
    recent: tuple[Incident, ...] = ()
    channels: tuple[ChannelView, ...] = ()
    nodes: tuple[NodeView, ...] = ()


def overview(conn: Connection, channels: Mapping[str, str]) -> Overview:
    """Return everything at once; `channels` are the configured ones, name to kind."""
    return Overview(
        monitors=watched(conn),
        open=incidents(conn, resolved=False, limit=200),
        recent=incidents(conn, resolved=True, limit=RECENT),
        channels=channel_views(conn, channels),
        nodes=nodes(conn),
    )


def watched(conn: Connection, only: Iterable[int] | None = None) -> tuple[Watched, ...]:
    """Return every live endpoint (with its components) and heartbeat, or those of these ids.

    Endpoints first, by name.
    """
    if only is None:
        rows = list(conn.execute(_WATCHED))
    else:
        rows = [row for column in ("id", "parent_id") for row in _of(conn, column, list(only))]
    silent, times = snoozes.load(conn), blind.times(conn)
    names = {row.id: row.name for row in rows if row.parent_id is None}
    parts: dict[int, list[Watched]] = defaultdict(list)
    for row in rows:
        if row.parent_id in names:
            parts[row.parent_id].append(_watched(row, names[row.parent_id], (), times, silent))
    tops = (row for row in rows if row.parent_id is None)
    found = (_watched(row, "", sorted(parts[row.id], key=_name), times, silent) for row in tops)
    return tuple(sorted(found, key=lambda each: (each.spec.kind is not Kind.ENDPOINT, _name(each))))


_WATCHED = (
    select(monitor, state.c.state, state.c.since, state.c.deadline, state.c.data, state.c.told)
    .join(state, state.c.monitor_id == monitor.c.id, isouter=True)
    .where(monitor.c.removed_at.is_(None))
)


def _of(conn: Connection, column: str, wanted: Sequence[int]) -> Iterable[Row[Any]]:
    """Return rows by their ids, or by those of their endpoints: one text, however many they are."""
    text = _AMONG[conn.dialect.name].format(column=f"monitor.{column}")
    given = ids(conn, wanted)[0]
    return conn.execute(_WATCHED.where(sa_text(text)), {"wanted": given})


_AMONG = {
    "sqlite": "{column} IN (SELECT value FROM json_each(:wanted))",
    "postgresql": "{column} = ANY(:wanted)",
}


def heartbeats(conn: Connection, monitor_ids: Iterable[int] | None = None) -> tuple[Watched, ...]:
    """Return the live heartbeats (or those of these ids), in the order they were made."""
    query = _WATCHED.where(monitor.c.kind == "heartbeat").order_by(monitor.c.id)
    if monitor_ids is not None:
        query = query.where(monitor.c.id.in_(list(monitor_ids)))
    times = blind.times(conn)
    return tuple(_watched(row, "", (), times) for row in conn.execute(query))


@dataclass(frozen=True, slots=True)
class PingView:
    """A ping as it was kept, without its body: `size` counts the bytes of that."""

    n: int
    at: float
    kind: str
    scheme: str
    method: str
    user_agent: str
    remote: str
    rid: str | None
    duration: float | None
    exit_code: int | None
    size: int


def pings(conn: Connection, monitor_id: int, limit: int) -> tuple[PingView, ...]:
    """Return a heartbeat's last pings, the newest first."""
    names = [name for name in PingView.__dataclass_fields__ if name != "size"]
    size = func.coalesce(func.length(ping.c.body), 0)
    query = select(*(ping.c[name] for name in names), size).where(ping.c.monitor_id == monitor_id)
    return tuple(PingView(*row) for row in conn.execute(query.order_by(ping.c.n.desc()).limit(limit)))


@dataclass(frozen=True, slots=True)
class Output:
    """A ping with the beginning of what it brought."""

    n: int
    at: float
    kind: str
    exit_code: int | None
    duration: float | None
    body: bytes | None


def outputs(conn: Connection, monitor_id: int, limit: int, size: int = 4_000) -> tuple[Output, ...]:
    """Return a heartbeat's last pings, the newest first, with `size` bytes of their bodies at most."""
    body = func.substr(ping.c.body, 1, size)
    query = select(ping.c.n, ping.c.at, ping.c.kind, ping.c.exit_code, ping.c.duration, body)
    rows = conn.execute(query.where(ping.c.monitor_id == monitor_id).order_by(ping.c.n.desc()).limit(limit))
    return tuple(Output(*row[:5], None if row[5] is None else bytes(row[5])) for row in rows)


def ping_body(conn: Connection, monitor_id: int, n: int) -> bytes | None:
    """Return what the ping of that number brought; None where it brought nothing, or is gone."""
    query = select(ping.c.body).where(ping.c.monitor_id == monitor_id, ping.c.n == n)
    found = conn.execute(query).scalar()
    return None if found is None else bytes(found)


def changes(
    conn: Connection, monitor_id: int, *, start: float | None, end: float | None, limit: int
) -> tuple[Change, ...]:
    """Return how a monitor's state changed from `start` to before `end`, the newest first."""
    query = select(change).where(change.c.monitor_id == monitor_id)
    if start is not None:
        query = query.where(change.c.at >= start)
    if end is not None:
        query = query.where(change.c.at < end)
    rows = conn.execute(query.order_by(change.c.id.desc()).limit(limit))
    return tuple(codec.change_of(row) for row in rows)


def _name(each: Watched) -> str:
    return each.spec.name


def _watched(
    row: Row[Any],
    parent: str,
    components: Iterable[Watched],
    times: Sequence[Blind],
    silent: Mapping[int, Snooze] = NOBODY,
) -> Watched:
    spec = codec.spec_of(
        row.spec,
        kind=row.kind,
        name=row.name,
        slug=row.slug,
        token=row.token,
        parent=parent,
        source=row.source,
    )
    known = row.data is not None
    current = MonitorState()
    if known:
        stored = codec.state_of(row.state, row.since, row.deadline, row.data, row.told)
        current = caught_up(spec, stored, times)
    own = (silent.get(row.id), silent.get(row.parent_id))
    quiet = max((each.until for each in own if each is not None), default=None)
    return Watched(row.id, spec, current, tuple(components), quiet)


def incidents(
    conn: Connection, *, resolved: bool | None, limit: int, before: int | None = None
) -> tuple[Incident, ...]:
    """Return incidents with their members, the newest first; `resolved` None means both kinds.

    `before`: only those with lower ids.
    """
    query = select(incident).order_by(incident.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(incident.c.id < before)
    if resolved is not None:
        ended = incident.c.resolved_at
        query = query.where(ended.is_not(None) if resolved else ended.is_(None))
    return _incidents(conn, query)


def _incidents(conn: Connection, query: Select[Any]) -> tuple[Incident, ...]:
    return snoozes.shown(conn, tuple(stored.load(conn, query)))


def incidents_with(conn: Connection, monitor_id: int, limit: int) -> tuple[Incident, ...]:
    """Return the incidents that a monitor was in, the newest first."""
    numbers = (
        select(member.c.incident_id)
        .where(member.c.monitor_id == monitor_id)
        .order_by(member.c.incident_id.desc())
        .limit(limit)
    )
    return _incidents(conn, select(incident).where(incident.c.id.in_(numbers)).order_by(incident.c.id.desc()))


def incident_of(conn: Connection, incident_id: int) -> Incident | None:
    """Return one incident with its members."""
    found = _incidents(conn, select(incident).where(incident.c.id == incident_id))
    return found[0] if found else None


def channel_views(conn: Connection, channels: Mapping[str, str]) -> tuple[ChannelView, ...]:
    """Return the configured channels (name to kind) with what became of their deliveries."""
    states = {row.name: row for row in conn.execute(select(channel_state))}
    waiting = {row[0]: int(row[1]) for row in conn.execute(_waiting())}
    return tuple(
        _channel(name, kind, states.get(name), waiting.get(name, 0)) for name, kind in channels.items()
    )


def _waiting() -> Any:
    owed = outbox.c.sent_at.is_(None) & outbox.c.gave_up_at.is_(None)
    return select(outbox.c.channel, func.count()).where(owed).group_by(outbox.c.channel)


def _channel(name: str, kind: str, row: Row[Any] | None, waiting: int) -> ChannelView:
    if row is None:
        return ChannelView(name, kind, waiting=waiting)
    return ChannelView(
        name=name,
        kind=kind,
        broken_since=row.broken_since,
        last_sent_at=row.last_sent_at,
        last_error_at=row.last_error_at,
        last_error=row.last_error or "",
        waiting=waiting,
    )


def deliveries(conn: Connection, *, limit: int, incident_id: int | None = None) -> tuple[Delivery, ...]:
    """Return the newest rows of the outbox, or those of one incident."""
    names = tuple(Delivery.__dataclass_fields__)
    query = select(*(outbox.c[name] for name in names)).order_by(outbox.c.id.desc()).limit(limit)
    if incident_id is not None:
        query = query.where(outbox.c.incident_id == incident_id)
    rows = conn.execute(query).mappings()
    return tuple(Delivery(**{**row, "last_error": row["last_error"] or ""}) for row in rows)


def nodes(conn: Connection) -> tuple[NodeView, ...]:
    """Return the checker processes that ever used this store, the latest seen first."""
    query = select(node.c.name, node.c.started_at, node.c.seen_at, node.c.clean_stop)
    return tuple(NodeView(*row) for row in conn.execute(query.order_by(node.c.seen_at.desc())))
