"""`rq cron` that tells the checker it lives.

In the file that `rq cron` is given: `install()`. With `HEALTHKIT_PING_URL` set it beats from the scheduler's
own loop, with the number of jobs that it has enqueued; `HEALTHKIT_PING_EVERY` is its longest silence.
"""

from __future__ import annotations

from typing import Any

from rq.cron import CronScheduler

from healthkit import transport
from healthkit.durations import Duration
from healthkit.workers._watch import Watch, watch_from

_watches: dict[str, Watch] = {}  # one for all schedulers of this process: the latest that was asked for


def install(*, url: str | None = None, every: Duration | None = None) -> None:
    """Have this process's cron schedulers beat at `url`; calling it again changes where to.

    What is not given comes from `HEALTHKIT_PING_URL` and `HEALTHKIT_PING_EVERY`. A wrong URL is logged, and
    raises nothing.
    """
    first = not _watches
    _watches["now"] = watch_from(url=url, every=every, jobs=None, jobs_url=None)
    if first:
        _patch(CronScheduler)


def _patch(scheduler: Any) -> None:
    beat, pause, enqueue, die = (
        scheduler.heartbeat,
        scheduler.calculate_sleep_interval,
        scheduler.enqueue_jobs,
        scheduler.register_death,
    )

    def heartbeat(self: Any, *args: Any, **kwargs: Any) -> Any:
        _watches["now"].turned()
        return beat(self, *args, **kwargs)

    def calculate_sleep_interval(self: Any) -> float:
        """Let the loop turn often enough."""
        usual = float(pause(self))
        return min(usual, _watches["now"].every or usual)

    def enqueue_jobs(self: Any) -> Any:
        done = enqueue(self)
        known = _watches["now"].known
        known["processed"] = known.get("processed", 0) + len(done)
        return done

    def register_death(self: Any, *args: Any, **kwargs: Any) -> Any:
        _watches["now"].farewell(f"RQ cron scheduler {self.name}")
        transport.leave()
        return die(self, *args, **kwargs)

    scheduler.heartbeat, scheduler.calculate_sleep_interval = heartbeat, calculate_sleep_interval
    scheduler.enqueue_jobs, scheduler.register_death = enqueue_jobs, register_death
