"""What the checker's own API takes and answers: the models of its OpenAPI document. Epoch seconds."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from checker.model import Cause, Kind, Severity, State
from checker.store.codec import clean
from healthkit.durations import seconds
from healthkit.errors import ConfigurationError

LONGEST_WINDOW = 31 * 86_400.0  # seconds; what is longer wants the monitor paused, or gone
LATEST = 4_102_444_800.0  # 2100-01-01


class Answer(BaseModel):
    """What all answers share: no field that is not told of here."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)


class Problem(Answer):
    """What is wrong, and what to do next."""

    error: str


class Standing(Answer):
    """Where something stands, since when, and why."""

    name: str
    state: State
    since: float
    reason: str
    cause: Cause


class WatchedStanding(Standing):
    """Where a monitor stands, with its components; `started`: whether a heartbeat's run is under way."""

    kind: Kind
    components: list[Standing]
    started: bool = False


class Status(Answer):
    """The verdict ("up", "warn", "down" or "new") and every monitor."""

    verdict: str
    summary: str
    monitors: list[WatchedStanding]


class Component(Standing):
    """One entry of an endpoint's document; `full_name` is what `depends_on` says."""

    full_name: str
    endpoint: str
    value: Any = Field(None, description="what was observed last")
    unit: str | None = None
    last_seen: float | None = None
    last_good: float | None = None


class Monitor(Standing):
    """An endpoint or a heartbeat. `source` tells whose it is: "file", "api", "announced" (by its own app or
    job), or "auto" (made by a ping).
    """

    kind: Kind
    slug: str
    source: str
    tags: list[str]
    channels: list[str] | None = Field(description="null: every channel")
    depends_on: list[str]
    description: str
    schedule: str = Field(description="in words; empty for endpoints")
    failures: int = Field(description="consecutive bad observations")
    last_seen: float | None
    last_good: float | None
    started: bool
    last_start: float | None
    last_duration: float | None
    due_at: float | None
    pings: int
    processed: float | None
    backlog: float | None
    metrics: dict[str, float] = Field(description="the figures of a heartbeat's last ping that had some")
    latency: float | None
    instance: str | None = Field(None, description="of an endpoint: which process made the last document")
    sequence: int | None = Field(None, description="of that process: which of its readings it was")
    snoozed_until: float | None = Field(None, description="nobody is told of it before")
    components: list[Component]


class Entered(Answer):
    """What was entered or replaced, and whose it is."""

    name: str
    source: str


class Monitors(Answer):
    """Monitors, endpoints first, by name."""

    monitors: list[Monitor]
    total: int = Field(description="how many there are on all pages")
    next: int | None = Field(description="the `offset` of the next page; null on the last")


class Components(Answer):
    """Components of all endpoints."""

    components: list[Component]
    total: int
    next: int | None


class Change(Answer):
    """A monitor went from one state to another."""

    at: float
    old: State
    new: State
    cause: Cause
    reason: str
    evidence: dict[str, Any]


class Changes(Answer):
    """A monitor's changes, the newest first."""

    changes: list[Change]


class Member(Answer):
    """A monitor as it stands in an incident."""

    name: str
    state: State
    cause: Cause
    reason: str
    since: float
    resolved_at: float | None


class Incident(Answer):
    """One cause, from its first member's fall to its last member's recovery."""

    id: int
    dedup_key: str
    title: str
    cause: str
    severity: Severity
    since: float
    resolved_at: float | None
    acknowledged_at: float | None
    snoozed_until: float | None = Field(None, description="nobody is told anything new of it before")
    suppressed: list[str]
    monitors: list[Member]


class Incidents(Answer):
    """Incidents, the newest first."""

    incidents: list[Incident]


class Delivery(Answer):
    """What was, is or will be sent to a channel; `status` is "sent", "waiting" or "gave up"."""

    id: int
    incident_id: int | None
    channel: str
    event: str
    created_at: float
    not_before: float
    attempts: int
    sent_at: float | None
    gave_up_at: float | None
    last_error: str
    status: str


