"""The frozen nouns of the checker. Times are epoch seconds (UTC) as floats, durations are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from checker.probe_spec import USUAL, ProbeSpec
from checker.schedule import Schedule

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Kind(StrEnum):
    """What a monitor watches."""

    ENDPOINT = "endpoint"
    COMPONENT = "component"  # one entry of an endpoint's document; its parent is the endpoint
    HEARTBEAT = "heartbeat"


class State(StrEnum):
    """Where a monitor stands. `GRACE` is of heartbeats, `WARN` of endpoints and components."""

    NEW = "new"
    UP = "up"
    WARN = "warn"
    GRACE = "grace"
    DOWN = "down"
    PAUSED = "paused"


class Cause(StrEnum):
    """Why a monitor is where it is; the word an alert uses to tell one failure from another."""

    NONE = ""
    MISSED = "missed"  # no sign by the deadline
    FAILED = "failed"  # the job said so (fail, or a non-zero exit code)
    OVERRUN = "overrun"  # started, and not finished within max_runtime
    TOO_FAST = "too fast"  # finished under min_runtime
    TOO_OFTEN = "too often"  # ran again sooner than min_interval
    STALLED = "stalled"  # backlog, and no progress for stalled_after
    UNREACHABLE = "unreachable"  # no answer: refused, timed out, no such host, TLS
    HTTP = "http"  # an answer whose status code is wrong
    DOCUMENT = "document"  # an answer that cannot be read, or contradicts itself
    CONDITION = "condition"  # an answer that is not as the user's conditions want it
    GONE = "gone"  # a component that its document no longer has
    FAILING = "failing"  # the document says fail
    DEGRADED = "degraded"  # the document says warn
    FLAPPING = "flapping"  # of members of incidents: it fell again and again lately
    OPERATOR = "operator"  # paused or resumed by hand


@dataclass(frozen=True, slots=True)
class PingRules:
    """Which pings count, and as what; the names and the meaning are those of Healthchecks.

    With `methods` "POST" others are ignored. With `filter_http_body` the body decides: a keyword (any of a
    comma-separated list) makes it fail, success or start, in this order; without one it is ignored, or a
    failure where `filter_default_fail`. `filter_subject` and `filter_body` speak of e-mail: kept, not used.
    """

    methods: str = ""
    start_kw: str = ""
    success_kw: str = ""
    failure_kw: str = ""
    filter_subject: bool = False
    filter_body: bool = False
    filter_http_body: bool = False
    filter_default_fail: bool = False


@dataclass(frozen=True, slots=True)
class MonitorSpec:
    """A monitor's configuration. It never grows a failure counter: what happens is `MonitorState`.

    `full_name` of a component is `endpoint/name:measurement`. `slug` is unique among heartbeats,
    but for those that the API made.
    `token` is the uuid of a heartbeat's ping URL. `source` tells whose it is: "file", "api" or "auto".
    """

    kind: Kind
    name: str
    slug: str = ""
    token: str = field(default="", repr=False)
    parent: str = ""  # an endpoint's name, for components
    tags: tuple[str, ...] = ()
    channels: tuple[str, ...] | None = None  # None: every channel
    depends_on: tuple[str, ...] = ()
    identity: str = ""  # of components: what it stands on, as its document says: "postgres:orders"
    description: str = ""
    severity: str = ""  # "warning": never louder; "critical": a warning is critical, too; "": as it comes
    source: str = "file"
    fail_after: int = 1
    recover_after: int = 1
    remind_every: float | None = None  # seconds between reminders of its incidents; 0: none
    fail_when: tuple[int, int] | None = None  # down when m of n looks failed, instead of `fail_after`
    # endpoints
    url: str = field(default="", repr=False)  # may carry a password or a key
    every: float = 30.0
    timeout: float = 10.0
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING, repr=False)  # values may be secrets
    probe: ProbeSpec = USUAL
    # heartbeats
    schedule: Schedule | None = None
    grace: float = 3600.0
    max_runtime: float | None = None
    learn_runtime: bool = False  # without `max_runtime`: the limit is learned from the last runs
    min_runtime: float | None = None
    min_interval: float | None = None  # ended sooner than this after the last success: ran too often
    extend_on_progress: bool = False  # whether `max_runtime` counts anew from each progress
    stalled_after: float | None = None
    rules: PingRules | None = None  # None: every ping counts as what it says
    manual_resume: bool = False  # whether a paused one stays paused when pinged
    push_token: str = field(default="", repr=False)  # an opaque token that other products' clients ping with
    announced: str = ""  # what the app or job itself said of it: `checker.announced`
    title: str | None = None  # what the API calls it where its name is taken, or no name of ours

    @property
    def whose(self) -> str:
        """Who says what it is: "file", "api", "announced" (by the app or job itself), or "auto"."""
        return "announced" if self.announced and self.source == "auto" else self.source

    @property
    def full_name(self) -> str:
        """The name people and `depends_on` use: `shop`, `shop/database:write`, `nightly-invoices`."""
        return f"{self.parent}/{self.name}" if self.parent else self.name


@dataclass(frozen=True)  # without slots: a dictionary is copied at once, and each ping makes four copies
class MonitorState:
    """All that is remembered of a monitor between two observations."""

    state: State = State.NEW
    since: float = 0.0
    cause: Cause = Cause.NONE
    reason: str = ""
    failures: int = 0  # consecutive bad observations
    successes: int = 0  # consecutive good ones
    first_failure: float | None = None  # when the present row of failures began: the honest "since when"
    last_good: float | None = None
    last_seen: float | None = None  # last observation of any kind that came from the monitor itself
    # heartbeats
    last_start: float | None = None
    runs: tuple[tuple[str, float], ...] = ()  # (rid, started at) of runs under way, oldest first, 16 at most
    last_duration: float | None = None
    pings: int = 0
    processed: float | None = None
    backlog: float | None = None
    progressed_at: float | None = None  # when `processed` last advanced, or `backlog` was last 0
    due_at: float | None = None  # when the next sign is expected (up -> grace)
    deadline: float | None = None  # when `advance` wants a `Deadline` next: the least of all that can pass
    # endpoints and components
    value: Any = None  # of heartbeats: the last `metrics` of a ping, name -> number
    unit: str | None = None
    latency: float | None = None
    warnings: int = 0  # consecutive looks that did not pass: warn or fail
    passes: int = 0  # consecutive looks that passed without a warning
    # heartbeats again
    last_failure: float | None = None  # when the job last said that it failed, or finished too fast
    allowance: float = 0.0  # blind seconds since the runs under way began: added to max_runtime
    told: int = 0  # the number of the last blind time that its moments have moved by
    falls: tuple[float, ...] = ()  # when it last got worse, the last few times
    durations: tuple[float, ...] = ()  # of the last runs that ended well, oldest first
    looks: int = 0  # with `fail_when`: the last looks, a bit each, 1 where it failed
    # endpoints: which process made the last document, and its own count of readings
    instance: str = ""
    sequence: int | None = None

    @property
    def started(self) -> bool:
        """Whether a run is under way (shown beside the state, as Healthchecks does)."""
        return bool(self.runs)


class PingKind(StrEnum):
    """The five signs of the ping protocol; an exit code of 0 is SUCCESS, of 1-255 FAIL."""

    SUCCESS = "success"
    START = "start"
    FAIL = "fail"
    LOG = "log"
    IGNORED = "ign"


@dataclass(frozen=True, slots=True)
class Ping:
    """A heartbeat's sign. `at` is when it happened: the arrival, or when it was journaled (backfill)."""

    kind: PingKind
    at: float
    exit_code: int | None = None
    rid: str = ""
    body: bytes = b""
    processed: float | None = None
    backlog: float | None = None
    scheme: str = "http"
    method: str = "GET"
    user_agent: str = ""
    remote: str = ""
    duration: float | None = None  # how long it says it took; a start that we saw counts more
    metrics: Mapping[str, float] = field(default_factory=lambda: NOTHING)


