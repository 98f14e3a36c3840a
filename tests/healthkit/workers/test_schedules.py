"""What a job's library knows of when it is due is told in the checker's words, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from apscheduler.triggers.cron import CronTrigger  # type: ignore[import-untyped, unused-ignore]
from apscheduler.triggers.date import DateTrigger  # type: ignore[import-untyped, unused-ignore]
from apscheduler.triggers.interval import IntervalTrigger  # type: ignore[import-untyped, unused-ignore]
from celery.schedules import crontab, schedule  # type: ignore[import-untyped, unused-ignore]

from healthkit.heartbeat import Heartbeat
from healthkit.pings import Ping
from healthkit.workers._jobs import Jobs
from healthkit.workers._schedules import of_beat, of_trigger


def cron(expression: str) -> dict[str, str]:
    return {"schedule": expression, "timezone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"hour": 2}, cron("0 2 * * *")),
        ({"minute": "*/5", "hour": "8-18"}, cron("*/5 8-18 * * *")),
        ({"day": 1, "hour": 4}, cron("0 4 1 * *")),
        ({"day_of_week": "mon-fri", "hour": 2}, cron("0 2 * * mon-fri")),
        ({"day_of_week": "0,6", "hour": 2}, cron("0 2 * * mon,sun")),
        ({"second": "*/10"}, {}),
        ({"week": 3}, {}),
        ({"year": 2030}, {}),
        ({"day": "last"}, {}),
        ({"day": "2nd fri"}, {}),
        ({"day": 1, "day_of_week": "mon"}, {}),
        ({"day_of_week": "*/2"}, {}),
    ],
)
def test_a_cron_trigger_of_apscheduler(fields: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    assert of_trigger(CronTrigger(**fields, timezone="Europe/Berlin")) == told


def test_other_triggers_of_apscheduler() -> None:
    assert of_trigger(IntervalTrigger(minutes=15)) == {"every": 900.0}
    assert of_trigger(DateTrigger(datetime(2030, 1, 1, tzinfo=UTC))) == {}
    assert of_trigger(object()) == {}


@pytest.mark.parametrize(
    ("due", "told"),
    [
        (crontab(minute=0, hour=2), cron("0 2 * * *")),
        (crontab(minute="*/5", hour="8-18", day_of_week="mon-fri"), cron("*/5 8-18 * * mon-fri")),
        (crontab(minute=[0, 30]), cron("0,30 * * * *")),
        (schedule(timedelta(minutes=15)), {"every": 900.0}),
        (timedelta(hours=1), {"every": 3600.0}),
        (30.0, {"every": 30.0}),
        (0.2, {}),
        (object(), {}),
    ],
)
def test_an_entry_of_celery_beat(due: object, told: Mapping[str, Any]) -> None:
    entries = [{"task": "shop.bill", "schedule": due}, {"task": "shop.other", "schedule": 5}]
    assert of_beat(entries, "shop.bill", "Europe/Berlin") == told


def test_a_task_with_several_entries_or_none_is_due_at_no_one_time() -> None:
    entries = [{"task": "bill", "schedule": 30}, {"task": "bill", "schedule": 60}]
    assert of_beat(entries, "bill", "UTC") == of_beat([], "bill", "UTC") == {}


def test_a_job_tells_when_it_is_due_in_the_url_that_is_made_for_it_alone() -> None:
    def due(name: str) -> Mapping[str, Any]:
        if name == "broken":
            raise KeyError(name)
        return {"schedule": "0 2 * * *"}

    sent: list[Ping] = []
    jobs = Jobs(
        {"own": "https://checker.example/ping/key/own"},
        "https://checker.example/ping/key",
        make=lambda url: Heartbeat(url, submit=sent.append),
        due=due,
    )
    for name in ("own", "nightly", "broken"):
        jobs.began(name, 1)
    assert [each.target.query for each in sent] == [
        "",
        "create=1&schedule=0+2+%2A+%2A+%2A",
        "create=1",
    ]
