"""From decisions to rows of the outbox: who is told what, in which words of the configuration."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from checker.assembler.matter import Matter
from checker.incidents import NO_REMINDERS, Decision
from checker.model import Event, Incident, MonitorSpec, Notification
from checker.registry import Registry
from checker.routes import EscalationSpec, RouteSpec, addressees, escalated
from checker.rules.causes import Causes
from checker.rules.reminders import Reminders
from checker.rules.snoozing import Snoozed, about
from checker.rules.storms import LEAST
from checker.store import incidents, outbox

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Manner:
    """How incidents are judged and told, as it is configured now."""

    public_url: str = ""
    storm: int = LEAST
    reminders: Reminders = NO_REMINDERS


@dataclass(frozen=True, slots=True)
class Telling:
    """Writes down what is owed to whom; everything is asked for as it is configured now."""

    registry: Registry
    channels: Callable[[], Sequence[str]]
    manner: Callable[[], Manner]
    routes: Callable[[], Sequence[RouteSpec]]
    escalations: Callable[[], Sequence[EscalationSpec]]

    def write(
        self, conn: Connection, decisions: Sequence[Decision], matter: Matter, now: float, last: float | None
    ) -> int:
        """Write decisions; return how many notifications that put."""
        before = {each.id: each for each in matter.open}
        saved = incidents.save_all(conn, [each.incident for each in decisions], now, before)
        heard = outbox.heard(
            conn, [each.incident.id for each in decisions if each.event and each.incident.id]
        )
        return outbox.put_all(
            conn,
            [
                (
                    self._notification(each, incident_id, now),
                    self._reminded(each, self._addressees(each, heard.get(incident_id, ())), now, last),
                )
                for each, incident_id in zip(decisions, saved, strict=True)
                if each.event is not None
            ],
            now,
        )

    def escalate(self, conn: Connection, matter: Matter, now: float) -> int:
        """Tell incidents that nobody acknowledged to more channels, each of them once."""
        due: dict[int, tuple[Incident, tuple[str, ...]]] = {}
        quiet = Snoozed(matter.snoozes, matter.specs, Causes(matter.specs, {}), now)
        for each in matter.open:
            names = escalated(self.escalations(), each, self._members_of(each), now)
            if names and not quiet.hides(each):
                due[each.id] = each, names
        heard = outbox.heard(conn, due)
        still = {each.id for each in incidents.open_of(conn, {each.group for each, _ in due.values()})}
        known, rows = self.channels(), []
        for number, (found, names) in due.items():
            new = [each for each in names if each in known and each not in heard.get(number, ())]
            if new and number in still:
                decision = Decision(found, Event.OPENED, names)
                rows.append((self._notification(decision, number, now), new))
        return outbox.put_all(conn, rows, now)

    def _notification(self, decision: Decision, incident_id: int, now: float) -> Notification:
        base = self.manner().public_url.rstrip("/")
        url = f"{base}/incidents/{incident_id}" if base else ""
        event = decision.event or Event.UPDATED
        return Notification(event, replace(decision.incident, id=incident_id), now, url)

    def _members_of(self, found: Incident) -> list[MonitorSpec]:
        explained = set(found.suppressed)
        specs = [self.registry.by_id(each.monitor_id) for each in found.members if each.name not in explained]
        return [each for each in specs if each is not None]

    def _reminded(
        self, decision: Decision, names: list[str], now: float, last: float | None
    ) -> Collection[str]:
        """Return who is owed a reminder by now; of everything else, all are told."""
        if decision.event is not Event.REMINDER or decision.woken or last is None:
            return names
        found = decision.incident
        specs = [spec for each in about(found) if (spec := self.registry.by_id(each.monitor_id)) is not None]
        return self.manner().reminders.due(names, specs, found.since, last, now)

    def _addressees(self, decision: Decision, heard: Collection[str] = ()) -> list[str]:
        """Return who is told: by the monitors' own channels, or the routes; and who heard of it before."""
        known = self.channels()
        wanted = decision.channels
        if wanted is None:
            wanted = addressees(self.routes(), decision.incident, self._members_of(decision.incident))
        names = [each for each in known if wanted is None or each in wanted or each in heard]
        if not names:
            _log.warning("nobody is told of %r: it has no channel", decision.incident.title)
        return names
