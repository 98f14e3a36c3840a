"""The monitors in memory: what the hot paths look up, loaded from the store and kept in step with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha1
from types import MappingProxyType

from checker.model import Kind, MonitorSpec
from checker.store import Store, door, monitors
from checker.store.monitors import Monitor


@dataclass(slots=True)
class _Index:
    """The dictionaries that lookups go to."""

    specs: dict[int, MonitorSpec] = field(default_factory=dict)
    endpoints: dict[int, MonitorSpec] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    slugs: dict[str, int] = field(default_factory=dict)
    shared: dict[str, set[int]] = field(default_factory=dict)  # slugs that several have
    unique_keys: dict[str, int] | None = None  # made when somebody asks: a hash a heartbeat
    components: dict[int, dict[str, int]] = field(default_factory=dict)
    parents: dict[int, int] = field(default_factory=dict)
    dependents: dict[str, set[int]] = field(default_factory=dict)
    identities: dict[str, set[int]] = field(default_factory=dict)  # who stands on the same thing

    def add(self, monitor: Monitor) -> None:
        """Take in one monitor."""
        spec, monitor_id = monitor.spec, monitor.id
        self.specs[monitor_id] = spec
        self.names[spec.full_name] = monitor_id
        if spec.kind is Kind.ENDPOINT:
            self.endpoints[monitor_id] = spec
        if monitor.parent_id is not None:
            self.components.setdefault(monitor.parent_id, {})[spec.name] = monitor_id
            self.parents[monitor_id] = monitor.parent_id
        for token in (spec.token, spec.push_token):
            if token:
                self.tokens[token] = monitor_id
        if self.unique_keys is not None and spec.token:
            self.unique_keys[unique_key(spec.token)] = monitor_id
        if spec.kind is Kind.HEARTBEAT and spec.slug:
            self._add_slug(spec.slug, monitor_id)
        for name in spec.depends_on:
            self.dependents.setdefault(name, set()).add(monitor_id)
        if spec.identity:
            self.identities.setdefault(spec.identity, set()).add(monitor_id)

    def forget(self, monitor_id: int) -> None:
        """Forget what a monitor is found by, not what another one is; it stays known by its id."""
        spec = self.specs.get(monitor_id)
        if spec is None:
            return
        found: list[tuple[dict[str, int], str]] = [
            (self.names, spec.full_name),
            (self.tokens, spec.token),
            (self.tokens, spec.push_token),
        ]
        if self.unique_keys is not None and spec.token:
            found.append((self.unique_keys, unique_key(spec.token)))
        for index, key in found:
            if index.get(key) == monitor_id:
                del index[key]
        if spec.kind is Kind.HEARTBEAT:
            self._discard_slug(spec.slug, monitor_id)
        for name in spec.depends_on:
            self.dependents.get(name, set()).discard(monitor_id)
        self.identities.get(spec.identity, set()).discard(monitor_id)

    def _add_slug(self, slug: str, monitor_id: int) -> None:
        sharing = self.shared.get(slug) or ({self.slugs[slug]} if slug in self.slugs else set())
        sharing = sharing | {monitor_id}
        if len(sharing) == 1:
            self.slugs[slug] = monitor_id
        else:
            self.shared[slug] = sharing
            self.slugs.pop(slug, None)

    def _discard_slug(self, slug: str, monitor_id: int) -> None:
        left = self.shared.pop(slug, set()) - {monitor_id}
        if self.slugs.get(slug) == monitor_id:
            del self.slugs[slug]
        for each in left:
            self._add_slug(slug, each)


def unique_key(token: str) -> str:
    """Return what Healthchecks calls a check's unique key: a name that does not tell its ping URL."""
    return sha1(token.replace("-", "")[:16].encode(), usedforsecurity=False).hexdigest()


