"""What a client of Healthchecks' management API asks for, read, and made a specification. Pure.

Fields, limits and error texts are those of `Spec` in hc/api/views.py of Healthchecks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from checker.model import Kind, MonitorSpec, PingRules
from checker.schedule import Cron, Every, OnCalendar, ScheduleError, parse, parse_timezone
from checker.store.codec import clean
from checker.store.monitors import DAY, HOUR
from healthkit.errors import HealthkitError

LEAST, MOST = 60, 31_536_000  # seconds of a timeout or grace
TEXT = 10_000  # characters of a description or of tags; more is a mistake or an attack
_NO_NAME = re.compile(r"[\x00-\x1f\x7f/]")
_RULES = (
    "methods",
    "start_kw",
    "success_kw",
    "failure_kw",
    "filter_subject",
    "filter_body",
    "filter_http_body",
    "filter_default_fail",
)
_ERRORS = {
    "too_long": "%s is too long",
    "string_too_long": "%s is too long",
    "string_type": "%s is not a string",
    "string_pattern_mismatch": "%s does not match pattern",
    "less_than_equal": "%s is too large",
    "greater_than_equal": "%s is too small",
    "int_type": "%s is not a number",
    "bool_type": "%s is not a boolean",
    "literal_error": "%s has unexpected value",
    "list_type": "%s is not an array",
    "cron_syntax": "%s is not a valid cron or OnCalendar expression",
    "tz_syntax": "%s is not a valid timezone",
}


class AskedError(HealthkitError):
    """A request that cannot be meant; the text is what its client hears."""


class Asked(BaseModel):
    """The fields of a check to make or change; what is left out stays, or has its default."""

    model_config = ConfigDict(strict=True, extra="ignore")

    channels: str | None = Field(None, max_length=TEXT, description='"*", "", or ids or names by comma')
    desc: str | None = Field(None, max_length=TEXT)
    failure_kw: str | None = Field(None, max_length=200)
    filter_subject: bool | None = None
    filter_body: bool | None = None
    filter_http_body: bool | None = None
    filter_default_fail: bool | None = None
    grace: int | None = Field(None, ge=LEAST, le=MOST, description="seconds")
    manual_resume: bool | None = None
    methods: Literal["", "POST"] | None = None
    name: str | None = Field(None, max_length=100)
    schedule: str | None = Field(None, max_length=100, description="cron (five fields) or OnCalendar")
    slug: str | None = Field(None, max_length=100, pattern="^[a-z0-9-_]*$")
    start_kw: str | None = Field(None, max_length=200)
    subject: str | None = Field(None, max_length=200, description="deprecated: success_kw")
    subject_fail: str | None = Field(None, max_length=200, description="deprecated: failure_kw")
    success_kw: str | None = Field(None, max_length=200)
    tags: str | None = Field(None, max_length=TEXT, description="by spaces")
    timeout: int | None = Field(None, ge=LEAST, le=MOST, description="seconds")
    tz: str | None = Field(None, max_length=100)
    unique: list[Literal["name", "slug", "tags", "timeout", "grace"]] | None = Field(None, max_length=100)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Make null a value that no field takes: it is refused, as in Healthchecks."""
        return {key: 0.0 if value is None else _plain(value) for key, value in data.items()}

    @field_validator("tz")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        try:
            return None if value is None else parse_timezone(value)
        except ScheduleError:
            raise PydanticCustomError("tz_syntax", "not a valid timezone") from None

    @field_validator("schedule")
    @classmethod
    def _valid_schedule(cls, value: str | None) -> str | None:
        try:
            if value:
                parse(value)
        except ScheduleError:
            raise PydanticCustomError("cron_syntax", "not a valid expression") from None
        return value


def read(document: Mapping[str, Any]) -> Asked:
    """Return what a JSON object asks for; raises `AskedError` with the first thing that is wrong."""
    try:
        return Asked.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = first["loc"]
        subject = f"an item in '{place[0]}'" if len(place) == 2 else str(place[0] if place else "value")
        text = _ERRORS.get(first["type"], "%s is not valid") % subject
        raise AskedError(f"json validation error: {text}") from None


def fresh(asked: Asked) -> MonitorSpec:
    """Return what a new check is before anything is asked of it: once a day, nobody told."""
    return MonitorSpec(
        Kind.HEARTBEAT,
        base_name(asked.name or ""),
        source="api",
        title=asked.name or "",
        channels=(),
        schedule=Every(DAY),
        grace=HOUR,
        max_runtime=HOUR,
    )


