"""Scheduled jobs, in crontabs and timers and in code."""

from __future__ import annotations

import pytest

from healthkit.audit.rules.schedules import wrap
from tests.healthkit.audit.samples import Sample


@pytest.mark.parametrize(
    ("line", "gap"),
    [
        ("0 2 * * * /srv/nightly.sh", True),
        ("*/5 * * * MON-FRI root /srv/nightly.sh >/dev/null 2>&1", True),
        ("@daily python -m nightly", True),
        ("0 2 * * * /srv/nightly.sh && curl -fsS $PING_URL", False),
        ("0 2 * * * healthkit exec --url https://x -- /srv/nightly.sh", False),
        ("PATH=/usr/bin:/bin", False),
        ("@reboot /srv/start.sh", False),
        ("# 0 2 * * * /srv/nightly.sh", False),
    ],
)
@pytest.mark.parametrize("name", ["crontab", "deploy/cron.d/nightly"])
def test_a_line_of_cron_wants_a_heartbeat(sample: Sample, name: str, line: str, gap: bool) -> None:
    sample.texts_agree({name: f"{line}{'  # gap: HK005' if gap else ''}\n"})


def test_a_script_that_pings_by_itself_is_left_alone(sample: Sample) -> None:
    sample.texts_agree(
        {
            "crontab": "0 2 * * * /srv/nightly.sh\n",
            "nightly.sh": "curl https://hc-ping.com/1\n",
        }
    )


@pytest.mark.parametrize(
    ("command", "wrapped"),
    [
        ("/srv/nightly.sh", "healthkit exec --url U -- /srv/nightly.sh"),
        ("cd /srv && python -m x", "cd /srv && healthkit exec --url U -- python -m x"),
        ("a 'b c' | d", "healthkit exec --url U -- sh -c 'a '\"'\"'b c'\"'\"' | d'"),
        ("X=1 run", "healthkit exec --url U -- sh -c 'X=1 run'"),
    ],
)
def test_the_fix_runs_the_same_command(command: str, wrapped: str) -> None:
    assert wrap(command, "U") == wrapped


SCHEDULES = """
import functools
from apscheduler.schedulers.background import BackgroundScheduler
from rq_scheduler import Scheduler
import schedule
from rq import cron
from healthkit import Heartbeat

heartbeat = Heartbeat(None)
jobs, timer = BackgroundScheduler(), Scheduler("default", connection=None)

def plain(): ...
@heartbeat.job
def watched(): ...
def inside():
    with heartbeat.run():
        ...

jobs.add_job(plain, "cron", hour=2)  # gap: HK005
jobs.add_job(func=plain, trigger="interval", hours=1)  # gap: HK005
jobs.add_job(functools.partial(plain), "cron", hour=3)  # gap: HK005
jobs.add_job("jobs:plain", "cron", hour=4)  # gap: HK005
jobs.add_job(watched, "cron", hour=2)
jobs.add_job(inside, "cron", hour=2)
jobs.add_job(heartbeat.job(plain), "cron", hour=2)
for job in (watched, inside):
    jobs.add_job(job, "cron", hour=2)
timer.cron("0 2 * * *", plain)  # gap: HK005
timer.cron("0 2 * * *", func=watched)
schedule.every().day.at("02:00").do(plain)  # gap: HK005
schedule.every().day.do(watched)
cron.register(plain, "default", interval=60)  # gap: HK005
cron.register(watched, "default", interval=60)

@jobs.scheduled_job("cron", hour=1)  # gap: HK005
def decorated(): ...
@jobs.scheduled_job("cron", hour=1)
@heartbeat.job
def both(): ...
class Shop:
    def add_job(self, job): ...
Shop().add_job(plain)
"""


def test_jobs_scheduled_in_code_want_a_heartbeat(sample: Sample) -> None:
    sample.texts_agree({"jobs.py": SCHEDULES})


def test_a_scheduler_that_a_check_looks_after_is_left_alone(sample: Sample) -> None:
    code = "from healthkit.checks.apscheduler import SchedulerHeartbeat\nprobe = SchedulerHeartbeat(jobs)\n"
    lines = [
        line.replace("  # gap: HK005", "") if "jobs." in line else line for line in SCHEDULES.splitlines()
    ]
    text = "\n".join([*lines, code])
    sample.texts_agree({"jobs.py": text})


