"""When nobody could see: neither up nor down, for any monitor; and which heartbeats know of it by now."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, func, select

from checker.model import Blind, MonitorSpec, MonitorState
from checker.state import caught_up
from checker.store import door
from checker.store.bulk import Insert, placeholder
from checker.store.history_tables import blind, unseen

_PUT = Insert(
    blind, ("node", "start", "end"), 'ON CONFLICT (node, start) DO UPDATE SET "end" = excluded."end"'
)
_MOVE = Insert(unseen, ("start", "end"))


def put(conn: Connection, node: str, start: float, end: float) -> None:
    """Keep that nobody could see from `start` to `end`, as a node found; with the same start, it grew."""
    _PUT(conn, [(node, start, end)])


def move(conn: Connection, start: float, end: float) -> None:
    """Let all deadlines move by this time, each once.

    Where a commit took effect though we heard of an error, the next try comes with the same start: only what
    grew since is added.
    """
    while (
        known := conn.execute(select(func.max(unseen.c.end)).where(unseen.c.start == start)).scalar()
    ) is not None:
        start = float(known)
    if start < end:
        _MOVE(conn, [(start, end)])


def times(conn: Connection, after: int = 0) -> list[Blind]:
    """Return the blind times that deadlines move by, of those with numbers beyond `after`."""
    rows = conn.exec_driver_sql(
        f'SELECT id, start, "end" FROM unseen WHERE id > {placeholder(conn)} ORDER BY id', (after,)
    )
    return [Blind(start, end, number) for number, start, end in rows.fetchall()]


def load_told(conn: Connection, specs: Mapping[int, MonitorSpec]) -> dict[int, MonitorState]:
    """Return states, held until the commit, that were told of every blind time."""
    states = door.load_states(conn, specs, lock=True)
    known = times(conn)
    return {number: caught_up(specs[number], each, known) for number, each in states.items()}


class Times:
    """The blind times that deadlines move by, kept in memory: a look at the store brings what came since."""

    def __init__(self) -> None:
        self._known: list[Blind] = []

    def refresh(self, conn: Connection) -> None:
        """Take in what came since the last look; rows never change, and numbers grow with the commits."""
        self._known += times(conn, self.latest)

    @property
    def latest(self) -> int:
        """The number of the last one; 0 where there never was any."""
        return self._known[-1].number if self._known else 0

    def after(self, told: int) -> Sequence[Blind]:
        """Return those with numbers beyond `told`."""
        return self._known[bisect_right(self._known, told, key=_number) :]


def _number(each: Blind) -> int:
    return each.number


def spans(conn: Connection, start: float, end: float) -> list[tuple[float, float]]:
    """Return the blind times that touch a span, in the order they began; they may overlap."""
    query = select(blind.c.start, blind.c.end).where(blind.c.end > start, blind.c.start < end)
    return [(row[0], row[1]) for row in conn.execute(query.order_by(blind.c.start))]


def since(conn: Connection, last: int) -> tuple[int, float | None]:
    """Return the highest id, and when the earliest of those beyond the id `last` began."""
    found = conn.execute(select(func.max(blind.c.id), func.min(blind.c.start)).where(blind.c.id > last)).one()
    return int(found[0] or last), found[1]