class Registry:
    """All live monitors by id, token, slug and name; lookups may come from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._fill(())

    async def reload(self) -> None:
        """Read all monitors anew: at start, and after the configuration was synced."""
        self._fill(await self._store.read(monitors.load))

    def reload_now(self) -> None:
        """Like `reload`, for callers without an event loop."""
        self._fill(self._store.read_now(monitors.load))

    def by_id(self, monitor_id: int) -> MonitorSpec | None:
        """Return the specification of a live monitor."""
        return self._index.specs.get(monitor_id)

    def by_token(self, token: str) -> tuple[int, MonitorSpec] | None:
        """Return the heartbeat with this uuid (lower case, with dashes), or this token of its own."""
        return self._known(self._index.tokens.get(token))

    def by_slug(self, slug: str) -> tuple[int, MonitorSpec] | None:
        """Return the heartbeat with this slug; None also where several have it."""
        return self._known(self._index.slugs.get(slug))

    def is_ambiguous(self, slug: str) -> bool:
        """Tell whether several heartbeats have this slug: the API may make such ones."""
        return slug in self._index.shared

    def by_unique_key(self, key: str) -> tuple[int, MonitorSpec] | None:
        """Return the heartbeat with this unique key, see `unique_key`."""
        index = self._index
        if index.unique_keys is None:
            index.unique_keys = {
                unique_key(spec.token): each for each, spec in index.specs.items() if spec.token
            }
        return self._known(index.unique_keys.get(key))

    def full_name(self, name: str) -> int | None:
        """Return the id of the monitor with this full name, such as `shop` or `shop/database:write`."""
        return self._index.names.get(name)

    def component(self, endpoint_id: int, key: str) -> int | None:
        """Return the id of an endpoint's component."""
        return self._index.components.get(endpoint_id, {}).get(key)

    def components(self, endpoint_id: int) -> Mapping[str, int]:
        """Return an endpoint's components: key -> id."""
        return MappingProxyType(self._index.components.get(endpoint_id, {}))

    def endpoints(self) -> list[tuple[int, MonitorSpec]]:
        """Return all live endpoints; the poller asks often, so the other monitors are not gone through."""
        return list(self._index.endpoints.items())

    def heartbeats(self) -> list[tuple[int, MonitorSpec]]:
        """Return all live heartbeats."""
        return self._of(Kind.HEARTBEAT)

    @property
    def specs(self) -> Mapping[int, MonitorSpec]:
        """All live monitors: id -> specification. A view: it changes as monitors come and go."""
        return MappingProxyType(self._index.specs)

    def related(self, monitor_ids: Iterable[int]) -> set[int]:
        """Return these monitors, all of their groups, what they depend on or share, or depends on them."""
        found: set[int] = set()
        todo = [each for each in monitor_ids if each in self._index.specs]
        while todo:
            each = todo.pop()
            if each in found:
                continue
            found.add(each)
            todo.extend(self._neighbours(each))
        return found

    async def paused(self) -> set[int]:
        """Return the endpoints that an operator has paused, as the store has it now."""
        endpoints = list(self._index.endpoints)
        return await self._store.read(lambda conn: door.paused(conn, endpoints))

    async def create_heartbeat(self, slug: str, now: float) -> tuple[int, MonitorSpec, bool]:
        """Return the heartbeat with this slug, and whether this call made it; two calls at once make one."""
        present = self.by_slug(slug)
        if present is not None:
            return (*present, False)
        if self.is_ambiguous(slug):
            raise LookupError(f"heartbeat {slug!r}: several monitors have this slug")
        made, new = await self._store.write(lambda conn: monitors.create_heartbeat(conn, slug, now))
        self.add(made)
        return made.id, made.spec, new

    def add(self, monitor: Monitor) -> None:
        """Take in a monitor that was committed just now."""
        self._index.add(monitor)

    def put(self, monitor: Monitor) -> None:
        """Take in a monitor that was changed just now, in the place of what it was."""
        self._index.forget(monitor.id)  # the recorder's thread finds it by its id at any moment
        self._index.add(monitor)

    def discard(self, monitor_id: int) -> None:
        """Let go of a heartbeat or a component that was deleted just now."""
        self._index.forget(monitor_id)
        spec = self._index.specs.pop(monitor_id, None)
        parent = self._index.parents.pop(monitor_id, None)
        if spec is not None and parent is not None:
            self._index.components.get(parent, {}).pop(spec.name, None)
        self._index.endpoints.pop(monitor_id, None)

    def _fill(self, found: Iterable[Monitor]) -> None:
        index = _Index()
        for each in found:
            index.add(each)
        self._index = index  # at once: a reader in another thread sees the old or the new, never half of it

    def _known(self, monitor_id: int | None) -> tuple[int, MonitorSpec] | None:
        return None if monitor_id is None else (monitor_id, self._index.specs[monitor_id])

    def _of(self, kind: Kind) -> list[tuple[int, MonitorSpec]]:
        return [(monitor_id, spec) for monitor_id, spec in self._index.specs.items() if spec.kind is kind]

    def _neighbours(self, monitor_id: int) -> list[int]:
        spec = self._index.specs[monitor_id]
        endpoint = self._index.parents.get(monitor_id, monitor_id)
        near = [
            endpoint,
            *self._index.components.get(endpoint, {}).values(),
            *self._index.dependents.get(spec.full_name, ()),
            *self._index.identities.get(spec.identity, ()),
        ]
        near.extend(found for name in spec.depends_on if (found := self._index.names.get(name)) is not None)
        return [each for each in near if each in self._index.specs]
