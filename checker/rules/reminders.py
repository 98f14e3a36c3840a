"""When an open incident is told again: by the rhythm of the channel, of its monitors, or of all. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from checker.model import MonitorSpec


@dataclass(frozen=True, slots=True)
class Reminders:
    """How often (seconds) reminders come; 0 and None are never.

    A channel's own rhythm counts before that of the incident's monitors, and theirs, the shortest, before
    `every`.
    """

    every: float | None = None
    channels: Mapping[str, float] = field(default_factory=dict)

    def any_due(self, specs: Iterable[MonitorSpec], since: float, last: float, now: float) -> bool:
        """Tell whether any channel may be owed one: a multiple of its rhythm lies in (last, now]."""
        rhythms = {*self.channels.values(), self._common(specs)}
        return any(is_due(each, since, last, now) for each in rhythms)

    def due(
        self, names: Collection[str], specs: Iterable[MonitorSpec], since: float, last: float, now: float
    ) -> list[str]:
        """Return which of these channels are owed one."""
        common = self._common(specs)
        return [each for each in names if is_due(self.channels.get(each, common), since, last, now)]

    def _common(self, specs: Iterable[MonitorSpec]) -> float | None:
        own = [each.remind_every for each in specs if each.remind_every is not None]
        often = [each for each in own if each]
        return min(often) if often else 0.0 if own else self.every


def is_due(every: float | None, since: float, last: float, now: float) -> bool:
    """Tell whether a multiple of `every` since the beginning lies after `last` and not after `now`."""
    return every is not None and every > 0 and (now - since) // every > max(0.0, (last - since) // every)
