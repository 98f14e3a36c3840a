"""`Health`: what a service checks about itself, and the report of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

from healthkit.bounds import MAX_TEXT, clean
from healthkit.durations import Duration
from healthkit.engine import Clock, Runner, Surroundings, collect, collect_async
from healthkit.errors import ConfigurationError, DuplicateCheckError, UnknownCheckError
from healthkit.model import Check, Reading, Report
from healthkit.registration import build, place
from healthkit.status import Status

F = TypeVar("F", bound=Callable[[], Any])

NOTHING_CHECKED = "no check is registered: this says only that the process answers"
GROUPS = ("all", "live", "ready", "startup")


class Health:
    """The checks of one service, and who may see their details.

    `details_token`: with it set, a caller who does not send it as `Authorization: Bearer` learns the status
    alone.
    `clock` gives epoch seconds. Nothing is started before the first report is asked for.
    """

    def __init__(
        self,
        service: str,
        *,
        version: str | None = None,
        description: str | None = None,
        details_token: str | None = None,
        clock: Clock = time.time,
    ) -> None:
        self.service = _label(service, "service") or ""
        self.version = _label(version, "version")
        self.description = _label(description, "description")
        self.clock = clock
        self._details_token = _token(details_token)
        self._runners: dict[str, Runner] = {}
        self._places: dict[str, str] = {}
        self._selections: dict[str, tuple[Runner, ...]] = {}
        self._surroundings: Surroundings | None = None
        if not self.service.strip():
            raise ConfigurationError('service: give the service a name, such as Health("shop")')

    def __repr__(self) -> str:
        return f"Health({self.service!r}, checks={list(self._runners)!r})"

    @property
    def details_token(self) -> bytes | None:
        """The token that opens the details, as bytes to compare with; None: details are for everyone."""
        return self._details_token

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every registered check, in the order of registration."""
        return tuple(runner.check for runner in self._runners.values())

    def add(
        self,
        probe: Any,
        *,
        name: str | None = None,
        measurement: str | None = None,
        tags: Iterable[str] = (),
        timeout: Duration | None = None,
        fresh_for: Duration | None = None,
        critical: bool | None = None,
        on_app_loop: bool | None = None,
        component_type: str | None = None,
        identity: str | None = None,
        depends_on: Iterable[str] = (),
        description: str | None = None,
    ) -> Check:
        """Register a ready-made check or any callable, sync or async, and return the frozen `Check`.

        `timeout` (default 5 s) bounds the answer, `fresh_for` (default 1 s) is how long a reading is served
        again; both take seconds or text such as "90s". A check that is not `critical` makes the whole `warn`
        when it fails. `on_app_loop=True` runs an async check on the app's own loop, for a client that belongs
        to it; a check that blocks there blocks the app.
        Raises `ConfigurationError`, and `DuplicateCheckError` naming both places.
        """
        check = build(
            probe, name=name, measurement=measurement, tags=tags, timeout=timeout, fresh_for=fresh_for,
            critical=critical, on_app_loop=on_app_loop, component_type=component_type, identity=identity,
            depends_on=depends_on, description=description,
        )  # fmt: skip
        here = place()
        first = self._places.setdefault(check.key, here)
        if check.key in self._runners:
            raise DuplicateCheckError(
                f"{here}: check {check.key!r} is registered already, at {first}; "
                "give one of them another name= or measurement="
            )
        runner = Runner(check, clock=self.clock, surroundings=self._surroundings or nullcontext)
        self._runners = {**self._runners, check.key: runner}
        self._selections = {}
        return check

    def check(
        self,
        name: str,
        *,
        measurement: str | None = None,
        tags: Iterable[str] = (),
        timeout: Duration | None = None,
        fresh_for: Duration | None = None,
        critical: bool | None = None,
        on_app_loop: bool | None = None,
        component_type: str | None = None,
        identity: str | None = None,
        depends_on: Iterable[str] = (),
        description: str | None = None,
    ) -> Callable[[F], F]:
        """Register the decorated function as a check; it stays what it was. Options as in `add`."""
        if not isinstance(name, str):
            raise ConfigurationError('name the check: write @health.check("disk") above the function')

        def register(function: F) -> F:
            self.add(
                function, name=name, measurement=measurement, tags=tags, timeout=timeout, fresh_for=fresh_for,
                critical=critical, on_app_loop=on_app_loop, component_type=component_type, identity=identity,
                depends_on=depends_on, description=description,
            )  # fmt: skip
            return function

        return register

    def run_inside(self, surroundings: Surroundings) -> None:
        """Enter this context (such as Flask's `app.app_context`) around every run; the first given stays."""
        if self._surroundings is None:
            self._surroundings = surroundings
            for runner in self._runners.values():
                runner.surroundings = surroundings

    def report(self, select: str = "all") -> Report:
        """Run what is not fresh and report; waits in this thread, no longer than the longest timeout.

        `select` is "all", "live", "ready", "startup", or a check's name or key. Raises `UnknownCheckError`.
        """
        return self.report_of(collect(self.select(select)))

    async def report_async(self, select: str = "all") -> Report:
        """Report as `report` does, without blocking the running loop."""
        return self.report_of(await collect_async(self.select(select)))

    def select(self, select: str) -> tuple[Runner, ...]:
        """Return the runners of a group, or else of a check by name or key. Raises `UnknownCheckError`."""
        return self._group(select) if select in GROUPS else self.named(select)

    def named(self, name: str) -> tuple[Runner, ...]:
        """Return the runners of the checks with this name (`disk`) or key (`disk:status`)."""
        if name in self._runners:
            return (self._runners[name],)
        found = tuple(runner for runner in self._runners.values() if runner.check.name == name)
        if not found:
            known = ", ".join(self._runners) or "none"
            raise UnknownCheckError(f"no check is named {clean(name, 100)!r}; registered: {known}")
        return found

    def fresh(self, runners: Sequence[Runner]) -> tuple[Reading, ...] | None:
        """Return the readings if every one is fresh: costs no thread, no task and no wait."""
        now = self.clock()
        readings = []
        for runner in runners:
            reading = runner.fresh(now)
            if reading is None:
                return None
            readings.append(reading)
        return tuple(readings)

    def report_of(self, readings: Iterable[Reading]) -> Report:
        """Return the report of readings. Its `time` is that of the oldest one, or now where there is none."""
        rows, now = tuple(readings), self.clock()
        return Report(
            service=self.service,
            status=overall(rows),
            time=min((row.time for row in rows), default=now),
            readings=rows,
            version=self.version,
            description=self.description,
            max_age=max_age(rows, now),
            attributes=self._attributes(),
        )

    def _attributes(self) -> Mapping[str, Any]:
        return {} if self._runners else {"notes": [NOTHING_CHECKED]}

    def _group(self, group: str) -> tuple[Runner, ...]:
        if group not in self._selections:
            self._selections[group] = tuple(_chosen(list(self._runners.values()), group))
        return self._selections[group]


