"""Very many unrelated monitors that fall within seconds are one incident, a storm: no hundred messages. Pure.

Two that fail in the same minute stay two. Once a handful fell within seconds, the next ones are held for a
moment, to see whether it becomes a storm; who falls while a storm is young joins it, and is not told apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from checker.model import Incident, Member
from checker.rules.titles import names
from checker.rules.trouble import Trouble

STORM = "/storm"  # the group: no monitor can have this name
LEAST = 20  # incidents within seconds that make a storm
WITHIN = 10.0  # seconds
CALM = 5  # incidents within seconds that are told one by one at least, without waiting
HOLD = 5.0  # seconds that the next ones are held
YOUNG = 60.0  # seconds in which more may join


@dataclass(frozen=True, slots=True)
class Storm:
    """What makes a storm: `least` incidents within `WITHIN` seconds; `recent` were opened already."""

    least: int = LEAST
    recent: int = 0

    @property
    def calm(self) -> int:
        """How many are told one by one, without waiting: more where only very many make a storm."""
        return max(CALM, self.least // 4)


def gathered(
    own: Mapping[str, Sequence[Trouble]], incidents: Mapping[str, Incident], now: float, storm: Storm
) -> Mapping[str, Sequence[Trouble]]:
    """Return trouble by group as `own` has it, with new incidents put into a storm, or held back for it."""
    new = {group: None for group in own if group not in incidents}  # in their order
    present = incidents.get(STORM)
    young = present is not None and 0 <= now - present.since <= YOUNG
    many = len(new) + storm.recent >= storm.least
    if new and (young or (many and len(new) > 1)):
        joining = [replace(each, known=young) for group in new for each in own[group]]
        rest = {group: found for group, found in own.items() if group not in new}
        return {**rest, STORM: [*rest.get(STORM, ()), *joining]}
    if len(new) + storm.recent > storm.calm:
        held = {
            group
            for group in new
            if all(not each.over and 0 <= now - each.member.since < HOLD for each in own[group])
        }
        return {group: found for group, found in own.items() if group not in held}
    return own


def storm_title(members: Sequence[Member]) -> tuple[str, str]:
    """Return title and cause of a storm, from all that it ever held."""
    fell = list(dict.fromkeys(member.name.partition("/")[0] for member in members))
    return f"{len(fell)} monitors fell within seconds", names(fell)
