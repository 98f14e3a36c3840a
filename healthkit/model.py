"""The frozen nouns of the app side: a check, what one run said, and the report of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from healthkit.status import Status

NO_DETAILS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Result:
    """What a check returns when it has more to tell than a bare value.

    `value` and `unit` become `observedValue` and `observedUnit`; `output` is the reason (omitted on pass);
    `details` become keys of their own in the document; `component_id` tells several results of one check
    apart; "" for the first of several makes it that of the whole.
    """

    value: Any = None
    unit: str | None = None
    status: Status = Status.PASS
    output: str = ""
    component_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=lambda: NO_DETAILS)


@runtime_checkable
class Probe(Protocol):
    """The shape of the ready-made checks in `healthkit.checks`; a plain function needs none of this.

    Optional attributes, read once at registration with `getattr`: `timeout` and `fresh_for`
    (durations, defaults for `Health.add`), `component_type` ("datastore", "system", "component"), `critical`
    (default True), `tags`, `identity` (the shared thing it depends on, e.g. "postgres:orders"), `depends_on`,
    `description`, `on_app_loop`, `every`, `initial_delay`, `fail_after`.
    Optional methods: `abort()`, called from another thread once a run is over its timeout; ends the hung call
    if it can. `within(limit)`, called once at registration with the timeout (seconds) that `Health.add` was
    given, so that the probe's own limits, whose reasons tell more, are over first.
    """

    name: str
    measurement: str

    def __call__(self) -> Any:
        """Run once; sync or async. Return None, a JSON value, `Result`s; raise `Warn` or `Fail`."""


@dataclass(frozen=True, slots=True)
class Check:
    """One registered check: what to run, and how its outcome counts. All times in seconds."""

    name: str
    measurement: str
    run: Callable[[], Any]
    is_async: bool = False
    on_app_loop: bool = False
    timeout: float = 5.0
    fresh_for: float = 1.0
    critical: bool = True
    tags: frozenset[str] = frozenset()
    component_type: str | None = None
    identity: str | None = None
    depends_on: tuple[str, ...] = ()
    description: str = ""
    abort: Callable[[], None] | None = None
    every: float | None = None  # run in the background this often; None: when a caller finds it stale
    initial_delay: float = 0.0  # how long after the start it is left alone
    fail_after: int = 1  # failures in a row before it fails

    @property
    def key(self) -> str:
        """The component's key in the document: `name:measurement`."""
        return f"{self.name}:{self.measurement}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one run of one check said.

    `time` is when it was read (epoch seconds), `duration` how long the run took (seconds). `output` is the
    reason, empty on pass. `results` holds the parts when a check returned several, each with its
    `component_id`. The status is `UNKNOWN` before the first run. A disabled check was not asked and weighs
    nothing. `sequence` grows with every reading of a `Health` in this process.
    """

    check: Check
    status: Status
    time: float
    duration: float = 0.0
    value: Any = None
    unit: str | None = None
    output: str = ""
    details: Mapping[str, Any] = field(default_factory=lambda: NO_DETAILS)
    results: tuple[Result, ...] = ()
    is_disabled: bool = False
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A check stands otherwise than before; `reading` is the one that made the difference."""

    service: str
    check: Check
    before: Status
    after: Status
    reading: Reading


@dataclass(frozen=True, slots=True)
class Report:
    """All readings of a selection of checks at one moment. `time` in epoch seconds, `max_age` in seconds."""

    service: str
    status: Status
    time: float
    readings: tuple[Reading, ...] = ()
    version: str | None = None
    description: str | None = None
    max_age: float = 0.0
    attributes: Mapping[str, Any] = field(default_factory=dict)