def revised(spec: MonitorSpec, asked: Asked, names: Mapping[str, str], *, version: int) -> MonitorSpec:
    """Return the specification with what is asked for; `names` are the channels, id to name.

    As in Healthchecks a start that has no end within the grace is an alarm, so that is the longest runtime;
    and up to version 2 of the API the slug follows the name.
    """
    spec = _named(spec, asked, version)
    if asked.tags is not None:
        spec = replace(spec, tags=tuple(asked.tags.split()))
    if asked.desc is not None:
        spec = replace(spec, description=asked.desc)
    if asked.channels is not None:
        spec = replace(spec, channels=_channels(asked.channels, names))
    if asked.manual_resume is not None:
        spec = replace(spec, manual_resume=asked.manual_resume)
    if asked.grace is not None:
        spec = replace(spec, grace=float(asked.grace), max_runtime=float(asked.grace))
    rules = _rules(spec.rules or PingRules(), asked)
    return replace(_scheduled(spec, asked), rules=None if rules == PingRules() else rules)


def is_match(spec: MonitorSpec, asked: Asked) -> bool:
    """Tell whether a check is the one that `unique` speaks of."""
    period = spec.schedule.seconds if isinstance(spec.schedule, Every) else None
    present: dict[str, Callable[[], bool]] = {
        "name": lambda: shown_name(spec) == asked.name,
        "slug": lambda: spec.slug == asked.slug,
        "tags": lambda: spec.tags == tuple((asked.tags or "").split()),
        "timeout": lambda: period == asked.timeout,
        "grace": lambda: spec.grace == asked.grace,
    }
    return all(present[field]() for field in asked.unique or ())


def is_unique_asked(asked: Asked) -> bool:
    """Tell whether an existing check is looked for: with every field given that `unique` names."""
    return bool(asked.unique) and all(getattr(asked, field) is not None for field in asked.unique or ())


def shown_name(spec: MonitorSpec) -> str:
    """Return what the API calls a check."""
    return spec.name if spec.title is None else spec.title


def base_name(name: str) -> str:
    """Return a name of ours: ours hold no slash, no control character, and are never empty."""
    return _NO_NAME.sub("-", name).strip() or "check"


def django_slug(name: str) -> str:
    """Return the slug that Healthchecks makes of a name, in ASCII."""
    text = re.sub(r"[^a-z0-9_\s-]", "", name.lower())
    return re.sub(r"[-\s]+", "-", text).strip("-_")[:100]


def _named(spec: MonitorSpec, asked: Asked, version: int) -> MonitorSpec:
    if asked.name is not None and (asked.name != shown_name(spec)):
        spec = replace(spec, name=base_name(asked.name), title=asked.name)
    if asked.name is not None and version < 3:
        spec = replace(spec, slug=django_slug(asked.name))
    return spec if asked.slug is None else replace(spec, slug=asked.slug)


def _channels(text: str, names: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the names of the channels that a text names by id or name; None for all."""
    if text == "*":
        return None
    found: dict[str, None] = {}
    for each in text.split(",") if text else ():
        if not each:
            raise AskedError("empty channel identifier")
        name = names.get(each) or (each if each in names.values() else None)
        if name is None:
            raise AskedError(f"invalid channel identifier: {each[:200]}")
        found[name] = None
    return tuple(found)


def _rules(rules: PingRules, asked: Asked) -> PingRules:
    for field, word in (("subject", "success_kw"), ("subject_fail", "failure_kw")):
        value = getattr(asked, field)
        if value is not None:
            rules = replace(rules, **{word: value})
            rules = replace(rules, filter_subject=bool(rules.success_kw or rules.failure_kw))
    given = {name: value for name in _RULES if (value := getattr(asked, name)) is not None}
    return replace(rules, **given)


def _scheduled(spec: MonitorSpec, asked: Asked) -> MonitorSpec:
    present = spec.schedule
    zone = asked.tz or (present.timezone if isinstance(present, Cron | OnCalendar) else "UTC")
    if asked.schedule:
        try:
            return replace(spec, schedule=parse(asked.schedule, zone))
        except ScheduleError:  # fires in UTC, and never in that zone
            raise AskedError(f"json validation error: {_ERRORS['cron_syntax'] % 'schedule'}") from None
    if asked.timeout is not None:
        return replace(spec, schedule=Every(float(asked.timeout)))
    if isinstance(present, Cron | OnCalendar) and zone != present.timezone:
        return replace(spec, schedule=replace(present, timezone=zone))
    return spec


def _plain(value: Any) -> Any:
    """Return text that every database takes."""
    return clean(value, 2 * TEXT) if isinstance(value, str) else value
