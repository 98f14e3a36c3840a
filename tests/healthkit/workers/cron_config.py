"""What `rq cron` is given in the tests."""

from __future__ import annotations

from rq.cron import register

from healthkit.workers.rq_cron import install
from tests.healthkit.workers.jobs import add

install()
register(add, queue_name="default", args=(1, 2), interval=1)
