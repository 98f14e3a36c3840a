"""Messages sent on purpose: a channel's test, and the fire drill that goes the whole way of an alert."""

from __future__ import annotations

import asyncio
import sys
import time
import uuid

from sqlalchemy import Connection

from checker.channels import ChannelError, build
from checker.channels._words import moment
from checker.commands import CommandError, UsageError, alive, find, opened, user
from checker.config import Config
from checker.dispatcher import Dispatcher
from checker.http import Http
from checker.model import ChannelSpec, Event, Incident, Kind, Member, MonitorSpec, Notification, Severity
from checker.prove import Seen, prove
from checker.registry import Registry
from checker.routes import addressees
from checker.status_text import plain
from checker.store import Store, door, drills, operations, outbox
from checker.store.channel_threads import StoredPosts
from checker.store.views import overview

DRILL_WITHIN = 30.0  # seconds to wait for a drill's delivery


def test_channel(config: Config, name: str) -> int:
    """Send a test message through a channel now, whether or not the checker runs, and say how it went."""
    spec = next((each for each in config.channels if each.name == name), None)
    if spec is None:
        known = ", ".join(each.name for each in config.channels)
        raise UsageError(f"no channel is called {plain(name, 80)!r}; there are: {known or 'none'}")
    now = time.time()
    error = asyncio.run(_send(spec, _message(Event.TEST, f"Test of channel {name}", (), now, config)))
    if error:
        print(f"channel {name} ({spec.kind}): not delivered: {plain(error)}", file=sys.stderr)
        return 1
    print(f"channel {name} ({spec.kind}): delivered")
    return 0


async def _send(spec: ChannelSpec, notification: Notification) -> str:
    async with Http() as http:
        try:
            await build(spec, http).send(notification, dedup=notification.incident.dedup_key)
        except ChannelError as error:
            return str(error)
    return ""


def _message(
    event: Event, title: str, members: tuple[Member, ...], now: float, config: Config
) -> Notification:
    incident = Incident(
        id=0,
        group=event.value,
        dedup_key=f"healthkit-{event.value}-{uuid.uuid4()}",
        title=title,
        cause=f"{event.value} by {user()}: nothing is wrong",
        since=now,
        severity=Severity.WARNING,
        members=members,
    )
    return Notification(event, incident, now, config.server.public_url or "")


def drill(config: Config, name: str) -> int:
    """Go the whole way of this monitor's alerts, from app to channels; say and keep what was proved."""
    now = time.time()
    with opened(config) as store:
        registry = Registry(store)
        registry.reload_now()
        monitor_id, spec = find(registry, name)
        channels = _channels(config, registry, spec, now)
        if not channels:
            raise CommandError(f"{spec.full_name} has no channel: nobody would be told of its failures")
        message, drill_id = _begin(store, config, monitor_id, spec, channels, now)
        seen = asyncio.run(_seen(store, registry, monitor_id, spec))
        print(f"{spec.full_name} -> checker: {plain(seen.text)}")
        found = asyncio.run(_deliver(store, config, message.incident.dedup_key))
        told = {each.channel: "" if each.sent else _fate(each) for each in found}
        told_at = time.time() if found and not any(told.values()) else None
        store.write_now(
            lambda conn: drills.end(
                conn, drill_id, seen_at=seen.at, seen=seen.text, told_at=told_at, told=told
            )
        )
    for each in found:
        print(f"channel {each.channel}: {_fate(each)}")
    print(_verdict(seen, told_at))
    return 0 if told_at is not None and (seen.at is not None or seen.pending) else 1


def _channels(config: Config, registry: Registry, spec: MonitorSpec, now: float) -> list[str]:
    """Return where a failure would be told now: the monitor's channels, its endpoint's, or the routes'."""
    found = registry.full_name(spec.parent) if spec.parent else None
    parent = registry.by_id(found) if found is not None else None
    wanted = spec.channels if spec.channels is not None or parent is None else parent.channels
    if wanted is None:
        severity = Severity(spec.severity or "critical")
        real = Incident(0, spec.parent or spec.name, "", "", "", now, severity)
        wanted = addressees(config.routes, real, [each for each in (spec, parent) if each])
    return [each.name for each in config.channels if wanted is None or each.name in wanted]


def _begin(
    store: Store, config: Config, monitor_id: int, spec: MonitorSpec, channels: list[str], now: float
) -> tuple[Notification, int]:
    """Owe the drill's message to the channels, and write down that a drill was asked for."""
    state = store.read_now(lambda conn: door.load_states(conn, [monitor_id]))[monitor_id]
    member = Member(monitor_id, spec.full_name, state.state, "fire drill: nothing is wrong", since=now)
    message = _message(Event.DRILL, f"Fire drill: {spec.full_name}", (member,), now, config)

    def begin(conn: Connection) -> int:
        outbox.put(conn, message, channels, now)
        return drills.begin(conn, monitor_id, message.incident.dedup_key, now, user())

    return message, store.write_now(begin)


async def _seen(store: Store, registry: Registry, monitor_id: int, spec: MonitorSpec) -> Seen:
    """Prove the way from the app to the checker: an endpoint is asked, a heartbeat waited for."""
    running = alive(await store.read(lambda conn: overview(conn, {})), time.time()) is not None
    if not running:
        return Seen(None, "not proved: no checker runs")
    if spec.kind is Kind.HEARTBEAT:
        return Seen(None, "waiting for its next ping, which completes the proof", pending=True)
    endpoint = registry.by_id(found) if spec.parent and (found := registry.full_name(spec.parent)) else spec
    state = (await store.read(lambda conn: door.load_states(conn, [monitor_id])))[monitor_id]
    async with Http() as http:
        seen = await prove(http, endpoint or spec, spec.name if spec.parent else "", clock=time.time)
    looks = 3 * (endpoint or spec).every + (endpoint or spec).timeout
    if seen.at is not None and (state.last_seen is None or seen.at - state.last_seen > looks):
        return Seen(None, "not proved: it answers, but the running checker does not look at it")
    return seen


def _verdict(seen: Seen, told_at: float | None) -> str:
    if told_at is None:
        return "not proved: not every channel has delivered"
    if seen.at is not None:
        return f"proved on {moment(max(seen.at, told_at))}"
    return "proved as soon as it pings" if seen.pending else "not proved: the app was not seen"


def _fate(each: operations.Sending) -> str:
    if each.sent:
        return "delivered"
    return f"not delivered after {each.attempts} tries: {plain(each.error) or 'no answer yet'}"


async def _deliver(store: Store, config: Config, key: str) -> list[operations.Sending]:
    """Wait until the running checker has delivered, and deliver ourselves where none runs."""
    kinds: dict[str, str] = {}
    running = alive(await store.read(lambda conn: overview(conn, kinds)), time.time()) is not None
    async with Http() as http:
        posts = StoredPosts(store, time.time)
        channels = {spec.name: build(spec, http, posts=posts) for spec in config.channels}
        sender = Dispatcher(
            store,
            node=f"drill-{uuid.uuid4()}",
            channels=lambda: channels,
            put=asyncio.Event(),
            clock=time.time,
        )
        end = time.monotonic() + DRILL_WITHIN
        while True:
            found = await store.read(lambda conn: operations.sendings(conn, key))
            if all(each.settled for each in found) or time.monotonic() > end:
                return found
            if running:
                await asyncio.sleep(0.1)
            else:
                await sender.once(time.time())
                await asyncio.sleep(0.2)
