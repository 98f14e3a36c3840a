"""The judgement on every queue, whatever keeps it: depth, age of the oldest, growth, standstill."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypedDict

from healthkit.checks.queue_growth import Growth, Memory, Sample
from healthkit.checks.queue_model import Seen, jobs
from healthkit.durations import Duration, humanize, seconds
from healthkit.errors import ConfigurationError, Fail, Warn
from healthkit.model import Result

Clock = Callable[[], float]
GROWTH_WINDOW = "10m"
GROWTH_LEAST = 10


class Limits(TypedDict, total=False):
    """What every depth check takes: counts of jobs, and durations. None switches a rule off.

    From `warn` and `fail` jobs on it warns and fails; it fails when the oldest waits longer than `max_age`,
    and when jobs wait and none was taken for `stalled_after`. It warns when the queue grew all through
    `growth_window` (10 minutes unless told), by `growth_least` jobs or more (10 unless told).
    """

    warn: int | None
    fail: int | None
    max_age: Duration | None
    stalled_after: Duration | None
    growth_window: Duration | None
    growth_least: int


class DepthWatch:
    """The limits of one queue and the memory of what was seen of it. `what` begins each error's text."""

    def __init__(self, what: str, limits: Limits) -> None:
        unknown = sorted(limits.keys() - Limits.__annotations__.keys())
        if unknown:
            known = ", ".join(Limits.__annotations__)
            raise TypeError(f"{what} has no option {unknown[0]!r}; its limits are {known}")
        self._what = what
        self._warn, self._fail = (count(limits.get(key), f"{what} {key}") for key in ("warn", "fail"))
        if self._warn is not None and self._fail is not None and self._warn > self._fail:
            raise ConfigurationError(f"{what}: warn={self._warn} is above fail={self._fail}; swap them")
        self._max_age = span(limits.get("max_age"), f"{what} max_age")
        self._stalled_after = span(limits.get("stalled_after"), f"{what} stalled_after")
        window = span(limits.get("growth_window", GROWTH_WINDOW), f"{what} growth_window")
        self._judges_growth = window is not None
        self._least = count(limits.get("growth_least", GROWTH_LEAST), f"{what} growth_least") or 1
        self._memory = Memory(window or seconds(GROWTH_WINDOW))
        self._first: tuple[str | None, float] = (None, 0.0)
        self._still = _Standstill()

    def without_order(self, why: str) -> None:
        """Refuse the limits that need to know who is first in line. Raises `ConfigurationError`."""
        for key, value in (("max_age", self._max_age), ("stalled_after", self._stalled_after)):
            if value is not None:
                raise ConfigurationError(f"{self._what}: {key} cannot be judged: {why}")

    def judge(self, seen: Seen, now: float) -> Result:
        """Return the reading, or raise `Warn` or `Fail`, with the figures; `now` in epoch seconds."""
        age = self._age(seen, now)
        still = self._still.seconds(seen, now)
        grows = self._memory.remember(Sample(now, seen.waiting, seen.added), least=self._least)
        facts = {**seen.details, **figures(age, grows)}
        about = {"value": seen.waiting, "unit": "jobs", **facts}
        if reason := self._failure(seen.waiting, age, still):
            raise Fail(reason, **about)
        if reason := self._warning(seen.waiting, age, grows):
            raise Warn(reason, **about)
        return Result(seen.waiting, "jobs", details=facts)

    def _age(self, seen: Seen, now: float) -> float | None:
        """Return the oldest's age as written down, or since it was first seen at the head of the line."""
        if seen.oldest_age is not None or not seen.waiting:
            return seen.oldest_age
        if seen.oldest is None:
            return None
        if seen.oldest != self._first[0] or now < self._first[1]:
            self._first = (seen.oldest, now)
        return now - self._first[1]

    def _failure(self, waiting: int, age: float | None, still: float) -> str:
        wait = "" if age is None else f"; the oldest has waited {humanize(age)}"
        if self._fail is not None and waiting >= self._fail:
            return f"too deep: {jobs(waiting)} (limit {self._fail:,}){wait}"
        if self._max_age is not None and age is not None and age > self._max_age:
            limit = humanize(self._max_age)
            return f"too old: the oldest job has waited {humanize(age)} (limit {limit}); {jobs(waiting)}"
        if self._stalled_after is not None and still > self._stalled_after:
            return f"stalled: {jobs(waiting)}, and none was taken for {humanize(still)}"
        return ""

    def _warning(self, waiting: int, age: float | None, grows: Growth | None) -> str:
        if self._warn is not None and waiting >= self._warn:
            wait = "" if age is None else f"; the oldest has waited {humanize(age)}"
            return f"deep: {jobs(waiting)} (warning from {self._warn:,}){wait}"
        if self._judges_growth and grows is not None and grows.is_sustained:
            return _growing(waiting, grows, self._fail)
        return ""


