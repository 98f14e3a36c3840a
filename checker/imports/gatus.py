"""A configuration of Gatus (YAML) as endpoints, heartbeats, channels and maintenance windows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from checker.conditions import parse
from checker.config_endpoint import SUBJECTS
from checker.config_text import Block, Secret, duration
from checker.imports.base import Fields, Found, ImportProblem, merged, no_equivalent
from checker.imports.gatus_conditions import NoEquivalentError, converted
from healthkit.durations import seconds
from healthkit.errors import ConfigurationError

# kind there -> kind here, and its keys: ours -> theirs.
_CHANNELS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "slack": ("slack", {"url": "webhook-url"}),
    "discord": ("discord", {"url": "webhook-url"}),
    "teams": ("teams", {"url": "webhook-url"}),
    "teams-workflows": ("teams", {"url": "webhook-url"}),
    "pagerduty": ("pagerduty", {"routing_key": "integration-key"}),
    "telegram": ("telegram", {"token": "token", "chat": "id"}),
    "ntfy": ("ntfy", {"topic": "topic", "url": "url", "token": "token"}),
    "custom": ("webhook", {"url": "url"}),
    "email": (
        "email",
        {"host": "host", "port": "port", "from": "from", "username": "username", "password": "password"},
    ),
}
_PLAIN = frozenset({"host", "port", "from", "chat"})
_DAYS = {
    day: day[:3].upper()
    for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
}
FAILURES, SUCCESSES = 3, 2  # alerts' thresholds there, where none is given
_WITHOUT = ("icmp", "udp", "sctp", "ssh", "ws", "wss", "starttls", "grpc", "grpcs", "domain")


def load(path: Path) -> object:
    """Return a YAML file's document. Raises `ImportProblem`."""
    try:
        import yaml  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise ImportProblem("to read YAML install PyYAML: `pip install pyyaml`") from None
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ImportProblem(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = str(error).splitlines()[-1].strip() if str(error) else ""
        raise ImportProblem(f"{path}: is not valid YAML: {where}") from None


def together(documents: Sequence[object]) -> object:
    """Return several files as one document, as Gatus takes them: lists one after the other, tables merged."""
    if len(documents) == 1:
        return documents[0]
    whole: dict[Any, Any] = {}
    for each in documents:
        for key, value in each.items() if isinstance(each, dict) else ():
            before = whole.get(key)
            if isinstance(before, list) and isinstance(value, list):
                whole[key] = before + value
            elif isinstance(before, dict) and isinstance(value, dict):
                whole[key] = {**before, **value}
            else:
                whole[key] = value
    return whole


def read(document: object) -> Found:
    """Return what a configuration holds. Raises `ImportProblem` for what is none."""
    whole = Fields(document)
    listed = [*whole.listed("endpoints"), *whole.listed("services")]
    outside = whole.listed("external-endpoints")
    alerting = Fields(whole.get("alerting"))
    if not listed and not outside and not whole.get("suites"):
        raise ImportProblem("it has no endpoints: is it a configuration of Gatus?")
    found = Found(list(_channels(alerting)))
    names = {str(each.keys["name"]) for each in found.blocks}
    found.blocks += [_endpoint(Fields(each), names, alerting) for each in listed]
    found.blocks += [_outside(Fields(each), names, alerting) for each in outside]
    found.blocks += list(_maintenance(Fields(whole.get("maintenance"))))
    found.notes += [f"no equivalent here: alerting.{key}" for key in alerting.left()]
    found.notes += [
        f"not read: {key} (it is about the server, or has no equivalent here)" for key in whole.left()
    ]
    return found


def _channels(alerting: Fields) -> Iterator[Block]:
    for theirs, (kind, keys) in _CHANNELS.items():
        given = alerting.get(theirs)
        if not isinstance(given, dict):
            continue
        provider = Fields(given)
        settings: dict[str, Any] = {}
        for ours, name in keys.items():
            value = provider.get(name)
            if value is not None:
                settings[ours] = value if ours in _PLAIN else _variable(f"{theirs}_{ours}", value)
        if kind == "email":
            settings["to"] = [each.strip() for each in provider.text("to").split(",") if each.strip()]
        if kind == "telegram":
            settings["chat"] = str(settings.get("chat", ""))
        provider.ignore("default-alert")
        notes = no_equivalent(f"alerting.{theirs}.{key}" for key in provider.left())
        yield Block("channel", {"name": theirs, "kind": kind, **settings}, tuple(notes))


def _endpoint(given: Fields, channels: set[str], alerting: Fields) -> Block:
    name, group = given.text("name"), given.text("group")
    notes: list[str] = []
    address, extra = _address(given, notes)
    client = Fields(given.get("client"))
    scheme = address.partition("://")[0].lower()
    keys = merged(
        {"name": name, "url": _secret_url(name, address)},
        {"every": _span(given.text("interval", "60s")), "timeout": _span(client.text("timeout", "10s"))},
        extra,
        {"follow_redirects": False if client.get("ignore-redirect") else None},
        _asked(given, name) if scheme in ("http", "https") else {},
        _conditions(given, scheme, notes),
        {"tags": [group] if group else None},
        _alerts(given, channels, alerting, notes),
    )
    if given.get("enabled", True) is False:
        notes.append("it is disabled there: `healthkit-checker pause NAME` does so here")
    given.ignore("ui", "client")
    notes += no_equivalent([*given.left(), *(f"client.{key}" for key in client.left())])
    return Block("endpoint", keys, tuple(notes))


def _address(given: Fields, notes: list[str]) -> tuple[str, dict[str, Any]]:
    """Return the URL as we write it, and the keys of a name server's question."""
    url, dns = given.text("url"), given.get("dns")
    if isinstance(dns, dict):
        question = Fields(dns)
        name = question.text("query-name").rstrip(".")
        return f"dns://{name}", {"record": question.text("query-type", "A"), "server": url}
    scheme = url.partition("://")[0].lower()
    if scheme in _WITHOUT or given.get("grpc") or given.get("ssh"):
        notes.append(f"there is no look of this kind here: {scheme if '://' in url else 'grpc'}")
    return url, {}


def _asked(given: Fields, name: str) -> dict[str, Any]:
    body, headers = given.text("body"), given.get("headers")
    return {
        "method": given.text("method") or None,
        "body": Secret(f"{name}_body", body) if body else None,
        "headers": {str(key): _variable(f"{name}_{key}", value) for key, value in headers.items()}
        if isinstance(headers, dict)
        else None,
        "document": False,
    }


def _conditions(given: Fields, scheme: str, notes: list[str]) -> dict[str, Any]:
    found = []
    for each in given.listed("conditions"):
        try:
            condition = converted(str(each), dns=scheme == "dns")
            if condition:
                found.append(parse(condition, SUBJECTS.get(scheme, ())).text)
        except (NoEquivalentError, ConfigurationError):
            notes.append(f"no equivalent here: condition {each}")
    if scheme in ("http", "https") and not any(each.startswith("status ") for each in found):
        found.insert(0, "status in 100-599")
        notes.append("nothing is asked of its status code there; remove that condition to want a good one")
    return {"conditions": found or None}


def _alerts(given: Fields, channels: set[str], alerting: Fields, notes: list[str]) -> dict[str, Any]:
    """Return how soon it is told, and where; the thresholds are those of the first alert."""
    alerts = [
        Fields({**_default(alerting, each), **each})
        for each in given.listed("alerts")
        if isinstance(each, dict)
    ]
    live = [each for each in alerts if each.get("enabled", True) is not False]
    told = list(dict.fromkeys(each.text("type") for each in live))
    notes += [f"told there by {each}, which has no equivalent here" for each in told if each not in channels]
    if not live:
        return {"channels": [], "fail_after": FAILURES, "recover_after": SUCCESSES}
    first = live[0]
    limits = {
        (each.number("failure-threshold", FAILURES), each.number("success-threshold", SUCCESSES))
        for each in live
    }
    if len(limits) > 1:
        notes.append("its alerts have different thresholds there; the first one's are used")
    if any(each.get("send-on-resolved") is False for each in live):
        notes.append("no equivalent here: send-on-resolved = false; that it is over is always told")
    reminder = first.text("minimum-reminder-interval")
    for each in live:
        each.ignore("provider-override")
    notes += no_equivalent(
        sorted({f"alerts.{key}" for each in live for key in each.left(("send-on-resolved", True))})
    )
    return {
        "channels": [each for each in told if each in channels],
        "fail_after": int(first.number("failure-threshold", FAILURES)),
        "recover_after": int(first.number("success-threshold", SUCCESSES)),
        "remind_every": _span(reminder) if reminder else None,
        "description": first.text("description"),
    }


def _default(alerting: Fields, alert: Mapping[str, Any]) -> dict[str, Any]:
    provider = alerting.peek(str(alert.get("type")))
    default = provider.get("default-alert") if isinstance(provider, dict) else None
    return default if isinstance(default, dict) else {}


def _outside(given: Fields, channels: set[str], alerting: Fields) -> Block:
    name, group, token = given.text("name"), given.text("group"), given.text("token")
    notes = [f"its clients go on as they do: POST /api/v1/endpoints/{group}_{name}/external"]
    interval = Fields(given.get("heartbeat")).text("interval")
    told = _alerts(given, channels, alerting, notes)
    told.pop("fail_after"), told.pop("recover_after")
    if not interval:
        notes.append("nothing is expected by a time there; here a day without a sign is an alarm")
    keys = merged(
        {"name": f"{group}-{name}" if group else name, "every": _span(interval or "24h")},
        {"token": Secret(f"{name}_token", token) if token else None, "tags": [group] if group else None},
        told,
    )
    given.ignore("enabled")
    return Block("heartbeat", keys, (*notes, *no_equivalent(given.left())))


def _maintenance(given: Fields) -> Iterator[Block]:
    start, length = given.text("start"), given.text("duration")
    if not start or not length or given.get("enabled", True) is False:
        return
    hour, _, minute = start.partition(":")
    if not hour.strip().isdecimal() or not (minute or "0").strip().isdecimal():
        hour, minute = "?", "?"  # left for the configuration to refuse
    days = [_DAYS.get(str(each), str(each)) for each in given.listed("every")]
    keys = {
        "name": "maintenance",
        "schedule": f"{_number(minute or '0')} {_number(hour)} * * {','.join(days) or '*'}",
        "timezone": given.text("timezone"),
        "duration": _span(length),
    }
    yield Block("maintenance", merged(keys), tuple(no_equivalent(given.left())))


def _number(text: str) -> str:
    return text.strip().lstrip("0") or "0"


def _span(text: str) -> str | float:
    """Return a duration of Go as ours; what cannot be one is left for the configuration to refuse."""
    try:
        return duration(seconds(text, what="duration"))
    except ConfigurationError:
        return text


def _variable(name: str, value: object) -> Any:
    """Return a setting as a secret; one that is a variable there already keeps its name."""
    text = str(value)
    if text.startswith("${") and text.endswith("}"):
        return Secret(text[2:-1].partition(":-")[0], f"https://to-be-set.example/{text[2:-1]}")
    return Secret(name, text) if isinstance(value, str) else value


def _secret_url(name: str, url: str) -> str | Secret:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return Secret(f"{name}_url", url) if parts.username or parts.password or parts.query else url