BEAT = """
from celery import Celery
from celery.schedules import crontab
app = Celery("x", broker="redis://x")  # healthkit: ignore[HK003] not the subject
@app.task
def plain(): ...
app.conf.update(beat_schedule={
    "plain": {"task": "jobs.plain", "schedule": crontab()},  # gap: HK005
    "theirs": {"task": "celery.backend_cleanup", "schedule": crontab()},
})
"""


def test_entries_of_celery_beat_want_a_heartbeat(sample: Sample) -> None:
    sample.texts_agree({"jobs.py": BEAT})


def test_tasks_whose_heartbeats_are_turned_on_for_all_are_left_alone(sample: Sample) -> None:
    code = "from healthkit.workers.celery import install\ninstall(app)\n"
    sample.texts_agree({"jobs.py": BEAT.replace("  # gap: HK005", "") + code})


def test_the_heartbeats_of_another_library_do_not_count(sample: Sample) -> None:
    sample.texts_agree({"jobs.py": BEAT + "from healthkit.workers.rq import HeartbeatWorker\n"})


def test_a_timer_is_told_at_its_service_and_an_unscheduled_one_is_not(sample: Sample) -> None:
    sample.texts_agree(
        {
            "a.timer": "[Timer]\nOnCalendar=daily\nUnit=backup.service\n",
            "backup.service": "[Service]\nExecStart=/bin/backup  # gap: HK005\n",
            "other.service": "[Service]\nExecStart=/bin/other\n",
        }
    )


FIXES = {
    "from apscheduler.schedulers.background import BackgroundScheduler\njobs = BackgroundScheduler()\n"
    "def nightly(): ...\njobs.add_job(nightly)": 'install(jobs, jobs_url="https://checker.example/ping/<key>")'
    "  # from healthkit.workers.apscheduler",
    "from huey import RedisHuey, crontab\nqueue = RedisHuey()\n"
    "@queue.periodic_task(crontab(hour='3'))\ndef nightly(): ...": "install(queue, tasks_url="
    '"https://checker.example/ping/<key>")  # from healthkit.workers.huey',
    "from celery import Celery\nshop = Celery('x', broker='redis://x')  # healthkit: ignore[HK003] so\n"
    "@shop.task\ndef nightly(): ...\n"
    "shop.conf.beat_schedule = {'n': {'task': 'jobs.nightly', 'schedule': 60}}": "install(shop, tasks_url="
    '"https://checker.example/ping/<key>", only="scheduled")  # from healthkit.workers.celery',
    "from arq import cron\nasync def nightly(ctx): ...\n"
    "class WorkerSettings:\n    cron_jobs = [cron(nightly, hour=3)]": "@beating(functions_url="
    '"https://checker.example/ping/<key>")  # from healthkit.workers.arq, above its WorkerSettings',
    "from rq import cron\ndef nightly(): ...\ncron.register(nightly, 'default', interval=60)": "RQ_WORKER_"
    "CLASS=healthkit.workers.rq.HeartbeatWorker HEALTHKIT_JOBS_URL=https://checker.example/ping/<key>"
    "  # where the RQ worker that runs it is started",
    "import schedule\ndef nightly(): ...\nschedule.every().day.do(nightly)": "@Heartbeat("
    '"https://checker.example/ping/<key>/nightly").job  # above def nightly',
}


@pytest.mark.parametrize("code", FIXES, ids=lambda code: code.split()[1])
def test_the_fix_of_a_scheduled_job_is_its_librarys_own_call(sample: Sample, code: str) -> None:
    [one] = sample.reads({"jobs.py": code + "\n"})
    assert (one.code, one.fix) == ("HK005", FIXES[code])


def test_rq_jobs_that_all_tell_their_runs_are_left_alone(sample: Sample) -> None:
    code = "from rq import cron\ndef nightly(): ...\ncron.register(nightly, 'default', interval=60)\n"
    env = "RQ_WORKER_CLASS=healthkit.workers.rq.HeartbeatWorker HEALTHKIT_JOBS_URL=https://x/ping/k"
    found = sample.reads({"jobs.py": code, "Procfile": f"w: {env} rq worker\n"})
    assert "HK005" not in [one.code for one in found]