class DepthProbe:
    """Base of the depth checks: an adapter reads the queue, the judgement is the same for all."""

    measurement = "depth"
    component_type = "component"
    timeout: float
    _title: ClassVar[str] = "queue"

    def _begin(
        self, queue: str, kind: str, name: str | None, timeout: Duration, clock: Clock, limits: Limits
    ) -> None:
        """Take what all have in common; `kind` is the broker's, e.g. "rq". Raises `ConfigurationError`."""
        what = type(self).__name__
        self.queue = queue_name(queue, what)
        self.timeout = positive(timeout, f"{what} timeout")
        self.name = name or f"{self._title}-{plain(queue)}"
        self.identity = f"{kind}:{queue}"
        self._clock = clock
        self._watch = DepthWatch(what, limits)

    def __call__(self) -> Any:
        """Read once; raises `Warn` or `Fail` with the figures."""
        now = self._clock()
        return self._watch.judge(self.read(now), now)

    def read(self, now: float) -> Seen:
        """Read the queue; `now` in epoch seconds. Raises `Fail` with the class of reason."""
        raise NotImplementedError


class _Standstill:
    """For how long nothing was taken while something waited."""

    def __init__(self) -> None:
        self._last: Seen | None = None
        self._since = 0.0

    def seconds(self, seen: Seen, now: float) -> float:
        if self._last is None or now < self._since or _moved(self._last, seen):
            self._since = now
        self._last = seen
        return now - self._since


def _moved(before: Seen, seen: Seen) -> bool:
    """Tell whether something was taken between two looks, or nothing waited at one of them."""
    if not before.waiting or not seen.waiting or seen.waiting < before.waiting:
        return True
    if before.oldest != seen.oldest:
        return True
    if before.added is None or seen.added is None:
        return seen.oldest is None  # nothing tells, so nothing is said
    return seen.added - before.added > seen.waiting - before.waiting


def figures(age: float | None, grows: Growth | None) -> dict[str, Any]:
    """Return what is told beside every depth."""
    facts: dict[str, Any] = {} if age is None else {"oldest_age": round(age, 3)}
    if grows is None:
        return facts
    facts["growth_per_minute"] = grows.per_minute
    if grows.came is not None:
        facts |= {"in_per_minute": grows.came, "out_per_minute": grows.went}
    if grows.drains_in is not None:
        facts["drains_in"] = round(grows.drains_in)
    return facts


def _growing(waiting: int, grows: Growth, limit: int | None) -> str:
    rates = "" if grows.came is None else f" ({grows.came:,.3g} come and {grows.went:,.3g} go in a minute)"
    full = ""
    if limit is not None and grows.per_minute > 0:
        full = f"; it reaches its limit of {limit:,} in {humanize((limit - waiting) / grows.per_minute * 60)}"
    return (
        f"growing: by {grows.per_minute:,.3g} jobs/min for {humanize(grows.over)}{rates}; "
        f"{jobs(waiting)}, never drains at this rate{full}"
    )


def count(value: Any, what: str) -> int | None:
    """Return a number of jobs above nought, or None. Raises `ConfigurationError` naming `what`."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ConfigurationError(
            f"{what}: {value!r:.100} is not a number of jobs; give a whole number above 0"
        )
    return value


def span(value: Duration | None, what: str) -> float | None:
    """Return a duration in seconds above nought, or None. Raises `ConfigurationError` naming `what`."""
    return None if value is None else positive(value, what)


def positive(value: Duration, what: str) -> float:
    """Return a duration in seconds above nought. Raises `ConfigurationError` naming `what`."""
    found = seconds(value, what=what)
    if found <= 0:
        raise ConfigurationError(f"{what}: {value!r} leaves no time; give seconds above 0")
    return found


def queue_name(queue: Any, what: str) -> str:
    """Return a queue's name. Raises `ConfigurationError` for what cannot be one."""
    if not isinstance(queue, str) or not queue:
        raise ConfigurationError(f'{what}: the queue must be a name such as "default", not {queue!r:.100}')
    return queue


def plain(queue: str) -> str:
    """Return a queue's name as a part of a check's name: a colon and other signs become dashes."""
    return "".join(sign if sign.isalnum() or sign in "._@+~-" else "-" for sign in queue)[:100].strip("-")
