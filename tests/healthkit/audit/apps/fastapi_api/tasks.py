"""The Celery app: its tasks, and those that its beat starts."""

# mypy: ignore-errors

from __future__ import annotations

import os

from apscheduler.schedulers.background import BackgroundScheduler
from celery import Celery

from healthkit import Heartbeat

celery = Celery("api", broker="redis://localhost:6379/0")  # gap: HK003
heartbeat = Heartbeat(os.environ.get("REPORT_URL"))
scheduler = BackgroundScheduler()


@celery.task
def sync() -> None:
    """Fetch what is new."""


@celery.task(name="api.report")
@heartbeat.job
def report() -> None:
    """Write the report, and tell of it."""


def purge() -> None:
    """Remove what is old."""


@scheduler.scheduled_job("cron", hour=4)  # gap: HK005
def archive() -> None:
    """Put away what is old."""


celery.conf.beat_schedule = {
    "sync-every-hour": {"task": "fastapi_api.tasks.sync", "schedule": 3600},  # gap: HK005
    "report-every-day": {"task": "api.report", "schedule": 86_400},
}
scheduler.add_job(purge, "interval", hours=1)  # gap: HK005
scheduler.add_job(report, "interval", hours=1)
sync.apply_async(queue="slow")  # gap: HK003
