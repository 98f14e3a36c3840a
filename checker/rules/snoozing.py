"""What nobody is to be told of for a time, because somebody asked for that. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from checker.model import Incident, Member, MonitorSpec, Snooze
from checker.rules.causes import Causes

NOBODY: Mapping[int, Snooze] = MappingProxyType({})


class Snoozed:
    """Who is snoozed at one moment. An endpoint's snooze is that of its components, too."""

    def __init__(
        self,
        snoozes: Mapping[int, Snooze],
        monitors: Mapping[int, MonitorSpec],
        causes: Causes,
        now: float,
    ) -> None:
        self._snoozes, self._monitors, self._causes, self._now = snoozes, monitors, causes, now

    def holds(self, monitor_id: int) -> bool:
        """Tell whether nobody is to be told of this monitor now."""
        return any(each.until > self._now for each in self._of(monitor_id))

    def hides(self, incident: Incident) -> bool:
        """Tell whether all that an incident is about is snoozed."""
        found = about(incident) if self._snoozes else ()
        return bool(found) and all(self.holds(each.monitor_id) for each in found)

    def ended(self, incident: Incident) -> bool:
        """Tell whether a snooze of one of its members is over; whoever acknowledged it since knows of it."""
        return any(
            each.until <= self._now and each.at >= (incident.acknowledged_at or 0.0)
            for one in (about(incident) if self._snoozes else ())
            for each in self._of(one.monitor_id)
        )

    def _of(self, monitor_id: int) -> list[Snooze]:
        spec = self._monitors.get(monitor_id)
        endpoint = self._causes.endpoint_of(spec) if spec is not None and spec.parent else None
        found = (self._snoozes.get(each) for each in (monitor_id, endpoint) if each is not None)
        return [each for each in found if each is not None]


def about(incident: Incident) -> list[Member]:
    """Return the members that are not well, without those that it only explains."""
    explained = set(incident.suppressed)
    return [each for each in incident.members if each.resolved_at is None and each.name not in explained]
