"""Sends what the outbox owes: claim under a lease, send outside any transaction, mark under a fence.

Nothing is marked before it is sent, so a crash repeats a notification at worst (its dedup key makes that
harmless) and loses none. Channels do not wait for each other; within a channel, rows of one incident keep
their order.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from checker.channels import ChannelError, Pace
from checker.model import Event, Incident, Notification
from checker.store import Store, StoreUnavailable, outbox
from checker.store.outbox import ChannelState, Claimed

_log = logging.getLogger(__name__)

SEND_LIMIT = 60.0  # seconds a channel may take, retries of its own included
LEASE = 90.0  # seconds a claim holds: longer than any send
LOOK = 0.5  # seconds between two looks for rows whose time has come
LONGEST_BACKOFF = 300.0  # seconds
BROKEN_PAUSE = 60.0  # seconds between two tries of a broken channel
GIVE_UP = 86_400.0  # seconds after which a notification is given up, visibly
REFUSALS = 5  # a row refused so often, while others got through, is itself the trouble


class Channel(Protocol):
    """The part of `checker.channels.Channel` that is needed here."""

    @property
    def pace(self) -> Pace:
        """How fast it may be used; one send at a time while it is broken."""

    async def send(self, notification: Notification, *, dedup: str) -> None:
        """Tell; raises `ChannelError`."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a send ended: `error` is None when it succeeded."""

    row: Claimed
    error: ChannelError | None = None


