"""The monitors in memory: what the hot paths look up, loaded from the store and kept in step with it.

Endpoints, their components and whatever changed lately are objects in dictionaries (`Index`); the heartbeats
that were read from the store, of which there may be a million, lie packed beside them (`Shelf`). Who is among
`gone` is no longer what the shelf says.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from checker.model import Kind, MonitorSpec
from checker.registry.index import Index
from checker.registry.shelf import Shelf
from checker.store import Store, StoreUnavailable, door, monitor_rows, monitors
from checker.store.monitor_rows import Monitor

_log = logging.getLogger(__name__)

EVERY = 60.0  # seconds between two looks at how much came since
CROWDED = 20_000  # heartbeats that may lie beside the shelf before all is packed anew


@dataclass(slots=True)
class _Held:
    """All that is known, exchanged as a whole: a reader in another thread sees the old or the new."""

    index: Index = field(default_factory=Index)
    shelf: Shelf = field(default_factory=Shelf)
    gone: set[int] = field(default_factory=set)  # ids that are no longer what the shelf says

    def spec(self, monitor_id: int) -> MonitorSpec | None:
        found = self.index.specs.get(monitor_id)
        if found is None and monitor_id not in self.gone:
            found = self.shelf.by_id(monitor_id)
        return found

    def only(self, here: int | None, shelved: Callable[[], Iterable[int]]) -> int | None:
        """Return the id that the index knows, or the one on the shelf that still holds."""
        if here is not None:
            return here
        return next((each for each in shelved() if each not in self.gone), None)


class Registry:
    """All live monitors by id, token, slug and name; lookups may come from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held = _Held()
        self._reading = asyncio.Lock()
        self._missed: list[Callable[[], None]] | None = None  # what changes while all is read anew
        self._endpoints: list[tuple[int, MonitorSpec]] | None = None

    async def reload(self) -> None:
        """Read all monitors anew: at start, and when very many were made since."""
        async with self._reading:
            self._missed = []
            try:
                held = _held(await self._store.read(monitor_rows.endpoints))
                while rows := await self._store.read(held.shelf.next_rows):
                    held.shelf.extend(rows)
                for _ in held.shelf.finish():
                    await asyncio.sleep(0)
                self._take(held)
            finally:
                self._missed = None

    def reload_now(self) -> None:
        """Like `reload`, for callers without an event loop."""
        held = _held(self._store.read_now(monitor_rows.endpoints))
        while rows := self._store.read_now(held.shelf.next_rows):
            held.shelf.extend(rows)
        for _ in held.shelf.finish():
            pass
        self._take(held)

    async def run(self) -> None:
        """Pack anew what came since, once that is much; for ever."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                if self.is_crowded():
                    await self.reload()
            except StoreUnavailable as error:
                _log.info("the monitors stay as they are: %s", error)

    def is_crowded(self) -> bool:
        """Tell whether very many heartbeats were made or changed since all were read."""
        return len(self._held.index.tokens) > max(CROWDED, len(self._held.shelf) // 4)

    def by_id(self, monitor_id: int) -> MonitorSpec | None:
        """Return the specification of a live monitor."""
        return self._held.spec(monitor_id)

    def by_token(self, token: str) -> tuple[int, MonitorSpec] | None:
        """Return the heartbeat with this uuid (lower case, with dashes), or this token of its own."""
        held = self._held
        return self._known(held.only(held.index.tokens.get(token), lambda: held.shelf.tokens(token)))

    def by_slug(self, slug: str) -> tuple[int, MonitorSpec] | None:
        """Return the heartbeat with this slug; None also where several have it."""
        found = self._with_slug(slug)
        return self._known(found[0]) if len(found) == 1 else None

    def is_ambiguous(self, slug: str) -> bool:
        """Tell whether several heartbeats have this slug: the API may make such ones."""
        return len(self._with_slug(slug)) > 1

    def by_unique_key(self, key: str) -> tuple[int, MonitorSpec] | None:
        """Return the heartbeat with this unique key, see `unique_key`."""
        held = self._held
        return self._known(held.only(held.index.id_of_unique_key(key), lambda: held.shelf.unique_keys(key)))

    def full_name(self, name: str) -> int | None:
        """Return the id of the monitor with this full name, such as `shop` or `shop/database:write`."""
        held = self._held
        return held.only(held.index.names.get(name), lambda: held.shelf.names(name))

    def component(self, endpoint_id: int, key: str) -> int | None:
        """Return the id of an endpoint's component."""
        return self._held.index.components.get(endpoint_id, {}).get(key)

    def components(self, endpoint_id: int) -> Mapping[str, int]:
        """Return an endpoint's components: key -> id."""
        return MappingProxyType(self._held.index.components.get(endpoint_id, {}))

    def endpoints(self) -> list[tuple[int, MonitorSpec]]:
        """Return all live endpoints: the same list, until one of them changes."""
        if self._endpoints is None:
            self._endpoints = list(self._held.index.endpoints.items())
        return self._endpoints

    def heartbeats(self) -> list[tuple[int, MonitorSpec]]:
        """Return all live heartbeats; each is made an object for it: `heartbeat_ids` costs less."""
        return [found for each in self.heartbeat_ids() if (found := self._known(each)) is not None]

    def heartbeat_ids(self) -> list[int]:
        """Return the ids of all live heartbeats."""
        held = self._held
        shelved = [each for each in held.shelf.ids if each not in held.gone] if held.gone else held.shelf.ids
        return [*shelved, *(each for each, spec in _copy(held.index.specs) if spec.kind is Kind.HEARTBEAT)]

    def heartbeat_tags(self) -> set[str]:
        """Return the tags that heartbeats have."""
        held = self._held
        found = held.shelf.tags(held.gone)
        return found.union(*(spec.tags for _, spec in _copy(held.index.specs) if spec.kind is Kind.HEARTBEAT))

    def tagged(self, tag: str) -> list[int]:
        """Return the ids of the endpoints, components and heartbeats that have a tag."""
        held = self._held
        shelved = [each for each in held.shelf.tagged(tag) if each not in held.gone]
        return [*shelved, *(each for each, spec in _copy(held.index.specs) if tag in spec.tags)]

    @property
    def specs(self) -> Mapping[int, MonitorSpec]:
        """All live monitors: id -> specification. A view: it changes as monitors come and go."""
        return _Specs(self._held)

    def related(self, monitor_ids: Iterable[int]) -> set[int]:
        """Return these monitors, all of their groups, what they depend on or share, or depends on them."""
        held = self._held
        found: set[int] = set()
        todo = list(monitor_ids)
        while todo:
            each = todo.pop()
            if each not in found and (spec := held.spec(each)) is not None:
                found.add(each)
                todo.extend(self._neighbours(held, each, spec))
        return found

    async def paused(self) -> set[int]:
        """Return the endpoints that an operator has paused, as the store has it now."""
        endpoints = list(self._held.index.endpoints)
        return await self._store.read(lambda conn: door.paused(conn, endpoints))

    async def create_heartbeat(self, slug: str, now: float) -> tuple[int, MonitorSpec, bool]:
        """Return the heartbeat with this slug, and whether this call made it; two calls at once make one."""
        present = self.by_slug(slug)
        if present is not None:
            return (*present, False)
        if self.is_ambiguous(slug):
            raise LookupError(f"heartbeat {slug!r}: several monitors have this slug")
        made, new = await self._store.write(lambda conn: monitors.create_heartbeat(conn, slug, now))
        self.put(made)
        return made.id, made.spec, new

    def add(self, monitor: Monitor) -> None:
        """Take in a monitor that was committed just now."""
        self.put(monitor)

    def put(self, monitor: Monitor) -> None:
        """Take in a monitor that was made or changed just now, in the place of what it was."""
        held = self._held
        if self._missed is not None:
            self._missed.append(lambda: self.put(monitor))
        held.index.forget(monitor.id)  # the recorder's thread finds it by its id at any moment
        held.index.add(monitor)
        if monitor.id in held.shelf:
            held.gone.add(monitor.id)
        self._endpoints = None

    def discard(self, monitor_id: int) -> None:
        """Let go of a monitor that was deleted just now."""
        held = self._held
        if self._missed is not None:
            self._missed.append(lambda: self.discard(monitor_id))
        if monitor_id in held.shelf:
            held.gone.add(monitor_id)
        held.index.discard(monitor_id)
        self._endpoints = None

    def _take(self, held: _Held) -> None:
        missed, self._missed = self._missed or [], None
        self._held, self._endpoints = held, None
        for step in missed:
            step()

    def _with_slug(self, slug: str) -> list[int]:
        held = self._held
        shelved = [each for each in held.shelf.slugs(slug) if each not in held.gone]
        return [*shelved, *held.index.slugs.get(slug, ())]

    def _known(self, monitor_id: int | None) -> tuple[int, MonitorSpec] | None:
        spec = None if monitor_id is None else self._held.spec(monitor_id)
        return None if monitor_id is None or spec is None else (monitor_id, spec)

    def _neighbours(self, held: _Held, monitor_id: int, spec: MonitorSpec) -> Iterator[int]:
        endpoint = held.index.parents.get(monitor_id, monitor_id)
        yield endpoint
        yield from list(held.index.components.get(endpoint, {}).values())
        for index in (held.index, held.shelf):
            yield from list(index.dependents.get(spec.full_name, ()))
        yield from list(held.index.identities.get(spec.identity, ()))
        for name in spec.depends_on:
            if (found := self.full_name(name)) is not None:
                yield found


class _Specs(Mapping[int, MonitorSpec]):
    """All live monitors as one mapping; a shelved one becomes an object as it is asked for."""

    def __init__(self, held: _Held) -> None:
        self._held = held

    def __getitem__(self, monitor_id: int) -> MonitorSpec:
        found = self._held.spec(monitor_id)
        if found is None:
            raise KeyError(monitor_id)
        return found

    def __iter__(self) -> Iterator[int]:
        held = self._held
        yield from (each for each in held.shelf.ids if each not in held.gone)
        yield from list(held.index.specs)

    def __len__(self) -> int:
        return len(self._held.shelf) - len(self._held.gone) + len(self._held.index.specs)


def _held(found: Iterable[Monitor]) -> _Held:
    held = _Held()
    for each in found:
        held.index.add(each)
    return held


def _copy(specs: Mapping[int, MonitorSpec]) -> list[tuple[int, MonitorSpec]]:
    return list(specs.items())  # others add meanwhile
