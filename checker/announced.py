"""What jobs and apps say of themselves, read as if it stood in the configuration.

A job says it in the query of its pings, beside `create=1`; Healthchecks ignores what it does not know, so the
same client works there. Whatever is wrong with it never costs the sign: it is answered, logged, and left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from checker.config_endpoint import endpoint
from checker.config_heartbeat import heartbeat
from checker.config_section import Section
from checker.config_source import Part, Source
from checker.model import Kind, MonitorSpec
from checker.toml_lines import Lines
from healthkit.errors import ConfigurationError

SCHEDULES = ("every", "schedule", "oncalendar")
KEYS = frozenset({*SCHEDULES, "timezone", "grace", "max_runtime", "min_runtime", "tags", "channels"})
OF_ENDPOINTS = ("url", "every", "timeout", "tags", "channels", "fail_after", "recover_after", "description")
LONGEST = 2_000  # characters of all that a job says
_LISTS = ("tags", "channels")
_DAY = "1d"


class AnnouncementError(ConfigurationError):
    """What is announced cannot be meant; the text says why."""


def said(fields: Mapping[str, str]) -> str:
    """Return what the fields of a ping's query announce, always written the same way; "" for nothing."""
    found = sorted((key, value.strip()) for key, value in fields.items() if key in KEYS and value.strip())
    return urlencode(found)[:LONGEST]


def job(base: MonitorSpec, announced: str, channels: Collection[str]) -> MonitorSpec:
    """Return a heartbeat as it announces itself; raises `AnnouncementError`.

    What it leaves out is as in the configuration, but that it is due once a day, and that the longest
    duration of its runs is learned. Of `channels`, the configured ones, it names those that are told.
    """
    fields: dict[str, Any] = dict(parse_qsl(announced))
    if not any(key in fields for key in SCHEDULES):
        fields["every"] = _DAY
    fields.setdefault("max_runtime", "auto")
    for key in _LISTS:
        if key in fields:
            fields[key] = [each.strip() for each in fields[key].split(",") if each.strip()]
    spec = _read("heartbeat", base.name, fields, channels)
    return replace(
        spec, slug=base.slug, token=base.token, push_token=base.push_token, source="auto", announced=announced
    )


def app(document: Mapping[str, Any], channels: Collection[str], *, allow_private: bool) -> MonitorSpec:
    """Return an endpoint as it announces itself; raises `AnnouncementError`. Where private addresses are not
    allowed, the address that is really connected to is judged at each look.
    """
    fields = {key: document[key] for key in OF_ENDPOINTS if document.get(key) is not None}
    name = document.get("name")
    if not isinstance(name, str):
        raise AnnouncementError('"name" is missing')
    if not str(fields.get("url", "")).startswith(("http://", "https://")):
        raise AnnouncementError('"url" must be an http or https URL')
    spec = _read("endpoint", name, {**fields, "allow_private": allow_private}, channels)
    return replace(spec, source="auto", announced="app")


def _read(table: str, name: str, fields: Mapping[str, Any], channels: Collection[str]) -> MonitorSpec:
    """Read fields as the configuration would; `$` has no meaning here, and nothing of the environment."""
    quoted = {key: _quoted(value) for key, value in {"name": name, **fields}.items()}
    source = Source([Part("", Lines(""), {table: [quoted]})], {})
    section = Section(source, (table, 0), "announced", quoted)
    spec = (endpoint if table == Kind.ENDPOINT else heartbeat)(section)
    if source.problems:
        raise AnnouncementError(source.problems[0][1].partition("announced: ")[2])
    unknown = [each for each in spec.channels or () if each not in channels]
    if unknown:
        raise AnnouncementError(f'unknown channel "{unknown[0][:100]}"')
    return spec


def _quoted(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("$", "$$")
    return [_quoted(each) for each in value] if isinstance(value, list) else value
