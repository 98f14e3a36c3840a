"""The judgement on the workers of every queue: dead, frozen, silent, stuck and stalled, told from idle. Pure
but for the memory of when something last moved.

Each state has its own word, in front of the reason and as `state` among the details:
dead: no worker, or its connection is gone. frozen: connected, and without a sign of life (SIGSTOP), or it
took a job and never began it. silent: no sign, and no more is known. stuck: a job runs past its own limit.
stalled: alive, and jobs wait, and none is begun or ended. suspended, abandoned: a person should look.
working, idle: all is well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from healthkit.checks.queue_depth import Clock, plain, positive, queue_name, span
from healthkit.checks.queue_model import Crew, Hand, Task, jobs
from healthkit.durations import Duration, humanize, seconds
from healthkit.errors import Fail, Outcome, Warn
from healthkit.model import Result

OVERRUN = 5.0  # seconds past its limit in which the library itself still ends a job
UNLIMITED = 600.0  # seconds without progress that a job without a limit of its own may cause


class CrewWatch:
    """Judges one crew again and again; `max_silence` and `stalled_after` in seconds.

    Without `stalled_after`, jobs may wait without progress for as long as the jobs in work may run, ten
    minutes where one has no limit, and `max_silence` where none is in work.
    """

    def __init__(self, *, max_silence: float, stalled_after: float | None) -> None:
        self._max_silence = max_silence
        self._stalled_after = stalled_after
        self._progress: Any = None
        self._since: float | None = None

    def judge(self, crew: Crew, now: float) -> Result:
        """Return the reading, or raise `Warn` or `Fail`, with the figures; `now` in epoch seconds."""
        still = self._still(crew, now)
        latest = min((hand.silence for hand in crew.hands), default=None)
        value = None if latest is None else round(latest, 3)
        kind, state, reason = self._verdict(crew, still)
        facts = {"state": state, **_figures(crew)}
        if kind is None:
            return Result(value, "s", details=facts)
        raise kind(f"{state}: {reason}", value=value, unit="s", **facts)

    def _still(self, crew: Crew, now: float) -> float:
        """Return for how long jobs have waited and nothing moved."""
        if not crew.waiting:
            self._since = None
        elif self._since is None or now < self._since or crew.progress != self._progress:
            self._since = now
        self._progress = crew.progress
        return 0.0 if self._since is None else now - self._since

    def _verdict(self, crew: Crew, still: float) -> tuple[type[Outcome] | None, str, str]:
        silent = [hand for hand in crew.hands if hand.is_silent]
        if not crew.hands:
            return Fail, "dead", _nobody(crew)
        if found := _overrun(crew.hands):
            return Fail, "stuck", _stuck(*found)
        if len(silent) == len(crew.hands):
            return Fail, *_all_silent(crew, silent, self._max_silence)
        if crew.taken is not None and crew.taken_for > self._max_silence:
            took = humanize(crew.taken_for)
            return Fail, "frozen", f"job {crew.taken} was taken {took} ago by a worker that never began it"
        if crew.is_suspended:
            return Warn, "suspended", "the workers take no jobs until they are resumed"
        if crew.waiting and still > self._patience(crew.hands):
            if all(hand.is_connected is False and hand.silence > self._max_silence for hand in crew.hands):
                return Fail, *_all_silent(crew, crew.hands, self._max_silence)
            return Fail, "stalled", _stalled(crew, still)
        if silent:
            return Warn, "silent", f"{len(silent)} of {len(crew.hands)} workers; {_last_seen(silent)}"
        if crew.abandoned or crew.lost:
            return (
                Warn,
                "abandoned",
                f"{_ownerless(crew)} lost the worker, and nobody has taken care of that yet",
            )
        return None, "working" if crew.waiting or any(hand.is_busy for hand in crew.hands) else "idle", ""

    def _patience(self, hands: Sequence[Hand]) -> float:
        """Return for how many seconds jobs may wait without progress."""
        if self._stalled_after is not None:
            return self._stalled_after
        live = [hand for hand in hands if not hand.is_silent]
        limits = [UNLIMITED if task.limit is None else task.limit + OVERRUN for task in _tasks(live)]
        return max([self._max_silence, *limits])


class CrewProbe:
    """Base of the checks on workers: an adapter reads the crew, the judgement is the same for all."""

    measurement = "heartbeat"
    component_type = "component"
    timeout: float

    def _begin(
        self, queue: str, kind: str, name: str | None, timeout: Duration, clock: Clock,
        max_silence: Duration, stalled_after: Duration | None,
    ) -> None:  # fmt: skip
        """Take what all have in common; `kind` is the broker's, e.g. "rq". Raises `ConfigurationError`."""
        what = type(self).__name__
        self.queue = queue_name(queue, what)
        self.timeout = positive(timeout, f"{what} timeout")
        self.name = name or f"worker-{plain(queue)}"
        self.identity = f"{kind}:{queue}"
        self._clock = clock
        self._max_silence = seconds(max_silence, what=f"{what} max_silence")
        patience = span(stalled_after, f"{what} stalled_after")
        self._watch = CrewWatch(max_silence=self._max_silence, stalled_after=patience)

    def __call__(self) -> Any:
        """Read once; raises `Warn` or `Fail` with the figures."""
        now = self._clock()
        return self._watch.judge(self.crew(now), now)

    def crew(self, now: float) -> Crew:
        """Read the workers; `now` in epoch seconds. Raises `Fail` with the class of reason."""
        raise NotImplementedError


