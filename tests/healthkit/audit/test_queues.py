"""Queues, and the workers that take from them."""

from __future__ import annotations

import pytest

from tests.healthkit.audit.samples import Sample

APP = """
from flask import Flask
from redis import Redis
from rq import Queue
from healthkit import Health
from healthkit.checks.rq import QueueCanary, QueueDepth, WorkerHeartbeat
from healthkit_flask import HealthKit
app, health, redis = Flask(__name__), Health("x"), Redis()
HealthKit(app, health)
"""
DEPTH = "health.add(QueueDepth('{}', redis, fail=10))\n"
BEAT = "health.add(WorkerHeartbeat('{}', redis))\n"


@pytest.mark.parametrize(
    "code",
    [
        "mails = Queue('mails', connection=redis)  # gap: HK003",
        "plain = Queue(connection=redis)  # gap: HK003",
        "def enqueue():\n    Queue('late', connection=redis).enqueue(print)  # gap: HK003",
        "NAME = 'mails'\nmails = Queue(NAME, connection=redis)\n" + DEPTH.format("mails"),
        "mails = Queue('mails', connection=redis)\nhealth.add(QueueCanary('mails', redis))",
        "mails = Queue('mails', connection=redis)  # gap: HK003\n" + DEPTH.format("other"),
        "def enqueue(name):\n    Queue(name, connection=redis).enqueue(print)",
        "mails = Queue('mails', connection=redis)\n"
        "@health.check('queue')\ndef depth():\n    return mails.count < 10_000",
        "a = Queue('a', connection=redis)  # gap: HK003\nb = Queue('a', connection=redis)",
    ],
)
def test_each_queue_wants_a_look_at_its_depth(sample: Sample, code: str) -> None:
    sample.texts_agree({"app.py": f"{APP}{code}\n"})


WORKERS = {
    "Procfile": "worker: rq worker mails{gap}\n",
    "Makefile": "worker:\n\t@rq worker -u redis://localhost mails{gap}\n",
    "Dockerfile": 'FROM python\nCMD ["rq", "worker", "mails"]{gap}\n',
    "start.sh": "#!/bin/sh\nset -e\nexec rq worker --with-scheduler mails{gap}\n",
    "mails.service": "[Service]\nExecStart=/opt/venv/bin/rq worker mails{gap}\n",
    "supervisor.conf": "[program:mails]\ncommand=rq worker mails{gap}\n",
    "compose.yml": "services:\n  mails:\n    command: rq worker mails{gap}\n",
    "k8s.yaml": 'kind: Deployment\nspec:\n  - command: ["rq", "worker", "mails"]{gap}\n',
}


@pytest.mark.parametrize("name", sorted(WORKERS))
def test_a_worker_without_heartbeats_is_found_wherever_it_is_started(sample: Sample, name: str) -> None:
    text = WORKERS[name].format(gap="  # gap: HK004")
    sample.texts_agree({"app.py": APP + DEPTH.format("mails"), name: text})


@pytest.mark.parametrize("name", sorted(WORKERS))
def test_a_worker_that_the_app_looks_after_is_left_alone(sample: Sample, name: str) -> None:
    sample.texts_agree(
        {"app.py": APP + DEPTH.format("mails") + BEAT.format("mails"), name: WORKERS[name].format(gap="")}
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Procfile", "worker: RQ_WORKER_CLASS=healthkit.workers.rq.HeartbeatWorker rq worker mails\n"),
        ("Procfile", "worker: rq worker -w healthkit.workers.rq.HeartbeatWorker mails\n"),
        ("Procfile", "worker: healthkit exec --url $U -- rq worker mails\n"),
        ("Procfile", "# worker: rq worker mails\nweb: flask run\n"),
        ("mails.service", "[Service]\nEnvironment=HEALTHKIT_PING_URL=https://x\nExecStart=rq worker mails\n"),
        ("compose.yml", "services:\n  mails:\n    environment:\n      HEALTHKIT_PING_URL: https://x\n"
         "    command: rq worker mails\n"),
        (".env", "HEALTHKIT_PING_URL=https://x\n"),
    ],
)  # fmt: skip
def test_a_worker_that_beats_is_left_alone(sample: Sample, name: str, text: str) -> None:
    files = {"app.py": APP + DEPTH.format("mails"), name: text}
    if name == ".env":
        files["Procfile"] = "worker: rq worker mails\n"
    sample.texts_agree(files)


def test_the_environment_of_one_service_is_not_that_of_its_neighbour(sample: Sample) -> None:
    sample.texts_agree(
        {
            "app.py": APP + DEPTH.format("mails") + DEPTH.format("pictures"),
            "docker-compose.yml": """
            services:
              mails:
                command: rq worker mails  # gap: HK004
              pictures:
                command:
                  - rq
                  - worker
                  - pictures
                environment:
                  - HEALTHKIT_PING_URL=https://x
            """,
        }
    )


def test_a_worker_started_in_code_is_found_once(sample: Sample) -> None:
    sample.texts_agree(
        {
            "app.py": APP + DEPTH.format("mails"),
            "worker.py": """
            from redis import Redis
            from rq import SimpleWorker
            if __name__ == "__main__":
                SimpleWorker(["mails"], connection=Redis()).work()  # gap: HK004
            """,
            "Procfile": "worker: python worker.py\n",
        }
    )


def test_the_fix_of_a_worker_in_code_keeps_its_arguments_and_its_kind(sample: Sample) -> None:
    made = "w = SimpleWorker(['mails'], connection=Redis())"
    code = f"from redis import Redis\nfrom rq import SimpleWorker\n{made}\nw.work()\n"
    [one] = sample.reads({"app.py": APP + DEPTH.format("mails"), "worker.py": code})
    assert one.fix.startswith("HeartbeatSimpleWorker(['mails'], connection=Redis())")