def overall(readings: Iterable[Reading]) -> Status:
    """Return the status of the whole: a failing check that is not critical makes it `WARN`."""
    status = Status.PASS
    for reading in readings:
        weight = reading.status
        if weight is Status.FAIL and not reading.check.critical:
            weight = Status.WARN
        if weight > status:
            status = weight
    return status


def max_age(readings: Iterable[Reading], now: float) -> float:
    """Return for how many seconds all these readings stay fresh."""
    least = min((reading.time + reading.check.fresh_for - now for reading in readings), default=0.0)
    return max(0.0, least)


def _chosen(runners: list[Runner], group: str) -> list[Runner]:
    """Return what is tagged so; where nothing is, `ready` means the critical ones and `startup` means ready.

    `live` never falls back: by default it touches no dependency.
    """
    if group == "all":
        return runners
    tagged = [runner for runner in runners if group in runner.check.tags]
    if tagged or group == "live":
        return tagged
    if group == "startup":
        return _chosen(runners, "ready")
    return [runner for runner in runners if runner.check.critical]


def _label(value: Any, what: str) -> str | None:
    if value is None and what != "service":
        return None
    if not isinstance(value, str):
        raise ConfigurationError(f"{what}: {value!r:.200} must be text")
    return clean(value, MAX_TEXT)


def _token(value: Any) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(
            "details_token: empty, or not text; give a secret, or leave it out to show details to everyone"
        )
    return value.strip().encode()