class Deliveries(Answer):
    """Deliveries, the newest first."""

    deliveries: list[Delivery]


class Uptime(Answer):
    """Seconds by what they count as; `uptime` is up / (up + down), null where nothing counts.

    `warn_seconds` are part of `up_seconds`. What the checker could not see (blind), new or paused time, and
    announced maintenance are in neither; together they are `uncounted_seconds`.
    """

    name: str
    start: float
    end: float
    uptime: float | None
    up_seconds: float
    warn_seconds: float
    down_seconds: float
    uncounted_seconds: float
    blind_seconds: float
    paused_seconds: float
    maintenance_seconds: float
    falls: int


class Uptimes(Answer):
    """The uptime of every endpoint, component and heartbeat."""

    uptimes: list[Uptime]
    total: int
    next: int | None


class Figures(Answer):
    """A monitor since a moment; the percentiles (seconds) are 2 % off at most, null where nothing is known.

    `count`, `failures` and percentiles are of looks or runs since `counted_since`, a full hour or UTC day.
    """

    label: str
    since: float
    uptime: float | None
    up_seconds: float
    down_seconds: float
    uncounted_seconds: float
    blind_seconds: float
    falls: int
    counted_since: float
    count: int
    failures: int
    p50: float | None
    p95: float | None
    p99: float | None


class History(Answer):
    """A monitor over a day, a week, 30, 90 and 365 days."""

    name: str
    spans: list[Figures]


class Window(Answer):
    """A maintenance window. Of a recurring one `id` is null, and `start` and `end` unless it is open."""

    id: int | None
    name: str
    monitors: list[str]
    description: str
    source: str
    schedule: str
    start: float | None
    end: float | None
    open: bool


class Windows(Answer):
    """Maintenance windows: those of the configuration, then one-off ones in the order they open."""

    maintenance: list[Window]


def _cleaned(text: str) -> str:
    return clean(text, 10_000)


def _seconds(value: float | str) -> float:
    try:
        return seconds(value, what="duration")
    except ConfigurationError as error:
        raise ValueError(str(error)) from None


Text = Annotated[str, AfterValidator(_cleaned)]
Moment = Annotated[float, Field(ge=0, le=LATEST, allow_inf_nan=False, description="epoch seconds")]


class NewWindow(BaseModel):
    """A one-off maintenance window, from `start` (now) to `end`, or for `duration` ("30m", or seconds)."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[Text, Field(min_length=1, max_length=200)]
    monitors: list[Annotated[Text, Field(min_length=1, max_length=500)]] = Field(
        ["*"],
        min_length=1,
        max_length=100,
        description="names or patterns; an endpoint covers its components",
    )
    start: Moment | None = None
    end: Moment | None = None
    duration: Annotated[float | Annotated[str, Field(max_length=40)], AfterValidator(_seconds)] | None = (
        Field(None, description='seconds, or text such as "30m"')
    )
    description: Annotated[Text, Field(max_length=2_000)] = ""

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if (self.end is None) == (self.duration is None):
            raise ValueError("give either end or duration")
        return self


class NewSnooze(BaseModel):
    """For how long nobody is to be told: `for` ("2h", or seconds)."""

    model_config = ConfigDict(extra="forbid")

    length: Annotated[float | Annotated[str, Field(max_length=40)], AfterValidator(_seconds)] = Field(
        alias="for", description='seconds, or text such as "2h"; 31 days at most'
    )
    by: Annotated[Text, Field(max_length=200)] = "the API"

    @field_validator("length")
    @classmethod
    def _bounded(cls, value: float) -> float:
        if not 0 < value <= LONGEST_WINDOW:
            raise ValueError("a snooze lasts more than nothing, and 31 days at most")
        return value


class Acknowledgement(BaseModel):
    """Who takes care of it."""

    model_config = ConfigDict(extra="forbid")

    by: Annotated[Text, Field(max_length=200)] = "the API"
