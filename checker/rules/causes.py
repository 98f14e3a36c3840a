"""What explains what: `depends_on` followed to the monitor that fell for its own reasons. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from checker.model import Kind, MonitorSpec, State


def group_of(spec: MonitorSpec) -> str:
    """Return what an incident is about: an endpoint with all its components, or one heartbeat."""
    return spec.parent or spec.name


class Causes:
    """The dependencies between monitors, as far as they are down now. Cycles end nowhere and hang nothing."""

    def __init__(self, monitors: Mapping[int, MonitorSpec], levels: Mapping[int, State]) -> None:
        self._monitors = monitors
        self._levels = levels

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {spec.full_name: monitor_id for monitor_id, spec in self._monitors.items()}

    @cached_property
    def _endpoints(self) -> dict[str, int]:
        return {spec.name: number for number, spec in self._monitors.items() if spec.kind is Kind.ENDPOINT}

    def endpoint_of(self, spec: MonitorSpec) -> int | None:
        """Return the id of a component's endpoint."""
        return self._endpoints.get(spec.parent)

    def needs(self, monitor_id: int) -> list[int]:
        """Return what it depends on, and its endpoint with it; its own group explains nothing."""
        spec = self._monitors[monitor_id]
        names = spec.depends_on
        if spec.kind is Kind.COMPONENT and (endpoint := self.endpoint_of(spec)) is not None:
            names += self._monitors[endpoint].depends_on
        found = [self._ids[name] for name in names if name in self._ids]
        return [each for each in found if group_of(self._monitors[each]) != group_of(spec)]

    def root(self, monitor_id: int) -> int | None:
        """Return the monitor that is down, explains this one, and is itself explained by none; None if none.

        Where monitors that are down depend on each other in a circle, the least id explains the others.
        """
        causes = self._reach(monitor_id) - {monitor_id}
        if not causes:
            return None
        reach = {each: self._reach(each) for each in (*causes, monitor_id)}
        roots = [each for each in reach if all(each in reach[other] for other in reach[each])]
        first = min(roots)
        return None if first == monitor_id else first

    def _reach(self, monitor_id: int) -> set[int]:
        """Return all that are down along the dependencies, itself included only by a circle."""
        found: set[int] = set()
        waiting = [monitor_id]
        while waiting:
            for each in self.needs(waiting.pop()):
                if each not in found and self._levels.get(each) is State.DOWN:
                    found.add(each)
                    waiting.append(each)
        return found