def test_a_worker_in_code_that_beats_is_left_alone(sample: Sample) -> None:
    sample.texts_agree(
        {
            "app.py": APP + DEPTH.format("mails"),
            "worker.py": """
            from redis import Redis
            from healthkit.workers.rq import HeartbeatWorker
            HeartbeatWorker(["mails"], connection=Redis()).work()
            """,
        }
    )


LOOP = """
import os, redis, requests
client = redis.Redis()
{before}
while {test}:
    client.blpop("orders")
    {then}
"""


@pytest.mark.parametrize(
    ("before", "test", "then", "gap"),
    [
        ("", "True", "pass", True),
        ("", "client.exists('orders')", "pass", False),
        ("from healthkit import Heartbeat", "True", "Heartbeat('https://x/ping/a/b').ping()", False),
    ],
)
def test_a_loop_of_ones_own_wants_a_sign_of_life(
    sample: Sample, before: str, test: str, then: str, gap: bool
) -> None:
    sample.texts_agree(
        {
            "app.py": APP,
            "consumer.py": LOOP.format(before=before, test=test, then=then),
            "Procfile": f"web: flask run\nconsumer: python consumer.py{'  # gap: HK004' if gap else ''}\n",
        }
    )


@pytest.mark.parametrize(
    ("then", "gap"),
    [
        ("requests.get(os.environ['PING_URL'])", True),
        ("requests.get(os.environ['PING_URL'], timeout=5)", True),
        ("requests.post('https://hc-ping.com/1')", True),
        ("requests.get(os.environ['SHIPPING_URL'])", False),
        ("requests.get('https://stock.internal/next')", False),
    ],
)
def test_a_loop_that_its_monitor_can_end_is_found(sample: Sample, then: str, gap: bool) -> None:
    text = LOOP.format(before="", test="True", then=then + ("  # gap: HK011" if gap else ""))
    sample.texts_agree({"app.py": APP, "consumer.py": text})


CELERY = """
from celery import Celery
celery = Celery("x", broker="redis://localhost")
celery.conf.task_default_queue = "work"
@celery.task
def add(): ...
"""


def test_celerys_queue_and_worker_are_found_and_their_checks_too(sample: Sample) -> None:
    marked = CELERY.replace('localhost")', 'localhost")  # gap: HK003')
    sample.texts_agree(
        {"app.py": APP, "tasks.py": marked, "Procfile": "w: celery -A tasks worker -l info  # gap: HK004\n"}
    )


def test_a_celery_queue_with_a_check_on_its_list_is_left_alone(sample: Sample) -> None:
    code = (
        "from healthkit.checks.redis_queues import RedisList\nhealth.add(RedisList('work', redis, fail=10))\n"
    )
    sample.texts_agree({"app.py": APP + code, "tasks.py": CELERY})


COMMANDS = [
    ("celery -A shop.tasks:shop worker", "celery", 'install(shop, url="https://'),
    ("celery -A tasks worker -l info", "celery", 'install(app, url="https://'),
    ("dramatiq shop.tasks --processes 2", "dramatiq", 'broker.add_middleware(Heartbeats(url="https://'),
    ("python -m dramatiq tasks", "dramatiq", 'broker.add_middleware(Heartbeats(url="https://'),
    ("/venv/bin/huey_consumer.py shop.jobs.queue -w 4", "huey", 'install(queue, url="https://'),
    ("arq shop.worker.WorkerSettings", "arq", '@beating(url="https://'),
]


@pytest.mark.parametrize(("command", "library", "fix"), COMMANDS, ids=[row[0] for row in COMMANDS])
def test_the_fix_of_a_librarys_worker_is_its_own_call(
    sample: Sample, command: str, library: str, fix: str
) -> None:
    [one] = sample.reads({"Procfile": f"worker: {command}\n"})
    assert (one.code, one.fix.startswith(fix)) == ("HK004", True), one
    assert f"# from healthkit.workers.{library}" in one.fix


@pytest.mark.parametrize(("command", "library", "fix"), COMMANDS, ids=[row[0] for row in COMMANDS])
@pytest.mark.parametrize(
    "form", ["import healthkit.workers.{0}", "from healthkit.workers.{0} import install"]
)
def test_a_librarys_worker_whose_heartbeats_are_turned_on_is_left_alone(
    sample: Sample, command: str, library: str, fix: str, form: str
) -> None:
    files = {"Procfile": f"worker: {command}\n", "jobs.py": form.format(library)}
    assert sample.reads(files) == ()


@pytest.mark.parametrize(
    ("command", "check"),
    [
        ("dramatiq jobs", "dramatiq.WorkerHeartbeat('default', redis)"),
        ("arq jobs.WorkerSettings", "arq.WorkerHeartbeat(redis)"),
        ("huey_consumer jobs.huey", "huey.QueueDepth(huey, stalled_after='5m')"),
    ],
)
def test_a_librarys_worker_that_a_check_looks_at_is_left_alone(
    sample: Sample, command: str, check: str
) -> None:
    library = check.partition(".")[0]
    code = f"from healthkit.checks import {library}\nprobe = {check}\n"
    assert sample.reads({"Procfile": f"worker: {command}\n", "app.py": code}) == ()


@pytest.mark.parametrize("command", ["pip install dramatiq redis", "poetry add arq", "pip install arq a.b"])
def test_an_installation_is_no_worker(sample: Sample, command: str) -> None:
    assert sample.reads({"build.sh": f"{command}\n"}) == ()
