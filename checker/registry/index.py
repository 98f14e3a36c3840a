"""Monitors found by whatever they are called: dictionaries, for those that are few or were made lately."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha1

from checker.model import Kind, MonitorSpec
from checker.store.monitor_rows import Monitor


def unique_key(token: str) -> str:
    """Return what Healthchecks calls a check's unique key: a name that does not tell its ping URL."""
    return sha1(token.replace("-", "")[:16].encode(), usedforsecurity=False).hexdigest()


@dataclass(slots=True)
class Index:
    """The dictionaries that lookups go to."""

    specs: dict[int, MonitorSpec] = field(default_factory=dict)
    endpoints: dict[int, MonitorSpec] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    slugs: dict[str, tuple[int, ...]] = field(default_factory=dict)  # the API may give one to several
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
            others = [each for each in self.slugs.get(spec.slug, ()) if each != monitor_id]
            self.slugs[spec.slug] = (*others, monitor_id)
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
        left = tuple(each for each in self.slugs.pop(spec.slug, ()) if each != monitor_id)
        if left:
            self.slugs[spec.slug] = left
        for name in spec.depends_on:
            self.dependents.get(name, set()).discard(monitor_id)
        self.identities.get(spec.identity, set()).discard(monitor_id)

    def discard(self, monitor_id: int) -> None:
        """Forget a monitor altogether."""
        self.forget(monitor_id)
        spec = self.specs.pop(monitor_id, None)
        self.endpoints.pop(monitor_id, None)
        parent = self.parents.pop(monitor_id, None)
        parts = self.components.get(parent, {}) if parent is not None else {}
        if spec is not None and parts.get(spec.name) == monitor_id:
            del parts[spec.name]

    def id_of_unique_key(self, key: str) -> int | None:
        """Return the id of the heartbeat with this unique key."""
        if self.unique_keys is None:
            self.unique_keys = {
                unique_key(spec.token): each for each, spec in self.specs.items() if spec.token
            }
        return self.unique_keys.get(key)
