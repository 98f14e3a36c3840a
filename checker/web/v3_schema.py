"""What the OpenAPI document says of the management API: its parameters, bodies and answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from checker.web.v3_spec import Asked

_STATUSES = {
    400: "not what is meant",
    401: "no key, or a wrong one",
    403: "not with this key, or it stands in the configuration",
    404: "no such check",
    409: "the slug belongs to another, or the check is not paused",
    413: "too large",
    503: "the store cannot be used now; try again",
}


class Problem(BaseModel):
    """What is wrong."""

    error: str


class Check(BaseModel):
    """A check. A read-only key gets `unique_key` in place of `uuid`, `channels` and the URLs."""

    model_config = ConfigDict(extra="forbid")

    name: str
    slug: str
    tags: str
    desc: str
    grace: int
    n_pings: int
    status: str
    started: bool
    last_ping: str | None
    next_ping: str | None
    manual_resume: bool
    methods: str
    subject: str
    subject_fail: str
    start_kw: str
    success_kw: str
    failure_kw: str
    filter_subject: bool
    filter_body: bool
    filter_http_body: bool
    filter_default_fail: bool
    badge_url: str
    last_duration: int = 0
    unique_key: str = ""
    uuid: str = ""
    ping_url: str = ""
    update_url: str = ""
    pause_url: str = ""
    resume_url: str = ""
    channels: str = ""
    timeout: int = 0
    schedule: str = ""
    tz: str = ""


class Checks(BaseModel):
    """All checks."""

    checks: list[Check]


class Ping(BaseModel):
    """A ping; `rid` and `body_url` are null where there is none."""

    model_config = ConfigDict(extra="forbid")

    type: str
    date: str
    n: int
    scheme: str
    remote_addr: str
    method: str
    ua: str
    rid: str | None
    body_url: str | None
    exitstatus: int = 0
    duration: float = 0.0


class Pings(BaseModel):
    """A check's last pings."""

    pings: list[Ping]


class Flip(BaseModel):
    """A change of status."""

    timestamp: str
    up: int


class Flips(BaseModel):
    """A check's changes of status."""

    flips: list[Flip]


class Channel(BaseModel):
    """A channel."""

    id: str
    name: str
    kind: str


class Channels(BaseModel):
    """All channels."""

    channels: list[Channel]


class BadgeUrls(BaseModel):
    """Where the badges of a tag are."""

    svg: str
    svg3: str
    json_url: str = Field(alias="json")
    json3: str
    shields: str
    shields3: str


class Badges(BaseModel):
    """The badges of each tag, `*` being all."""

    badges: dict[str, BadgeUrls]


def _parameter(name: str, place: str, kind: dict[str, Any], text: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": kind, "description": text}


_TEXT = {"type": "string"}
_CHECK = _parameter("check", "path", _TEXT, "the uuid of the check")
_CHECK_OR_KEY = _parameter("check", "path", _TEXT, "the uuid of the check, or its unique key")
_SECURITY: list[dict[str, list[str]]] = [{"ApiKey": []}]


@dataclass(frozen=True, slots=True)
class Described:
    """How an operation is described."""

    model: type[BaseModel] | None
    summary: str
    errors: tuple[int, ...]
    parameters: tuple[dict[str, Any], ...] = ()
    body: bool = False
    created: bool = False
    text: bool = False
    open: bool = False
    said: tuple[int, ...] = ()  # errors that are told as text

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of `add_api_route`."""
        responses: dict[int | str, dict[str, Any]] = {
            code: {"model": Problem, "description": _STATUSES[code]} for code in (*self.errors, 503)
        }
        if self.text:
            content = {"text/plain": {"schema": _TEXT}}
            responses[200] = {"description": "as text", "content": content}
        else:
            responses[200] = {"model": self.model, "description": "as asked"}
        if self.created:
            responses[201] = {"model": self.model, "description": "made"}
        for code in self.said:
            content = {"text/plain": {"schema": _TEXT}}
            responses[code] = {"description": _STATUSES[code], "content": content}
        extra: dict[str, Any] = {"parameters": list(self.parameters)}
        if not self.open:
            extra["security"] = _SECURITY
        if self.body:
            shape = {**Asked.model_json_schema(), "title": "Asked"}
            extra["requestBody"] = {"content": {"application/json": {"schema": shape}}}
        return {"summary": self.summary, "responses": responses, "openapi_extra": extra}


_ONE = (401, 403, 404)
CHECKS = Described(
    Checks,
    "List checks",
    (401, 403),
    (
        _parameter("tag", "query", {"type": "array", "items": _TEXT}, "only with this tag; repeatable"),
        _parameter("slug", "query", _TEXT, "only with this slug"),
    ),
)
CREATE = Described(Check, "Make a check", (400, 401, 403, 404, 409, 413), body=True, created=True)
CHECK = Described(Check, "Get a check", _ONE, (_CHECK_OR_KEY,))
UPDATE = Described(Check, "Change a check", (400, *_ONE, 409, 413), (_CHECK,), body=True)
DELETE = Described(Check, "Delete a check", _ONE, (_CHECK,))
PAUSE = Described(Check, "Pause a check", (400, *_ONE, 413), (_CHECK,))
RESUME = Described(Check, "Resume a check", (400, *_ONE, 413), (_CHECK,), said=(409,))
PINGS = Described(Pings, "List pings", _ONE, (_CHECK,))
BODY = Described(
    None,
    "Get a ping's body",
    _ONE,
    (_CHECK, _parameter("n", "path", {"type": "integer", "minimum": 1}, "the ping's number")),
    text=True,
)
_NUMBER = {"type": "integer", "minimum": 0}
FLIPS = Described(
    Flips,
    "List changes of status",
    (400, *_ONE),
    (
        _CHECK_OR_KEY,
        _parameter("start", "query", {**_NUMBER, "maximum": 10_000_000_000}, "from then on, epoch seconds"),
        _parameter("end", "query", {**_NUMBER, "maximum": 10_000_000_000}, "before then, epoch seconds"),
        _parameter("seconds", "query", {**_NUMBER, "maximum": 31_536_000}, "the last so many seconds"),
    ),
)
CHANNELS = Described(Channels, "List channels", (401, 403))
BADGES = Described(Badges, "List badges", (401, 403))
STATUS = Described(None, "Whether the API can work", (), text=True, open=True)
