"""What the operator's commands do. They work on the store, whether or not the checker runs."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, make_url
from sqlalchemy.exc import DBAPIError

from checker import export
from checker.config import Config
from checker.config_heartbeat import too_short
from checker.model import Command, Kind, MonitorSpec, MonitorState, Snooze, State
from checker.moments import span, utc
from checker.record import Recorder
from checker.registry import Registry
from checker.rules.usual import usual
from checker.slugs import slug
from checker.status_text import Painter, plain, render
from checker.store import Store, StoreError, door, monitors, operations, snoozes
from checker.store.stands import stands
from checker.store.views import NodeView, Overview, overview
from checker.verdict import as_json as status_json
from checker.verdict import verdict
from healthkit.durations import seconds
from healthkit.errors import ConfigurationError

LONGEST_SNOOZE = 31 * 86_400.0  # seconds; what is longer wants the monitor paused, or gone
ALIVE = 30.0  # seconds since a running checker's last sign


class CommandError(StoreError):
    """The command cannot do what it was asked for; says why and what next."""


class UsageError(CommandError, ConfigurationError):
    """What was typed cannot be meant: a name that there is not, a time that makes no sense."""


@contextmanager
def opened(config: Config) -> Iterator[Store]:
    """Open the store that a checker has made; raises `StoreError` where there is none yet."""
    url = make_url(config.server.database)
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        raise CommandError(
            f"database {url.database}: there is none yet; start the checker once with `healthkit-checker run`"
        )
    store = Store(config.server.database)
    try:
        yield store
    except DBAPIError as error:
        raise CommandError(
            "the database's tables are not those of this version; run `healthkit-checker migrate`"
        ) from error
    finally:
        store.close()


def status(config: Config, *, as_json: bool) -> int:
    """Print what is down, since when and why; return 1 when something is."""
    now = time.time()
    kinds = {channel.name: channel.kind for channel in config.channels}
    with opened(config) as store:
        found = store.read_now(lambda conn: overview(conn, kinds))
        everything = store.read_now(stands) if as_json else []
    node = alive(found, now)
    if as_json:
        print(json.dumps({**status_json(everything), "checker": _node_json(found, node)}, indent=2))
    else:
        sys.stdout.write(render(found, now=now, paint=Painter(sys.stdout.isatty())))
    if node is None:
        seen = f"last seen {span(now - found.nodes[0].seen_at)} ago" if found.nodes else "it never ran"
        print(f"the checker is not running ({seen}): this is the last that it knew", file=sys.stderr)
    return 1 if verdict(found.monitors).word == "down" else 0


def learned_doubts(config: Config) -> list[str]:
    """Return which heartbeats are expected too often for how long they usually run, as far as known."""
    wanted = {spec.name: spec for spec in config.monitors if spec.kind is Kind.HEARTBEAT}
    try:
        with opened(config) as store:
            states = store.read_now(_heartbeat_states)
    except StoreError:
        return []  # it never ran, or the database is away: then nothing was learned
    found = []
    for name, spec in wanted.items():
        known = usual(states[name].durations) if name in states else None
        if known and (doubt := too_short(spec, known)):
            found.append(f'heartbeat "{name}": {doubt} (learned from its last runs)')
    return found


def _heartbeat_states(conn: Connection) -> dict[str, MonitorState]:
    found = [each for each in monitors.load(conn) if each.spec.kind is Kind.HEARTBEAT]
    states = door.load_states(conn, [each.id for each in found])
    return {each.spec.name: states[each.id] for each in found if each.id in states}


def alive(found: Overview, now: float) -> NodeView | None:
    """Return a checker that runs now, as far as the store can tell."""
    return next((node for node in found.nodes if not node.clean_stop and now - node.seen_at < ALIVE), None)


def _node_json(found: Overview, node: NodeView | None) -> dict[str, object]:
    return {"running": node is not None, "seen_at": found.nodes[0].seen_at if found.nodes else None}


def find(registry: Registry, name: str) -> tuple[int, MonitorSpec]:
    """Return the monitor of that full name or slug; raises `UsageError` naming what is near."""
    exact = registry.full_name(name)
    if exact is not None:
        spec = registry.by_id(exact)
        assert spec is not None
        return exact, spec
    matches = [
        (key, spec)
        for key, spec in registry.specs.items()
        if not spec.parent and slug(spec.name) == slug(name)
    ]
    if len(matches) == 1:
        return matches[0]
    known = ", ".join(sorted(spec.full_name for spec in registry.specs.values())[:20])
    raise UsageError(f"no monitor is called {plain(name, 80)!r}; there are: {known or 'none'}")


def operate(config: Config, verb: str, name: str) -> int:
    """Pause or resume a monitor, or acknowledge its incident."""
    now, by = time.time(), user()
    with opened(config) as store:
        registry = Registry(store)
        registry.reload_now()
        if verb == "ack":
            return _acknowledge(store, registry, name, now, by)
        monitor_id, spec = find(registry, name)
        after = asyncio.run(_command(store, registry, monitor_id, Command(verb, now, by)))
    print(f"{spec.full_name} is {'paused' if after is State.PAUSED else 'watched'}")
    return 0


async def _command(store: Store, registry: Registry, monitor_id: int, command: Command) -> State:
    recorder = Recorder(store, registry, time.time)
    done = await recorder.record([(monitor_id, command)])
    return done[0].after.state


def snooze(config: Config, name: str, length: str) -> int:
    """Tell nobody of a monitor for a time; "off" ends that."""
    now = time.time()
    lasting = 0.0 if length == "off" else seconds(length, what="TIME")
    if length != "off" and not 0 < lasting <= LONGEST_SNOOZE:
        raise UsageError("a snooze lasts more than nothing and 31 days at most, such as 2h; off ends it")
    with opened(config) as store:
        registry = Registry(store)
        registry.reload_now()
        monitor_id, spec = find(registry, name)
        if not lasting:
            ended = store.write_now(lambda conn: snoozes.forget(conn, [monitor_id]))
            print(f"{spec.full_name} is told of again" if ended else f"{spec.full_name} was not snoozed")
            return 0
        wanted = Snooze(now + lasting, now, user())
        store.write_now(lambda conn: snoozes.put(conn, [monitor_id], wanted))
    print(f"{spec.full_name} is snoozed until {utc(wanted.until)}: nobody is told of it before")
    return 0


def export_all(config: Config, environ: Mapping[str, str], *, plain: bool) -> int:
    """Print all that is configured as one file, and on stderr which variables it wants."""
    with opened(config) as store:
        others = store.read_now(lambda conn: export.made_elsewhere(conn, config))
    text, variables = export.export(config, others, environ, plain=plain)
    sys.stdout.write(text)
    if variables:
        print(f"variables that it wants: {', '.join(variables)}", file=sys.stderr)
    return 0


def user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"


def _acknowledge(store: Store, registry: Registry, name: str, now: float, by: str) -> int:
    monitor_id, spec = find(registry, name)
    titles = store.write_now(lambda conn: operations.acknowledge(conn, monitor_id, now, by))
    if not titles:
        raise CommandError(f"{spec.full_name} is in no open incident: there is nothing to acknowledge")
    for title in titles:
        print(f"acknowledged: {plain(title)}")
    return 0
