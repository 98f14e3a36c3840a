"""A week of the shop in seconds of virtual time: the list of messages is short, and complete."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from checker.config import parse
from checker.model import Cause, Deadline, MonitorSpec, PingKind, Poll, Verdict
from checker.rules.reminders import Reminders
from checker.rules.storms import Storm
from checker.state import initial
from tests.checker.judging import T0, component, ping
from tests.checker.test_incidents import Desk

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
START = T0 + 4 * DAY  # a Monday, 00:00 UTC
CONFIG = """
[[endpoint]]
name = "shop"
url = "https://shop.test/health"
every = "60s"

[[endpoint]]
name = "api"
url = "https://api.test/health"
every = "60s"

[[heartbeat]]
name = "worker"
every = "60s"
grace = "60s"
stalled_after = "10m"

[[heartbeat]]
name = "invoices"
schedule = "0 2 * * *"
timezone = "Europe/Berlin"
grace = "15m"
max_runtime = "30m"
depends_on = ["shop/database:write"]

[[heartbeat]]
name = "newsletter"
schedule = "0 8 * * MON-FRI"
grace = "30m"

[[maintenance]]
name = "sunday window"
schedule = "0 3 * * SUN"
duration = "1h"
monitors = ["shop", "api"]
"""
SHOP, API, WORKER, INVOICES, NEWSLETTER, SHOP_DB, API_DB, SHOP_DISK = range(1, 9)
IDENTITY = "postgres:orders"
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


def at(day: str, clock: str) -> float:
    """Return a moment of the week, in UTC."""
    hours, minutes = clock.split(":")
    return START + DAYS.index(day) * DAY + int(hours) * HOUR + int(minutes) * MINUTE


def within(now: float, day: str, start: str, end: str) -> bool:
    return at(day, start) <= now < at(day, end)


class Week(Desk):
    """A week, minute by minute: what the network brings, then what has passed by itself, then judgement."""

    def __init__(self) -> None:
        config = parse(CONFIG, Path("checker.toml"), {})
        specs: dict[int, MonitorSpec] = dict(enumerate(config.monitors, 1))
        specs[SHOP_DB] = component("database:write", "shop", identity=IDENTITY, fail_after=2, every=60.0)
        specs[API_DB] = component("database:write", "api", identity=IDENTITY, fail_after=2, every=60.0)
        specs[SHOP_DISK] = component("disk:status", "shop", fail_after=2, every=60.0)
        super().__init__(
            specs, settle=300.0, maintenance=config.maintenance, storm=Storm(), reminders=Reminders(DAY)
        )
        self.states = {number: initial(spec, START) for number, spec in specs.items()}
        self.minute = 0
        self.when: list[str] = []

    def run(self) -> None:
        for minute in range(7 * 24 * 60):
            self.now, self.minute = START + minute * MINUTE, minute
            self.look()
            self.jobs()
            for number, spec in self.monitors.items():
                deadline = self.states[number].deadline
                if spec.slug and deadline is not None and deadline <= self.now:
                    self.see(number, Deadline(self.now))
            told = len(self.told)
            self.judge(after=0)
            moment = datetime.fromtimestamp(self.now, UTC)
            self.when += [
                f"{moment:%a %H:%M} {event} {incident.group}" for event, incident in self.told[told:]
            ]

    def look(self) -> None:
        """Look at both endpoints."""
        read_only = within(self.now, "Mon", "10:00", "10:40") or within(self.now, "Thu", "00:50", "02:10")
        flaps = within(self.now, "Sat", "12:00", "13:00") and self.minute % 3 < 2
        away = within(self.now, "Wed", "15:00", "15:01") or within(self.now, "Sun", "03:10", "03:50")
        for endpoint, parts in ((SHOP, (SHOP_DB, SHOP_DISK)), (API, (API_DB,))):
            if away and endpoint == SHOP:
                self.see(SHOP, Poll(Verdict.FAIL, self.now, Cause.UNREACHABLE, "connection refused"))
                continue
            bad = {number for number in parts if (read_only and number != SHOP_DISK)}
            if flaps and endpoint == SHOP:
                bad.add(SHOP_DISK)
            self.see(endpoint, self.poll_of(bool(bad)))
            for number in parts:
                self.see(number, self.poll_of(number in bad))

    def poll_of(self, bad: bool) -> Poll:
        if bad:
            return Poll(Verdict.FAIL, self.now, Cause.FAILING, "cannot write")
        return Poll(Verdict.PASS, self.now)

    def jobs(self) -> None:
        """Let the worker and the jobs sign."""
        stuck = within(self.now, "Thu", "09:00", "09:30")
        if not within(self.now, "Wed", "14:00", "14:01"):  # a deploy: one sign is late
            done = 10.0 if stuck else float(self.minute)
            self.see(WORKER, ping("success", self.now, processed=done, backlog=5.0 if stuck else 0.0))
        for day in DAYS:
            if self.now == at(day, "01:00"):  # 02:00 in Berlin
                self.sign(INVOICES, "start")
            if self.now == at(day, "01:10") and day != "Tue":  # on Tuesday it hangs
                self.sign(INVOICES, "fail" if day == "Thu" else "success")
            if self.now == at(day, "08:05") and day in DAYS[:4]:  # on Friday cron is broken
                self.sign(NEWSLETTER, "success")

    def sign(self, number: int, kind: str) -> None:
        self.see(number, ping(PingKind(kind), self.now))


def test_a_week_of_faults_is_a_short_list_of_messages_and_a_complete_one() -> None:
    week = Week()
    week.run()
    assert week.when == [
        "Mon 10:01 opened postgres:orders",  # two apps, one database
        "Mon 10:40 resolved postgres:orders",
        "Tue 01:31 opened invoices",  # hangs; the database was looked at once more before it was told
        "Wed 01:10 resolved invoices",
        "Thu 00:51 opened postgres:orders",  # and the job that fails for it is attached, not told
        "Thu 02:10 resolved postgres:orders",
        "Thu 02:15 opened invoices",  # the database is back, and nobody ran the job again
        "Thu 09:10 opened worker",  # stalled; the deploy and the blip on Wednesday were silent
        "Thu 09:30 resolved worker",
        "Fri 01:10 resolved invoices",
        "Fri 08:30 opened newsletter",  # cron is broken
        "Sat 08:30 reminder newsletter",
        "Sat 12:01 opened shop",  # its disk comes and goes: twenty times in an hour
        "Sat 12:02 resolved shop",
        "Sat 12:04 opened shop",
        "Sat 12:05 resolved shop",
        "Sat 12:07 opened shop",
        "Sat 12:08 resolved shop",
        "Sat 12:10 opened shop",  # flapping
        "Sat 13:04 resolved shop",
        "Sun 08:30 reminder newsletter",  # the maintenance at three was silent
    ], "\n".join(week.when)
