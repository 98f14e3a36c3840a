"""Specifications as blocks of the configuration: the way back from what `config` reads. Pure.

Every field of a specification is either written here or named as left out: a test holds that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any
from urllib.parse import urlsplit

from checker.config import ServerConfig
from checker.config_endpoint import CERTIFICATE, ENDPOINT_FAIL_AFTER
from checker.config_text import Block, Secret, duration
from checker.maintenance import MaintenanceSpec
from checker.model import ChannelSpec, Kind, MonitorSpec, PingRules
from checker.probe_spec import USUAL, ComponentRule, ProbeSpec
from checker.routes import EscalationSpec, RouteSpec
from checker.schedule import Every, Schedule
from checker.slugs import slug

# What the file does not say: it follows from the rest, or is the database's own.
LEFT_OUT = frozenset({"kind", "parent", "identity", "source", "announced", "title", "slug"})
_HARMLESS = frozenset({"accept", "user-agent", "content-type", "host", "cache-control"})
_SECRETS = frozenset({"url", "token", "password", "secret", "routing_key", "headers", "topic"})
_DURATIONS = frozenset(
    {
        "every",
        "timeout",
        "grace",
        "max_runtime",
        "min_runtime",
        "min_interval",
        "stalled_after",
        "forget_after",
        "remind_every",
        "prove_every",
        "dead_mans_every",
    }
)
_ANY = ("tags", "channels", "depends_on", "description", "severity", "recover_after", "remind_every")
_BEAT = ("max_runtime", "min_runtime", "min_interval", "extend_on_progress", "stalled_after", "manual_resume")
_WEB = ("method", "follow_redirects", "document", "prove", "stale_after", "forget_after")
_DEFAULT = MonitorSpec(Kind.HEARTBEAT, "")


def monitor(spec: MonitorSpec) -> Block:
    """Return an endpoint or a heartbeat."""
    keys: dict[str, Any] = {"name": spec.name}
    keys |= _endpoint(spec) if spec.kind is Kind.ENDPOINT else _heartbeat(spec)
    keys |= _changed(spec, _DEFAULT, _ANY)
    usual = ENDPOINT_FAIL_AFTER if spec.kind is Kind.ENDPOINT else 1
    if spec.fail_when is None and spec.fail_after != usual:
        keys["fail_after"] = spec.fail_after
    if spec.fail_when is not None:
        keys["fail_when"] = _some_of(spec.fail_when)
    if spec.probe.components:
        keys["components"] = {each.pattern: _component(each) for each in spec.probe.components}
    return Block(str(spec.kind), keys, _notes(spec))


def channel(spec: ChannelSpec) -> Block:
    """Return a channel; what may be a secret among its settings is one."""
    keys: dict[str, Any] = {"name": spec.name, "kind": spec.kind}
    for key, value in spec.settings.items():
        keys[key] = _setting(f"{spec.name}_{key}", value) if key in _SECRETS else value
    if spec.remind_every is not None:
        keys["remind_every"] = duration(spec.remind_every)
    return Block("channel", keys)


def maintenance(spec: MaintenanceSpec) -> Block:
    """Return a recurring window."""
    keys = {"name": spec.name, **when(spec.schedule), "duration": duration(spec.duration)}
    if spec.monitors != ("*",):
        keys["monitors"] = spec.monitors
    if spec.description:
        keys["description"] = spec.description
    return Block("maintenance", keys)


def route(spec: RouteSpec) -> Block:
    """Return a route."""
    return Block("route", _route(spec))


def escalation(spec: EscalationSpec) -> Block:
    """Return an escalation."""
    return Block("escalation", {"after": duration(spec.after), **_route(spec.route)})


def server(spec: ServerConfig) -> Block:
    """Return `[server]`, but for what has its default."""
    host = f"[{spec.host}]" if ":" in spec.host else spec.host
    keys: dict[str, Any] = {"listen": f"{host}:{spec.port}"}
    database = spec.database
    if database.startswith("sqlite") and "/" in database:
        keys["database"] = database
    else:
        keys["database"] = Secret("CHECKER_DATABASE", database) if "@" in database else database
    default = ServerConfig()
    for field in fields(spec):
        value = getattr(spec, field.name)
        if field.name in ("host", "port", "database") or value == getattr(default, field.name):
            continue
        if field.name in ("admin_token", "read_only_token", "ping_key", "dead_mans_url"):
            keys[field.name] = Secret(f"CHECKER_{field.name}", value)
        else:
            keys[field.name] = _written(field.name, value)
    return Block("server", keys)


def when(schedule: Schedule | None) -> dict[str, Any]:
    """Return the keys of a schedule."""
    if schedule is None:
        return {}
    if isinstance(schedule, Every):
        return {"every": duration(schedule.seconds)}
    key = "oncalendar" if type(schedule).__name__ == "OnCalendar" else "schedule"
    zone = {"timezone": schedule.timezone} if schedule.timezone != "UTC" else {}
    return {key: schedule.expression, **zone}


def _endpoint(spec: MonitorSpec) -> dict[str, Any]:
    scheme = spec.url.partition("://")[0].lower()
    keys: dict[str, Any] = {"url": _address(spec)}
    keys |= {"every": duration(spec.every), "timeout": duration(spec.timeout)}
    if spec.headers:
        keys["headers"] = _setting(f"{spec.name}_header", dict(spec.headers))
    return keys | _probe(spec, spec.probe, scheme)


def _address(spec: MonitorSpec) -> str | Secret:
    parts = urlsplit(spec.url)
    hides = bool(parts.username or parts.password or parts.query)
    return Secret(f"{spec.name}_url", spec.url) if hides else spec.url


def _probe(spec: MonitorSpec, probe: ProbeSpec, scheme: str) -> dict[str, Any]:
    keys = _changed(probe, USUAL, ("allow_private",))
    if scheme in ("http", "https"):
        keys |= _changed(probe, USUAL, _WEB)
    if scheme == "dns":
        keys |= _changed(probe, USUAL, ("record", "server"))
    if probe.body:
        keys["send" if scheme == "tcp" else "body"] = Secret(f"{spec.name}_body", probe.body)
    for key in ("conditions", "warn_conditions"):
        found = [each for each in getattr(probe, key) if scheme != "tls" or each != CERTIFICATE]
        if found:
            keys[key] = found
    return keys


def _component(rule: ComponentRule) -> dict[str, Any]:
    keys = {}
    for field in fields(rule):
        value = getattr(rule, field.name)
        if field.name == "pattern" or value is None or value is False:
            continue
        keys[field.name] = _some_of(value) if field.name == "fail_when" else value
    return keys


def _heartbeat(spec: MonitorSpec) -> dict[str, Any]:
    keys = {**when(spec.schedule), "grace": duration(spec.grace)}
    keys |= _changed(spec, _DEFAULT, _BEAT)
    if spec.learn_runtime:
        keys["max_runtime"] = "auto"
    token = spec.push_token or spec.token
    if token:
        keys["token"] = Secret(f"{spec.name}_token", token)
    rules = spec.rules or PingRules()
    for field in fields(rules):
        value = getattr(rules, field.name)
        if value and field.name not in ("filter_subject", "filter_body"):
            keys[field.name] = value
    return keys


def _notes(spec: MonitorSpec) -> tuple[str, ...]:
    found = []
    if spec.whose != "file":
        made = {"api": "by the API", "announced": "by its own announcement"}.get(spec.whose, "by a ping")
        found.append(f"made {made}")
    if spec.title is not None and spec.title != spec.name:
        found.append(f'the API called it "{spec.title}"')
    if spec.kind is Kind.HEARTBEAT and spec.slug and spec.slug != slug(spec.name):
        found.append(
            f'its slug was "{spec.slug}": its ping URL by key and slug changes, that by uuid does not'
        )
    if spec.rules is not None and (spec.rules.filter_subject or spec.rules.filter_body):
        found.append("filter_subject and filter_body speak of e-mail, which is not received here")
    return tuple(found)


def _route(spec: RouteSpec) -> dict[str, Any]:
    keys: dict[str, Any] = {"channels": spec.channels}
    if spec.monitors:
        keys["monitors"] = spec.monitors
    if spec.tags:
        keys["tags"] = sorted(spec.tags)
    if spec.severity is not None:
        keys["severity"] = str(spec.severity)
    if spec.hours is not None:
        keys["hours"] = "-".join(f"{each // 60:02}:{each % 60:02}" for each in spec.hours)
    if spec.timezone != "UTC":
        keys["timezone"] = spec.timezone
    return keys


def _changed(spec: Any, usual: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the keys among `names` that are not as usual."""
    found = {name: getattr(spec, name) for name in names}
    return {name: _written(name, each) for name, each in found.items() if each != getattr(usual, name)}


def _written(name: str, value: Any) -> Any:
    return duration(value) if name in _DURATIONS and value is not None else value


def _some_of(value: tuple[int, int]) -> str:
    return f"{value[0]} of {value[1]}"


def _setting(name: str, value: Any) -> Any:
    """Return a setting with its texts as secrets, but for headers that hold none."""
    if isinstance(value, str):
        return Secret(name, value)
    if isinstance(value, Mapping):
        return {
            key: each if key.lower() in _HARMLESS else _setting(f"{name}_{key}", each)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [_setting(f"{name}_{number}", each) for number, each in enumerate(value, 1)]
    return value