class Verdict(StrEnum):
    """What one look at an endpoint or component said."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a document tells of itself: which process made it, its count of readings, and when it was read.

    `unsaid` are components it names and says nothing of; `is_whole`: whether all of it was understood.
    """

    instance: str = ""
    sequence: int | None = None
    time: float | None = None
    unsaid: tuple[str, ...] = ()
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Poll:
    """One look at an endpoint, or at one component of its document (then `components` is empty).

    `latency` in seconds; `at` is when the answer was complete.
    """

    verdict: Verdict
    at: float
    cause: Cause = Cause.NONE
    reason: str = ""
    http_status: int | None = None
    latency: float | None = None
    value: Any = None
    unit: str | None = None
    details: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    components: tuple[tuple[str, Poll], ...] = ()  # (key, reading)
    origin: Origin | None = None  # of endpoints: None where there was no document


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment passed at which `MonitorState.deadline` wanted to be asked again."""

    at: float


@dataclass(frozen=True, slots=True)
class Blind:
    """The checker could not see from `start` to `end`: deadlines move, nothing is counted.

    Blind times are numbered as they become known; a state remembers the last that it was `told` of.
    """

    start: float
    end: float
    number: int = 0

    @property
    def at(self) -> float:
        """When sight came back."""
        return self.end


@dataclass(frozen=True, slots=True)
class Command:
    """An operator's word: "pause" or "resume"."""

    verb: str
    at: float
    by: str = ""


