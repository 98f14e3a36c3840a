"""What a check stands at between its runs: the last reading, how long it holds, what was decided on it.

Time is an argument here, and there is no lock: the runner that owns a snapshot changes it under its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from healthkit.durations import humanize
from healthkit.model import Check, Reading, Result
from healthkit.status import Status


class Snapshot:
    """The standing of one check. `number` gives each reading its sequence number."""

    __slots__ = ("_disabled", "_good", "_kept", "_misses", "_number", "_until", "check", "status")

    def __init__(self, check: Check, number: Callable[[], int]) -> None:
        self.check = check
        self._number = number
        self._disabled: Reading | None = None
        self._until = math.inf  # epoch seconds at which a disabled check is enabled again
        self.forget()

    def forget(self) -> None:
        """Forget what was read; that a check is disabled stays."""
        self.status = Status.UNKNOWN
        self._kept: tuple[Reading, float] | None = None  # a reading, and the moment from which it is stale
        self._good: Reading | None = None
        self._misses = 0

    def fresh(self, now: float) -> Reading | None:
        """Return the reading that holds at `now`; a clock that went backwards makes it stale."""
        kept = self._kept
        if kept is not None and kept[0].time <= now < kept[1]:
            return kept[0]
        return None

    def weigh(self, outcome: Reading, failures: int) -> Reading:
        """Return what the check stands at if a run ends so, `failures` being what a failed one counts as."""
        weighed = stand(outcome, self._good, self._misses + failures)
        return replace(weighed, sequence=self._number())

    def keep(self, outcome: Reading, failures: int) -> Reading:
        """Take in how a run ended; return what the check stands at now."""
        weighed = self.weigh(outcome, failures)
        if outcome.status is Status.FAIL:
            self._misses += failures
        else:
            self._misses, self._good = 0, outcome
        if self._disabled is None:
            self._kept = (weighed, weighed.time + lifetime(self.check))
        return weighed

    def hold(self, now: float, delay: float) -> None:
        """Stand unproven until the first run is due."""
        output = f"not run yet: waits {humanize(delay)} from the start"
        reading = Reading(self.check, Status.UNKNOWN, now, output=output, sequence=self._number())
        if self._disabled is None:
            self._kept = (reading, now + delay)

    def disable(self, now: float, reason: str, until: float) -> None:
        """Stand as disabled, for a reason, until a moment (infinity: until enabled)."""
        details: dict[str, object] = {"reason": reason} if reason else {}
        if until < math.inf:
            details["forSeconds"] = round(until - now, 3)
        said = "disabled" + (f": {reason}" if reason else "")
        self._disabled = Reading(
            self.check, Status.PASS, now, output=said, details={"disabled": details or True},
            is_disabled=True, sequence=self._number(),
        )  # fmt: skip
        self._until = until
        self._kept = (self._disabled, until)

    def enable(self) -> None:
        """Be an ordinary check again; nothing read before counts."""
        self._disabled, self._kept = None, None

    def disabled(self, now: float) -> Reading | None:
        """Return the reading of a disabled check; enables it when its time is over."""
        if self._disabled is not None and now >= self._until:
            self.enable()
        return self._disabled


def lifetime(check: Check) -> float:
    """Return for how many seconds a reading is served; in the background, until the next must be there."""
    return check.fresh_for if check.every is None else check.every + check.timeout


def stand(outcome: Reading, good: Reading | None, failures: int) -> Reading:
    """Return an outcome as it counts: until `fail_after` failures in a row the last good status stays.

    A check that never passed has none to keep, and fails at once.
    """
    limit = outcome.check.fail_after
    if outcome.status is not Status.FAIL or failures >= limit or good is None:
        return outcome
    note = f"failed {failures} of {limit} times before it counts: {outcome.output}"
    details = {"failures": failures, "lastFailure": outcome.output}
    return replace(
        outcome,
        status=good.status,
        output=note,
        details={**outcome.details, **details},
        results=tuple(_softened(part, good.status, details) for part in outcome.results),
    )


def _softened(part: Result, status: Status, details: dict[str, object]) -> Result:
    if part.status <= status:
        return part
    return replace(part, status=status, details={**part.details, **details})
