"""Messages sent on purpose: a channel's test, and the fire drill that goes the whole way of an alert."""

from __future__ import annotations

import asyncio
import sys
import time
import uuid

from checker.channels import ChannelError, build
from checker.commands import CommandError, alive, find, opened, user
from checker.config import Config
from checker.dispatcher import Dispatcher
from checker.http import Http
from checker.model import ChannelSpec, Event, Incident, Member, Notification, Severity
from checker.registry import Registry
from checker.status_text import plain
from checker.store import Store, door, operations, outbox
from checker.store.channel_threads import StoredPosts
from checker.store.views import overview

DRILL_WITHIN = 30.0  # seconds to wait for a drill's delivery


def test_channel(config: Config, name: str) -> int:
    """Send a test message through a channel now, whether or not the checker runs, and say how it went."""
    spec = next((each for each in config.channels if each.name == name), None)
    if spec is None:
        known = ", ".join(each.name for each in config.channels)
        raise CommandError(f"no channel is called {plain(name, 80)!r}; there are: {known or 'none'}")
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
    """Send a fire drill the way this monitor's alerts go, outbox and all; say who was reached."""
    now = time.time()
    with opened(config) as store:
        registry = Registry(store)
        registry.reload_now()
        monitor_id, spec = find(registry, name)
        channels = [
            each.name for each in config.channels if spec.channels is None or each.name in spec.channels
        ]
        if not channels:
            raise CommandError(f"{spec.full_name} has no channel: nobody would be told of its failures")
        state = store.read_now(lambda conn: door.load_states(conn, [monitor_id]))[monitor_id]
        member = Member(monitor_id, spec.full_name, state.state, "fire drill: nothing is wrong", since=now)
        message = _message(Event.DRILL, f"Fire drill: {spec.full_name}", (member,), now, config)
        store.write_now(lambda conn: outbox.put(conn, message, channels, now))
        found = asyncio.run(_deliver(store, config, message.incident.dedup_key))
    for each in found:
        print(f"channel {each.channel}: {_fate(each)}")
    return 0 if all(each.sent for each in found) else 1


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