Observation = Ping | Poll | Deadline | Blind | Command


@dataclass(frozen=True, slots=True)
class Change:
    """A monitor went from one state to another. A change is a row; the assembler judges it later.

    `evidence` is what an alert explains with: last_good, exit_code, output (last lines), duration, ...
    `id` and `monitor_id` are given by the store.
    """

    at: float
    old: State
    new: State
    cause: Cause = Cause.NONE
    reason: str = ""
    evidence: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    monitor_id: int = 0
    id: int = 0


class Event(StrEnum):
    """What a notification tells."""

    OPENED = "opened"
    UPDATED = "updated"
    RESOLVED = "resolved"
    REMINDER = "reminder"
    ACKNOWLEDGED = "ack"
    TEST = "test"
    DRILL = "drill"


class Severity(StrEnum):
    """How loud an incident is."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Snooze:
    """A monitor that nobody is to be told of before `until`; what is not well then is told (again)."""

    until: float
    at: float  # when it was asked for
    by: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A monitor as it stands in an incident."""

    monitor_id: int
    name: str  # full name
    state: State
    reason: str = ""
    cause: Cause = Cause.NONE
    since: float = 0.0
    resolved_at: float | None = None
    evidence: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Incident:
    """One cause, from its first member's fall to its last member's recovery."""

    id: int
    group: str  # what its members share: an endpoint's name, or the heartbeat's own
    dedup_key: str
    title: str
    cause: str
    since: float
    severity: Severity = Severity.CRITICAL
    resolved_at: float | None = None
    acknowledged_at: float | None = None
    members: tuple[Member, ...] = ()
    suppressed: tuple[str, ...] = ()
    snoozed_until: float | None = None  # as views tell it; the judge goes by its members' `Snooze`


@dataclass(frozen=True, slots=True)
class Notification:
    """What a channel is given to tell: frozen when it was decided; a late send tells the truth of then."""

    event: Event
    incident: Incident
    at: float
    url: str = ""  # of the incident on the dashboard


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """Where to tell. `settings` are the kind's own keys; secrets among them are never shown or logged."""

    name: str
    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    remind_every: float | None = None  # seconds between reminders here; 0: none
