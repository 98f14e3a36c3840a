"""How everything stands, and no more of it: for documents that name all monitors, however many they are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Connection

from checker.model import Cause, Kind, State
from checker.store import codec

_ALL = (
    "SELECT monitor.id, monitor.parent_id, monitor.kind, monitor.name, own.state, own.since, own.data"
    " FROM monitor LEFT JOIN monitor_state own ON own.monitor_id = monitor.id"
    " WHERE monitor.removed_at IS NULL"
)


@dataclass(slots=True)
class Stand:
    """Where a live monitor stands, an endpoint with its components (sorted by name).

    `started`: whether a heartbeat's run is under way. Not frozen: that would cost more than reading it.
    """

    name: str
    kind: Kind
    state: State = State.NEW
    since: float = 0.0
    cause: Cause = Cause.NONE
    reason: str = ""
    started: bool = False
    components: tuple[Stand, ...] = ()


def stands(conn: Connection) -> list[Stand]:
    """Return every live endpoint and heartbeat: endpoints first, by name."""
    tops: dict[int, Stand] = {}
    parts: dict[int, list[Stand]] = defaultdict(list)
    for number, parent, kind, name, state, since, data in conn.exec_driver_sql(_ALL):
        stand = Stand(name, Kind(kind))
        if data is not None:
            stand.state, stand.since = State(state), since
            stand.cause, stand.reason, stand.started = codec.why_of(data)
        if parent is None:
            tops[number] = stand
        else:
            parts[parent].append(stand)
    for number in parts.keys() & tops.keys():
        tops[number].components = tuple(sorted(parts[number], key=_name))
    return sorted(tops.values(), key=lambda each: (each.kind is not Kind.ENDPOINT, each.name))


def _name(each: Stand) -> str:
    return each.name
