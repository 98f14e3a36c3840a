"""The checker's parts put together around one store, with a clock that is turned by hand."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Table, select

from checker.assembler import Assembler, Manner
from checker.channels import ChannelError, Pace
from checker.dispatcher import Dispatcher
from checker.maintenance import MaintenanceSpec
from checker.model import Kind, MonitorSpec, MonitorState, Notification, Ping, PingKind
from checker.record import Recorder
from checker.registry import Registry
from checker.routes import EscalationSpec, RouteSpec
from checker.schedule import Every
from checker.state import caught_up
from checker.store import Store, blind, door, monitors
from checker.watcher import Watcher

NOW = 1_000_000.0

SHOP = MonitorSpec(Kind.ENDPOINT, "shop", url="http://127.0.0.1:1/health")


def heartbeat(name: str, **more: Any) -> MonitorSpec:
    """A heartbeat that is due every minute, with half a minute of grace."""
    return replace(MonitorSpec(Kind.HEARTBEAT, name, slug=name, schedule=Every(60.0), grace=30.0), **more)


def success(at: float = NOW, **more: Any) -> Ping:
    """A sign of success."""
    return replace(Ping(PingKind.SUCCESS, at=at), **more)


def failure(at: float = NOW) -> Ping:
    """A sign of failure."""
    return Ping(PingKind.FAIL, at=at, exit_code=1)


class ListChannel:
    """A channel that collects what it is told; `answer` may raise instead, or wait."""

    def __init__(self, answer: Callable[[Notification], Any] | None = None) -> None:
        self.told: list[Notification] = []
        self.dedups: list[str] = []
        self.calls = 0
        self.answer = answer
        self.pace = Pace()

    @property
    def events(self) -> list[tuple[str, str]]:
        """What was told: (event, group)."""
        return [(str(each.event), each.incident.group) for each in self.told]

    async def send(self, notification: Notification, *, dedup: str) -> None:
        """Collect, unless `answer` has it otherwise."""
        self.calls += 1
        if self.answer is not None:
            found = self.answer(notification)
            if asyncio.iscoroutine(found):
                await found
        self.told.append(notification)
        self.dedups.append(dedup)


def refuse(
    reason: str = "500", permanent: bool = False, retry_after: float | None = None
) -> Callable[..., Any]:
    """An `answer` that raises."""

    def answer(_: Notification) -> None:
        raise ChannelError(reason, permanent, retry_after)

    return answer


class House:
    """A store with monitors in it, and everything that works on them; `turn` is one round of all loops."""

    def __init__(
        self,
        store: Store,
        *specs: MonitorSpec,
        node: str = "node",
        limit: int = 20_000,
        blind_after: float = math.inf,
        blind_since: Callable[[], float | None] = lambda: None,
    ) -> None:
        self.store = store
        self.node = node
        self.now = NOW
        store.write_now(lambda conn: monitors.sync(conn, specs, NOW))
        self.registry = Registry(store)
        self.registry.reload_now()
        self.recorder = Recorder(store, self.registry, self.clock, limit=limit)
        self.put = asyncio.Event()
        self.channels: dict[str, ListChannel] = {"ops": ListChannel()}
        self.maintenance: list[MaintenanceSpec] = []
        self.routes: list[RouteSpec] = []
        self.escalations: list[EscalationSpec] = []
        self.manner = Manner("https://checker.example")
        self.blind_since = blind_since
        self.watcher = Watcher(
            store,
            self.registry,
            self.recorder,
            node=node,
            clock=self.clock,
            blind_after=blind_after,
            blind_since=blind_since,
        )
        self.assembler = self.make_assembler(node)
        self.dispatcher = self.make_dispatcher(node)

    def clock(self) -> float:
        """The time, as it is set."""
        return self.now

    def make_assembler(self, node: str) -> Assembler:
        """Another node's assembler."""
        return Assembler(
            self.store,
            self.registry,
            node=node,
            channels=lambda: list(self.channels),
            maintenance=lambda: self.maintenance,
            manner=lambda: self.manner,
            changed=self.recorder.changed,
            put=self.put,
            clock=self.clock,
            blind_since=self.blind_since,
            routes=lambda: self.routes,
            escalations=lambda: self.escalations,
        )

    def make_dispatcher(self, node: str) -> Dispatcher:
        """Another node's dispatcher."""
        return Dispatcher(
            self.store,
            node=node,
            channels=lambda: self.channels,
            put=self.put,
            clock=self.clock,
            chance=lambda: 1.0,
        )

    async def ping(self, name: str, sign: Ping | None = None) -> None:
        """Let a heartbeat give a sign, now."""
        await self.recorder.record([(self.id(name), sign or success(self.now))])

    async def turn(self, now: float | None = None) -> None:
        """Watch, judge and tell once, at `now`."""
        if now is not None:
            self.now = now
        await self.watcher.once(self.now)
        await self.assembler.once(self.now)
        await self.dispatcher.once(self.now)

    def id(self, name: str) -> int:
        """The id of the monitor of this full name."""
        found = self.registry.full_name(name)
        assert found is not None, name
        return found

    def state(self, name: str) -> MonitorState:
        """A monitor's state, as it is shown: with every blind time behind it."""
        monitor_id = self.id(name)
        spec = self.registry.specs[monitor_id]
        stored = self.store.read_now(lambda conn: door.load_states(conn, [monitor_id]))[monitor_id]
        return caught_up(spec, stored, self.store.read_now(blind.times))

    def rows(self, table: Table, *columns: str) -> Sequence[tuple[Any, ...]]:
        """A table's columns, in the order of its key."""
        query = select(*[table.c[name] for name in columns]).order_by(*table.primary_key.columns)
        return [tuple(row) for row in self.store.read_now(lambda conn: conn.execute(query).all())]
