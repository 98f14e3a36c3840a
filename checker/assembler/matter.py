"""All that one judgement looks at, and what can be told from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from checker.incidents import Decision
from checker.model import Change, Incident, MonitorSpec, MonitorState, Snooze
from checker.rules.causes import group_of
from checker.rules.storms import HOLD
from checker.rules.transition import BAD


@dataclass(frozen=True, slots=True)
class Matter:
    """The changes, the monitors that may have to do with them, and the open incidents of all those."""

    changes: Sequence[Change]
    open: Sequence[Incident]
    specs: dict[int, MonitorSpec]
    states: dict[int, MonitorState]
    snoozes: Mapping[int, Snooze]

    def is_over(self) -> bool:
        """Tell whether a monitor that fell is well again already."""
        return any(
            each.new in BAD and self.states[each.monitor_id].state not in BAD
            for each in self.changes
            if each.monitor_id in self.states
        )

    def is_held(self, decisions: Sequence[Decision], now: float) -> bool:
        """Tell whether somebody is not well, in no incident yet, and will be in one soon, or explained.

        That is: a monitor with dependencies; or one that fell just now, as a storm may be coming up.
        """
        open_ids = members([*self.open, *(each.incident for each in decisions)])
        return any(
            state.state in BAD
            and number not in open_ids
            and (
                self.specs[number].depends_on
                or self.specs[number].identity
                or 0 <= now - state.since <= 2 * HOLD
            )
            for number, state in self.states.items()
        )

    def by_group(self) -> list[Matter]:
        """Return the same in parts, by what the changed monitors belong to."""
        groups: dict[str, list[Change]] = {}
        for each in self.changes:
            spec = self.specs.get(each.monitor_id)
            groups.setdefault(group_of(spec) if spec else "", []).append(each)
        return [
            replace(self, changes=found, open=self._open_of(group, {each.monitor_id for each in found}))
            for group, found in groups.items()
        ]

    def _open_of(self, group: str, monitor_ids: set[int]) -> list[Incident]:
        return [each for each in self.open if each.group == group or members([each]) & monitor_ids]


def members(found: Iterable[Incident]) -> set[int]:
    """Return the ids of all monitors in these incidents."""
    return {member.monitor_id for each in found for member in each.members}
