"""An incident in words: what, since when, why, on what evidence, who else, what next. Pure.

Every channel lays out the same `Story`: the same facts in the same order, bounded, and without a control
character. What a far side would read as markup is the channel's own to escape.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from checker.channels import _evidence
from checker.channels._hints import IN_A_STORM, next_step
from checker.channels._words import MAX_TITLE, address, line, moment
from checker.model import Cause, Event, Incident, Member, Notification, Severity, State
from checker.rules.storms import STORM
from healthkit.durations import humanize

MAX_MEMBERS = 20
MAX_SUPPRESSED = 20
WITH_EVIDENCE = 3  # members whose evidence is shown

_LABELS = {
    Event.UPDATED: "Update",
    Event.RESOLVED: "Resolved",
    Event.ACKNOWLEDGED: "Acknowledged",
    Event.TEST: "Test",
    Event.DRILL: "Drill",
}


class Tone(StrEnum):
    """How a message should look."""

    BAD = "bad"
    WARNING = "warning"
    GOOD = "good"
    CALM = "calm"  # an acknowledgement, a test or a drill: it must wake nobody


@dataclass(frozen=True, slots=True)
class Part:
    """A monitor of the incident: `text` is one line, `output` a few; `about` is from the configuration."""

    name: str
    text: str
    facts: _evidence.Facts = ()
    output: str = ""
    about: str = ""

    @property
    def evidence(self) -> str:
        """The facts in one line."""
        return "; ".join(f"{name} {value}" for name, value in self.facts)


@dataclass(frozen=True, slots=True)
class Story:
    """All that there is to say. `facts` are of the incident as a whole, `more` counts unnamed monitors."""

    label: str
    title: str
    tone: Tone
    at: float
    facts: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...] = ()
    more: int = 0
    affected: str = ""
    next_step: str = ""
    link: str = ""

    def headline(self, limit: int = MAX_TITLE) -> str:
        """Return what happened in one line: `Down: shop`."""
        return line(f"{self.label}: {self.title}", limit)

    @property
    def lines(self) -> list[str]:
        """The monitors, a line each, then a count of the rest."""
        named = [part.text for part in self.parts]
        return [*named, f"and {self.more:,} more"] if self.more else named

    @property
    def body(self) -> str:
        """Everything but the headline and the link as plain text."""
        blocks = ["\n".join(f"{name}: {value}" for name, value in self.facts)]
        blocks.append("\n".join(self._listed()))
        blocks.append(f"Affected by it: {self.affected}" if self.affected else "")
        blocks += [f"Last output of {each.name}:\n{each.output}" for each in self.parts if each.output]
        blocks.append("\n".join(f"{name}: {value}" for name, value in self.advice))
        return "\n\n".join(block for block in blocks if block)

    @property
    def advice(self) -> list[tuple[str, str]]:
        """What to do: our first guess, then what the configuration says about the monitors."""
        found = [("Next step", self.next_step)] if self.next_step else []
        return found + [(f"About {part.name}", part.about) for part in self.parts if part.about]

    @property
    def plain(self) -> str:
        """All of it as plain text: headline, facts, monitors, evidence, advice, link."""
        return "\n\n".join(part for part in (self.headline(), self.body, self.link) if part) + "\n"

    def _listed(self) -> list[str]:
        listed = []
        for part in self.parts:
            listed.append(f"- {part.text}")
            if part.evidence:
                listed.append(f"  ({part.evidence})")
        return [*listed, f"- and {self.more:,} more"] if self.more else listed


def tell(notification: Notification) -> Story:
    """Return what there is to say about a notification."""
    incident = notification.incident
    is_open = notification.event in (Event.OPENED, Event.UPDATED, Event.REMINDER)
    shown = incident.members[:MAX_MEMBERS]
    return Story(
        label=label(notification),
        title=line(incident.title, MAX_TITLE),
        tone=tone(notification),
        at=notification.at,
        facts=tuple(_facts(notification)),
        parts=tuple(_part(each, place, notification) for place, each in enumerate(shown)),
        more=max(0, len(incident.members) - MAX_MEMBERS),
        affected=_affected(incident),
        next_step=_next_step(incident) if is_open else "",
        link=address(notification.url),
    )


def _next_step(incident: Incident) -> str:
    if incident.group == STORM:
        return IN_A_STORM
    main = _main(incident)
    return next_step(main.cause if main else Cause.NONE, f"{incident.cause} {main.reason if main else ''}")


def label(notification: Notification) -> str:
    """Return the one word in front: Down, Warning, Still down, Resolved, Test, ..."""
    known = _LABELS.get(notification.event)
    if known is not None:
        return known
    warning = notification.incident.severity is Severity.WARNING
    if notification.event is Event.REMINDER:
        return "Still a warning" if warning else "Still down"
    return "Warning" if warning else "Down"


def tone(notification: Notification) -> Tone:
    """Return how it should look."""
    if notification.event is Event.RESOLVED:
        return Tone.GOOD
    if notification.event in (Event.ACKNOWLEDGED, Event.TEST, Event.DRILL):
        return Tone.CALM
    return Tone.WARNING if notification.incident.severity is Severity.WARNING else Tone.BAD


def _main(incident: Incident) -> Member | None:
    """Return the member that the incident is named after: the one whose reason is its cause."""
    members = [member for member in incident.members if member.name not in incident.suppressed]
    named = [member for member in members if member.reason and member.reason == incident.cause]
    down = [member for member in members if member.state is State.DOWN]
    return next(iter([*named, *down, *members]), None)


def _facts(notification: Notification) -> list[tuple[str, str]]:
    incident = notification.incident
    found = [("Cause", line(incident.cause))] if incident.cause else []
    found.append(("Since", moment(incident.since)))
    if incident.resolved_at is not None:
        lasted = humanize(max(0.0, incident.resolved_at - incident.since))
        found.append(("Resolved", f"{moment(incident.resolved_at)}, after {lasted}"))
    else:
        found.append(("For", humanize(max(0.0, notification.at - incident.since))))
    if incident.acknowledged_at is not None:
        found.append(("Acknowledged", moment(incident.acknowledged_at)))
    return found


def _part(member: Member, place: int, notification: Notification) -> Part:
    name, reason = line(member.name, MAX_TITLE), line(member.reason)
    state = "recovered" if member.resolved_at is not None else str(member.state)
    text = f"{name}: {state}" + (f", {reason}" if reason else "")
    if place >= WITH_EVIDENCE:
        return Part(name, text)
    if member.resolved_at is not None:
        return Part(name, text)
    facts = _evidence.facts(member, notification.at)
    return Part(name, text, facts, _evidence.output(member), _evidence.description(member))


def _affected(incident: Incident) -> str:
    """Return the monitors that fail with it and are not told on their own."""
    names = ", ".join(line(name, MAX_TITLE) for name in incident.suppressed[:MAX_SUPPRESSED])
    more = len(incident.suppressed) - MAX_SUPPRESSED
    return names + (f", and {more:,} more" if more > 0 else "")
