"""Rolls history up in the background, on one node at a time: raw for days, hours for weeks, days for years.

What comes in costs nothing more for it: rows are read where they lie, once an hour, a few at a time.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from sqlalchemy import Connection

from checker.maintenance import MaintenanceSpec, Window, openings
from checker.rules.uptime import Uptime
from checker.store import Store, StoreUnavailable, blind, nodes, rollups, uptime, windows
from checker.store.nodes import Fenced, Lease
from checker.store.rollups import DAY, HOUR, PINGS, POLLS, Bins, Mark, Source

_log = logging.getLogger(__name__)

NAME = "roller"  # of the lease
TTL = 120.0  # seconds that the lease lasts unless it is prolonged
FIRST = 60.0  # seconds after the start: what was missed meanwhile is written down by then
EVERY = 3_600.0  # seconds between two rounds
SETTLE = 30.0  # seconds after which whatever got an id is committed, or never will be
OVER = 300.0  # seconds after its end from which a day is counted
PAGE = 2_000  # raw rows that one read takes
ROWS, BINS = 1_000_000, 50_000  # rows and bins of one round, at most: what memory holds
PLACES = 300  # hours that one transaction adds to, about
MONITORS = 300  # monitors whose day one transaction counts
KEEP_HOURS = 35 * 24
KEEP_DAYS = 5 * 366
BACK = 366  # days that are counted after the fact, where none ever was
PAUSE = 0.02  # seconds between two transactions, so that others come in between


class Roller:
    """The loop. `maintenance` gives the recurring windows of the configuration."""

    def __init__(
        self,
        store: Store,
        *,
        node: str,
        clock: Callable[[], float],
        maintenance: Callable[[], Sequence[MaintenanceSpec]] = tuple,
        pause: float = PAUSE,
        settle: float = SETTLE,
    ) -> None:
        self._store = store
        self._node = node
        self._clock = clock
        self._maintenance = maintenance
        self._pause = pause
        # On SQLite ids are given in the order of the commits.
        self._settle = settle if store.dialect != "sqlite" else 0.0
        self._lease: Lease | None = None

    async def run(self) -> None:
        """Roll up every hour, for ever."""
        await asyncio.sleep(FIRST)
        while True:
            try:
                await self.once(self._clock())
            except (StoreUnavailable, Fenced) as error:
                _log.warning("history is rolled up later: %s", error)
            await asyncio.sleep(EVERY)

    async def once(self, now: float) -> bool:
        """Roll up all that is there, unless another node does; return whether we did."""
        if not await self._begin(now):
            return False
        for source in (POLLS, PINGS):
            await self._roll(source)
        await self._count_days(now)
        await self._store.write(lambda conn: nodes.release(conn, NAME, self._node))
        return True

    async def _begin(self, now: float) -> bool:
        self._lease = await self._store.write(lambda conn: nodes.acquire(conn, NAME, self._node, now, TTL))
        return self._lease is not None

    def _hold(self, conn: Connection) -> None:
        """Prolong the lease within a transaction that writes under it; raises `Fenced`."""
        held = self._lease
        lease = nodes.acquire(conn, NAME, self._node, self._clock(), TTL)
        if held is None or lease is None or lease.epoch != held.epoch:
            raise Fenced("another node rolls history up now")

    async def _write(self, fn: Callable[[Connection], object]) -> None:
        def held(conn: Connection) -> None:
            self._hold(conn)
            fn(conn)

        await self._store.write(held)
        await asyncio.sleep(self._pause)

    # Looks and runs

    async def _roll(self, source: Source) -> None:
        last = await self._store.read(lambda conn: rollups.head(conn, source))
        if self._settle:
            await asyncio.sleep(self._settle)
        while await self._round(source, last):
            pass

    async def _round(self, source: Source, last: int) -> bool:
        """Add the next rows, up to the id `last`; return whether there may be more."""
        mark = await self._store.read(lambda conn: rollups.mark_of(conn, source))
        if mark.until is None and mark.done >= last:
            return False
        bins, until, at = await self._gather(source, mark, last)
        for chunk in _chunks(bins):
            ahead = replace(mark, until=until, cursor=max(chunk))
            await self._write(functools.partial(_add, source=source, bins=chunk, ahead=ahead))
        done = Mark(done=until, at=at)
        await self._write(lambda conn: rollups.set_mark(conn, source, done))
        return True

    async def _gather(self, source: Source, mark: Mark, last: int) -> tuple[Bins, int, float]:
        """Return the next rows in bins, up to which id they go, and the time of the last of them."""
        limit = last if mark.until is None else mark.until
        bins: Bins = {}
        after, rows, made, at = mark.done, 0, 0, mark.at
        while mark.until is not None or (rows < ROWS and made < BINS):
            read = functools.partial(rollups.read, source=source, after=after, until=limit, limit=PAGE)
            page = await self._store.read(read)
            if not page:
                return bins, limit, at
            made += rollups.gather(bins, page, mark.cursor)
            rows += len(page)
            after, at = page[-1][0], page[-1][2]
            await asyncio.sleep(self._pause / 4)
        return bins, after, at

    # Days

    async def _count_days(self, now: float) -> None:
        """Count every day that is over; those before again in which, as is known now, nobody could see."""
        while (days := await self._store.read(lambda conn: _days(conn, now))) is not None:
            if (days.day + 1) * DAY + OVER > now:
                return
            await self._count_day(days)

    async def _count_day(self, days: _Days) -> None:
        start = days.day * DAY
        oneoffs = await self._store.read(lambda conn: windows.load(conn, start))
        opened = openings(self._maintenance(), start, start + DAY)
        opened += [each.window for each in oneoffs if each.start < start + DAY]
        while (
            part := await self._store.read(functools.partial(_spent, days=days, opened=opened))
        ) is not None:
            days = replace(days, cursor=part.monitor_ids[-1])
            await self._write(functools.partial(_put_day, days=days, part=part))
        over = replace(days, day=days.day + 1, cursor=0)
        await self._write(lambda conn: rollups.save(conn, uptime.DAYS, asdict(over)))


@dataclass(frozen=True, slots=True)
class _Days:
    """The day to count next, the last monitor that has it, and the last blind time that was counted with."""

    day: int
    cursor: int = 0
    blind: int = 0


@dataclass(frozen=True, slots=True)
class _Part:
    """Some monitors, removed ones too, and how those that were there spent the day."""

    monitor_ids: Sequence[int]
    times: Mapping[int, Uptime]


def _chunks(bins: Bins) -> Iterator[Bins]:
    chunk: Bins = {}
    places = 0
    for monitor_id in sorted(bins):
        chunk[monitor_id] = bins[monitor_id]
        places += len(bins[monitor_id])
        if places >= PLACES:
            yield chunk
            chunk, places = {}, 0
    if chunk:
        yield chunk


def _add(conn: Connection, source: Source, bins: Bins, ahead: Mark) -> None:
    rollups.add(conn, bins)
    rollups.set_mark(conn, source, ahead)


def _days(conn: Connection, now: float) -> _Days | None:
    """Return what to count next; None before there is any monitor."""
    known = rollups.load(conn, uptime.DAYS)
    if not known:
        first = rollups.first_made(conn)
        return None if first is None else _Days(max(int(first // DAY), int(now // DAY) - BACK))
    days = _Days(**known)
    last, began = blind.since(conn, days.blind)
    if began is not None and began < days.day * DAY:
        return _Days(max(int(began // DAY), int(now // DAY) - BACK), blind=last)
    return replace(days, blind=last) if began is not None and not days.cursor else days


def _spent(conn: Connection, days: _Days, opened: Sequence[Window]) -> _Part | None:
    """Return how the next monitors spent a day; None when all have it."""
    rows = rollups.everyone(conn, days.cursor, MONITORS)
    if not rows:
        return None
    start, end = days.day * float(DAY), (days.day + 1) * float(DAY)
    names = {
        row.id: f"{row.parent}/{row.name}" if row.parent else row.name
        for row in rows
        if row.created_at < end and (row.removed_at is None or row.removed_at > start)
    }
    return _Part([row.id for row in rows], uptime.from_changes(conn, names, start, end, opened))


def _put_day(conn: Connection, days: _Days, part: _Part) -> None:
    rollups.put_times(conn, days.day, part.times)
    rollups.forget(conn, part.monitor_ids, days.day * DAY // HOUR - KEEP_HOURS, days.day - KEEP_DAYS)
    rollups.save(conn, uptime.DAYS, asdict(days))
