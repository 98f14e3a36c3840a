"""One-off maintenance windows: announced by the API, kept in a table, and at hand in memory."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from checker.maintenance import MaintenanceSpec, Window
from checker.schedule import OnCalendar
from checker.store.engine import Store
from checker.store.errors import StoreUnavailable
from checker.store.tables import maintenance

_log = logging.getLogger(__name__)

EVERY = 5.0  # seconds between two looks for windows that another node took in
KEPT = 86_400.0  # seconds that a window which is over still excuses what fell in it


@dataclass(frozen=True, slots=True)
class OneOff:
    """A window that opens once, from `start` up to and without `end` (epoch seconds)."""

    name: str
    start: float
    end: float
    monitors: tuple[str, ...] = ("*",)
    description: str = ""
    created_at: float = 0.0
    id: int = 0

    @property
    def spec(self) -> MaintenanceSpec:
        """The window as judgement knows it; it opens on the whole second."""
        start = math.floor(self.start)
        moment = f"{datetime.fromtimestamp(start, UTC):%Y-%m-%d %H:%M:%S}"
        schedule = OnCalendar(moment, "UTC")
        return MaintenanceSpec(self.name, schedule, self.end - start, self.monitors, self.description)

    @property
    def window(self) -> Window:
        """Its one opening."""
        return Window(self.spec, self.start, self.end)


def insert(conn: Connection, window: OneOff) -> OneOff:
    """Keep a window, and return it with its id."""
    made = conn.execute(
        maintenance.insert()
        .values(
            name=window.name,
            start=window.start,
            end=window.end,
            monitors=list(window.monitors),
            description=window.description,
            created_at=window.created_at,
        )
        .returning(maintenance.c.id)
    ).scalar_one()
    return _one_off(conn.execute(select(maintenance).where(maintenance.c.id == made)).one())


def delete(conn: Connection, window_id: int) -> bool:
    """Forget a window; tell whether it was there."""
    return conn.execute(maintenance.delete().where(maintenance.c.id == window_id)).rowcount > 0


def load(conn: Connection, after: float, limit: int = 10_000) -> tuple[OneOff, ...]:
    """Return the windows that end after a moment, in the order they open."""
    query = select(maintenance).where(maintenance.c.end > after).order_by(maintenance.c.start)
    return tuple(_one_off(row) for row in conn.execute(query.limit(limit)))


class Windows:
    """The one-off windows at hand, kept in step with the store."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._known: tuple[OneOff, ...] = ()

    def open(self) -> Sequence[MaintenanceSpec]:
        """Return those that are open now, or were not long ago: what judgement asks for, from any thread."""
        now = self._clock()
        return [each.spec for each in self._known if each.start <= now < each.end + KEPT]

    async def reload(self) -> None:
        """Read them anew. Raises `StoreUnavailable`."""
        now = self._clock()
        self._known = await self._store.read(lambda conn: load(conn, now - KEPT))

    async def run(self) -> None:
        """Read them anew every few seconds, for ever."""
        while True:
            try:
                await self.reload()
            except StoreUnavailable as error:
                _log.warning("maintenance windows are those known before: %s", error)
            await asyncio.sleep(EVERY)


def _one_off(row: Any) -> OneOff:
    return OneOff(
        name=row.name,
        start=row.start,
        end=row.end,
        monitors=tuple(row.monitors),
        description=row.description,
        created_at=row.created_at,
        id=row.id,
    )