def _figures(crew: Crew) -> dict[str, Any]:
    return {
        "workers": len(crew.hands),
        "busy": sum(hand.is_busy for hand in crew.hands),
        "waiting": crew.waiting,
        **crew.details,
        **({"abandoned": crew.abandoned} if crew.abandoned else {}),
        **({"lost": crew.lost} if crew.lost else {}),
        **({"vanished": crew.vanished} if crew.vanished else {}),
        **({"oldest_age": round(crew.oldest_age, 3)} if crew.oldest_age is not None else {}),
        **({"running": [str(task) for task in _longest(crew.hands)[:3]]} if _tasks(crew.hands) else {}),
    }


def _tasks(hands: Sequence[Hand]) -> list[Task]:
    return [task for hand in hands for task in hand.tasks]


def _longest(hands: Sequence[Hand]) -> list[Task]:
    return sorted(_tasks(hands), key=lambda task: -(task.running_for or 0.0))


def _overrun(hands: Sequence[Hand]) -> tuple[Hand, Task] | None:
    """Return the first job that runs past its limit, so that its library has failed to end it."""
    for hand in hands:
        for task in hand.tasks:
            limit, ran = task.limit, task.running_for
            if limit is not None and ran is not None and ran > limit + OVERRUN:
                return hand, task
    return None


def _nobody(crew: Crew) -> str:
    gone = f"; {crew.vanished} ended without a goodbye" if crew.vanished else ""
    return f"no worker is registered for the queue {crew.queue}{gone}{_waiting(crew)}"


def _ownerless(crew: Crew) -> str:
    kinds = {"started": crew.abandoned, "taken": crew.lost}
    whose = [
        f"a {kind} job" if count == 1 else f"{count:,} {kind} jobs" for kind, count in kinds.items() if count
    ]
    return f"{' and '.join(whose)} {'has' if crew.abandoned + crew.lost == 1 else 'have'}"


def _stuck(hand: Hand, task: Task) -> str:
    took, limit = humanize(task.running_for or 0), humanize(task.limit or 0)
    return f"worker {hand.name} has run job {task} for {took} (its timeout is {limit})"


def _stalled(crew: Crew, still: float) -> str:
    running = _longest(crew.hands)
    where = "no job is in work"
    if running:
        ran = running[0].running_for
        since = "" if ran is None else f", begun {humanize(ran)} ago"
        more = f" and {len(running) - 1} more" if len(running) > 1 else ""
        where = f"it hangs in job {running[0]}{since}{more}"
    return f"no job was begun or ended for {humanize(still)}{_waiting(crew)}; {where}"


def _all_silent(crew: Crew, silent: Sequence[Hand], max_silence: float) -> tuple[str, str]:
    known = {hand.is_connected for hand in silent}
    state = "frozen" if True in known else "dead" if known == {False} else "silent"
    proof = {"frozen": ", though still connected", "dead": ", and is no longer connected"}.get(state, "")
    who = "the worker" if len(silent) == 1 else f"all {len(silent)} workers"
    running = [str(task) for task in _longest(silent)[:3]]
    busy = f"; busy with job {', '.join(running)}" if running else ""
    return state, (
        f"{who} gave no sign for over {humanize(max_silence)}{proof}; "
        f"{_last_seen(silent)}{_waiting(crew)}{busy}"
    )


def _last_seen(hands: Sequence[Hand]) -> str:
    latest = min(hands, key=lambda hand: hand.silence)
    return f"{latest.name} was last seen {humanize(latest.silence)} ago"


def _waiting(crew: Crew) -> str:
    if not crew.waiting:
        return ""
    age = "" if crew.oldest_age is None else f", the oldest for {humanize(crew.oldest_age)}"
    return f"; {jobs(crew.waiting)}{age}"
