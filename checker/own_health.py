"""The checker's own `/health`: it really writes, its loops turn, its channels deliver, its file holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from checker.config import Config
from checker.store import Store, StoreError, drills
from checker.store.tables import lease
from checker.store.views import ChannelView, channel_views
from checker.supervisor import LoopState, Supervisor
from healthkit.durations import humanize
from healthkit.errors import Fail, Warn
from healthkit.health import Health

STALE = 30.0  # seconds without a sign of a loop that should turn every second or so
VITAL = "vital"  # the tag of what must pass for the dead man's switch to get its sign
LATE = 600.0  # seconds a notification may wait before it is worth a warning


class OwnHealth:
    """Builds the `Health` of a running checker."""

    def __init__(
        self,
        *,
        store: Store,
        node: str,
        clock: Callable[[], float],
        config: Callable[[], Config],
        supervisor: Supervisor,
        reload_error: Callable[[], str],
        version: str,
    ) -> None:
        self.store = store
        self.node = node
        self.clock = clock
        self.config = config
        self.supervisor = supervisor
        self.reload_error = reload_error
        self.health = Health("healthkit-checker", version=version, clock=clock)
        self._register()

    def _register(self) -> None:
        add = self.health.add
        add(self.writes, name="store", measurement="write", timeout=12, fresh_for=1, tags=(VITAL,))
        add(self.loops, name="loops", measurement="progress", timeout=2, fresh_for=1, tags=(VITAL,))
        add(self.channels, name="channels", measurement="delivery", timeout=12, fresh_for=2, critical=False)
        add(self.proofs, name="drills", measurement="proof", timeout=12, fresh_for=30, critical=False)
        add(self.configuration, name="config", measurement="reload", timeout=2, critical=False)

    def writes(self) -> None:
        """Commit a write, as a ping would."""
        try:
            self.store.write_now(self._sign)
        except StoreError as error:
            raise Fail(str(error)) from error

    def _sign(self, conn: Connection) -> None:
        """Write a row of its own: the row that tells when this node last could see belongs to the watcher."""
        name, values = f"health:{self.node}"[:64], {"owner": self.node, "until": self.clock()}
        if conn.execute(lease.update().where(lease.c.name == name).values(values)).rowcount == 0:
            conn.execute(lease.insert().values(name=name, epoch=0, **values))

    def loops(self) -> dict[str, Any]:
        """Tell whether every loop runs."""
        bad = self.supervisor.recent(within=STALE)
        if bad:
            now = self.clock()
            names = ", ".join(f"{state.name} ({_why(state, now)})" for state in bad)
            raise Fail(f"not turning: {names}")
        return {state.name: state.failures for state in self.supervisor.loops.values()}

    def channels(self) -> int:
        """Return how many notifications wait; a broken channel is a warning: nobody hears its silence."""
        kinds = {channel.name: channel.kind for channel in self.config().channels}
        try:
            found = self.store.read_now(lambda conn: channel_views(conn, kinds))
        except StoreError as error:
            raise Warn("the outbox cannot be read") from error
        waiting = sum(each.waiting for each in found)
        trouble = [text for each in found if (text := _trouble(each))]
        if trouble:
            raise Warn("; ".join(trouble), value=waiting)
        if not kinds:
            raise Warn("no channel is configured: nobody is told", value=waiting)
        return waiting

    def proofs(self) -> int:
        """Return how many endpoints and heartbeats no fire drill has proved for too long."""
        every = self.config().server.prove_every
        if every is None:
            return 0
        before = self.clock() - every
        try:
            found = self.store.read_now(lambda conn: drills.unproved(conn, before))
        except StoreError as error:
            raise Warn("the drills cannot be read") from error
        if found:
            said = f"not proved within {humanize(every)}: {drills.names(found)}"
            raise Warn(f"{said}; run `healthkit-checker drill NAME`", value=len(found))
        return 0

    def configuration(self) -> None:
        """Tell whether the file as it is now could be read."""
        error = self.reload_error()
        if error:
            raise Warn(f"the file was changed and cannot be used, the old one keeps running: {error}")


def _why(state: LoopState, now: float) -> str:
    if not state.running:
        return state.error or "not running"
    return f"no turn for {humanize(still)}" if (still := state.still_for(now)) > STALE else state.error


def _trouble(channel: ChannelView) -> str:
    if channel.broken_since is not None:
        return f"channel {channel.name!r} is broken: {channel.last_error}"
    if channel.failing and channel.waiting:
        return f"channel {channel.name!r}: {channel.waiting} waiting, last error: {channel.last_error}"
    return ""