class Dispatcher:
    """The telling loop. `put` wakes it; `channels` gives the built channels, as configured now."""

    def __init__(
        self,
        store: Store,
        *,
        node: str,
        channels: Callable[[], Mapping[str, Channel]],
        put: asyncio.Event,
        clock: Callable[[], float],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._node = node
        self._channels = channels
        self._put = put
        self._clock = clock
        self._chance = chance
        self.turned_at: float | None = None  # when the loop last got through
        self._flying: dict[int, Claimed] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._landed: list[_Outcome] = []  # ended, and not yet written down
        self._resume: dict[str, float] = {}  # channels that asked for a pause, and until when
        self._states: dict[str, ChannelState] = {}
        self._expired: float | None = None
        self._paces: dict[str, float] = {}  # until when each channel's pace is used up

    async def run(self) -> None:
        """Send whatever is owed, for ever; rows of an earlier life of this node are sent at once."""
        await self.recover()
        while True:
            self._put.clear()
            try:
                await self._turn(self._clock(), claim=True)
                self.turned_at = self._clock()
            except StoreUnavailable as error:
                _log.warning("notifications wait: %s", error)
                await asyncio.sleep(LOOK)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._put.wait(), LOOK)

    async def recover(self) -> int:
        """Free what an earlier life of this node was sending when it died; return how many rows that were."""
        try:
            return await self._store.write(lambda conn: outbox.reclaim(conn, self._node))
        except StoreUnavailable as error:
            _log.warning("leases of an earlier life run out by themselves: %s", error)
            return 0

    async def once(self, now: float) -> int:
        """Claim what is due, send it, and write down how it went; return how many sends that were."""
        count = await self._turn(now, claim=True)
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._turn(now, claim=False)
        return count

    async def stop(self, timeout: float = 3.0) -> None:
        """Wait for sends in flight, write down how they ended; the rest is sent after the next start."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout)
            for task in late:
                task.cancel()
        await self._turn(self._clock(), claim=False)

    async def _turn(self, now: float, *, claim: bool) -> int:
        """Write down what landed and claim what is due, in one transaction."""
        landed, self._landed = self._landed, []
        free = self._free(now, landed) if claim else {}
        try:
            claimed = await self._store.write(lambda conn: self._transact(conn, landed, free, now))
        except BaseException:
            self._landed = landed + self._landed  # written down with the next turn: a send is never forgotten
            raise
        for outcome in landed:
            self._flying.pop(outcome.row.id, None)
        for row in claimed:
            self._flying[row.id] = row
            self._use(row.channel, now)
            task = asyncio.create_task(self._send(row), name=f"send-{row.id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(claimed)

    def _free(self, now: float, landed: list[_Outcome]) -> dict[str, int]:
        """Return how many sends each channel may begin."""
        settled = {outcome.row.id for outcome in landed}
        flying = [row.channel for row in self._flying.values() if row.id not in settled]
        free: dict[str, int] = {}
        for name, channel in self._channels().items():
            broken = self._states.get(name, ChannelState()).broken_since is not None
            room = (1 if broken else channel.pace.at_once) - flying.count(name)
            if channel.pace.every:
                room = min(room, self._room(name, channel.pace, now))
            if room > 0 and self._resume.get(name, 0.0) <= now:
                free[name] = room
        return free

    def _room(self, name: str, pace: Pace, now: float) -> int:
        """Return how many sends the channel's pace has left: what is not used is saved, up to a burst."""
        ahead = max(0.0, self._paces.get(name, 0.0) - now)
        return max(0, math.floor(pace.burst - ahead / pace.every + 1e-9))

    def _use(self, name: str, now: float) -> None:
        channel = self._channels().get(name)
        if channel is not None and channel.pace.every:
            self._paces[name] = max(now, self._paces.get(name, 0.0)) + channel.pace.every

    def _transact(
        self, conn: Connection, landed: list[_Outcome], free: Mapping[str, int], now: float
    ) -> list[Claimed]:
        if landed or self._expired is None:
            self._states = outbox.channel_states(conn)
        self._settle_all(conn, landed, now)
        if self._expired is None or now - self._expired > SEND_LIMIT:
            self._expire(conn, now)
        claimed: list[Claimed] = []
        for name, room in free.items():
            claimed += outbox.claim(
                conn, name, self._node, now, until=now + LEASE, limit=room, without=self._flying.keys()
            )
        return claimed

    def _expire(self, conn: Connection, now: float) -> None:
        count = outbox.expire(conn, now - GIVE_UP, now)
        if count:
            _log.error(
                "%d notifications were given up: nobody could be told for %d h", count, GIVE_UP // 3600
            )
        self._expired = now

    async def _send(self, row: Claimed) -> None:
        error: ChannelError | None = None
        try:
            channel = self._channels()[row.channel]
            async with asyncio.timeout(SEND_LIMIT):
                await channel.send(row.notification, dedup=f"{row.dedup_key}:{row.id}")
        except ChannelError as failure:
            error = failure
        except TimeoutError:
            error = ChannelError(f"no answer within {SEND_LIMIT:g} s")
        except KeyError:
            error = ChannelError("the channel was taken out of the configuration")
        except Exception as failure:  # noqa: BLE001 - a channel's code must not stop the telling
            _log.error("channel %r raised", row.channel, exc_info=failure)
            error = ChannelError(type(failure).__name__)
        self._landed.append(_Outcome(row, error))
        self._put.set()

    def _settle_all(self, conn: Connection, landed: list[_Outcome], now: float) -> None:
        """Write down how sends ended: at once where a channel delivered all, else in order."""
        failing = {outcome.row.channel for outcome in landed if outcome.error is not None}
        sent = [outcome.row for outcome in landed if outcome.row.channel not in failing]
        if sent:
            mine = outbox.mark_all_sent(conn, sent, now)
            for row in sent:
                if row.id not in mine:
                    _warn_fenced(row)
            for name in dict.fromkeys(row.channel for row in sent):
                self._worked(conn, name, now)
        for outcome in landed:
            if outcome.row.channel in failing:
                self._settle(conn, outcome, now)

    def _settle(self, conn: Connection, outcome: _Outcome, now: float) -> None:
        row, error = outcome.row, outcome.error
        if error is None:
            fenced = not outbox.mark_sent(conn, row, now)
            self._worked(conn, row.channel, now)
        else:
            fenced = not self._failed(conn, row, error, now)
        if fenced:
            _warn_fenced(row)

    def _worked(self, conn: Connection, name: str, now: float) -> None:
        broken_since = self._states.get(name, ChannelState()).broken_since
        outbox.channel_worked(conn, name, now)
        self._states[name] = ChannelState(None, now)
        self._resume.pop(name, None)
        if broken_since is not None:
            _log.warning("channel %r works again", name)
            outbox.hurry(conn, name, now)
            self._tell_others(conn, name, "", broken_since, now)

    def _failed(self, conn: Connection, row: Claimed, error: ChannelError, now: float) -> bool:
        reason = str(error)
        state = self._states.get(row.channel, ChannelState())
        others_got_through = state.last_sent_at is not None and state.last_sent_at > row.created_at
        refused = error.permanent and row.attempts >= REFUSALS and others_got_through
        if now - row.created_at >= GIVE_UP or refused:
            _log.error("notification %d to channel %r was given up: %s", row.id, row.channel, reason)
            return outbox.give_up(conn, row, now, reason)
        if error.permanent and state.broken_since is None:
            _log.error("channel %r is broken: %s", row.channel, reason)
            self._tell_others(conn, row.channel, reason, now, now)
            state = ChannelState(now, state.last_sent_at)
            self._states[row.channel] = state
        outbox.channel_failed(conn, row.channel, now, reason, broken_since=state.broken_since)
        pause = self._pause(row, error)
        if error.retry_after is not None or error.permanent:
            self._resume[row.channel] = now + pause
        return outbox.mark_failed(conn, row, not_before=now + pause, error=reason)

    def _pause(self, row: Claimed, error: ChannelError) -> float:
        """Return for how many seconds to wait: what the far side asks for, else doubling, with jitter."""
        if error.retry_after is not None:
            return min(max(error.retry_after, 0.0), GIVE_UP / 24)
        jitter = 0.5 + self._chance() / 2
        if error.permanent:
            return BROKEN_PAUSE * jitter
        return min(2.0 ** min(row.attempts - 1, 10), LONGEST_BACKOFF) * jitter

    def _tell_others(self, conn: Connection, name: str, reason: str, since: float, now: float) -> None:
        """Tell the channels that work that this one does not, or (no reason) that it does again."""
        others = [
            each
            for each in self._channels()
            if each != name and self._states.get(each, ChannelState()).broken_since is None
        ]
        incident = Incident(
            id=0,
            group=f"channel:{name}",
            dedup_key=f"healthkit-channel:{name}:{since:.3f}"[:255],
            title=f"channel {name} {'is broken' if reason else 'works again'}",
            cause=reason,
            since=since,
            resolved_at=None if reason else now,
        )
        event = Event.OPENED if reason else Event.RESOLVED
        outbox.put(conn, Notification(event, incident, now), others, now)


def _warn_fenced(row: Claimed) -> None:
    _log.warning("notification %d: another node has claimed it meanwhile", row.id)
