"""Where each incident was first told on each channel, over restarts and on every node."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sqlalchemy import Connection, delete, select

from checker.store.bulk import placeholder
from checker.store.engine import Store
from checker.store.errors import StoreUnavailable
from checker.store.tables import channel_thread

_log = logging.getLogger(__name__)

KEEP = 365 * 86_400.0  # seconds; an incident that lasts longer begins a new thread


class StoredPosts:
    """The `Posts` of `checker.channels`, in the store. Without it threads break, and no message is lost."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def find(self, channel: str, key: str) -> str:
        """Return what was kept for an incident's dedup key on a channel, "" where nothing was."""
        try:
            return await self._store.read(lambda conn: find(conn, channel, key))
        except StoreUnavailable as error:
            _log.warning("channel %r: told outside its thread: %s", channel, error)
            return ""

    async def keep(self, channel: str, key: str, post: str) -> None:
        """Remember the post; a later one takes its place."""
        now = self._clock()
        try:
            await self._store.write(lambda conn: keep(conn, channel, key, post, now))
        except StoreUnavailable as error:  # it is told: to fail now would tell it twice
            _log.warning("channel %r: what follows will be told outside its thread: %s", channel, error)


def find(conn: Connection, channel: str, key: str) -> str:
    """Return the post of an incident on a channel, "" where none is known."""
    mine = (channel_thread.c.channel == channel) & (channel_thread.c.dedup_key == key)
    return conn.execute(select(channel_thread.c.post).where(mine)).scalar() or ""


def keep(conn: Connection, channel: str, key: str, post: str, now: float) -> None:
    """Write down the post of an incident on a channel, and forget what is older than a year."""
    mark = placeholder(conn)
    conn.exec_driver_sql(
        f"INSERT INTO channel_thread (channel, dedup_key, post, at) VALUES ({mark}, {mark}, {mark}, {mark})"
        " ON CONFLICT (channel, dedup_key) DO UPDATE SET post = excluded.post, at = excluded.at",
        (channel, key, post, now),
    )
    conn.execute(delete(channel_thread).where(channel_thread.c.at < now - KEEP))
