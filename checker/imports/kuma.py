"""Monitors of Uptime Kuma: a backup (JSON) of version 1, or the list of monitors as version 2 sends it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from checker.config_text import Block, Secret, duration
from checker.imports.base import Fields, Found, ImportProblem, merged, no_equivalent

_LOOKS = ("http", "keyword", "json-query", "port", "dns")
# kind there -> kind here, and its keys: ours -> theirs.
_CHANNELS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "slack": ("slack", {"url": "slackwebhookURL"}),
    "discord": ("discord", {"url": "discordWebhookUrl"}),
    "teams": ("teams", {"url": "webhookUrl"}),
    "webhook": ("webhook", {"url": "webhookURL"}),
    "PagerDuty": ("pagerduty", {"routing_key": "pagerdutyIntegrationKey"}),
    "telegram": ("telegram", {"token": "telegramBotToken", "chat": "telegramChatID"}),
    "ntfy": ("ntfy", {"topic": "ntfytopic", "url": "ntfyserverurl", "token": "ntfyaccesstoken"}),
    "apprise": ("apprise", {"url": "appriseURL"}),
    "smtp": (
        "email",
        {
            "host": "smtpHost",
            "port": "smtpPort",
            "from": "smtpFrom",
            "username": "smtpUsername",
            "password": "smtpPassword",
        },
    ),
}
_PLAIN = frozenset({"host", "port", "from", "chat"})
_STEP = re.compile(r"\$?\.?[A-Za-z_][\w]*(?:\[\d+\])?(?:\.[A-Za-z_][\w]*(?:\[\d+\])?)*")
_SIGNS = {"==": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "contains": "contains"}
# What says nothing of how it is watched, or is of another kind's form and filled in for every monitor.
_ASIDE = (
    *("id", "weight", "parent", "childrenIDs", "pathName", "path", "maintenance", "forceInactive", "user_id"),
    *("includeSensitiveData", "screenshot", "dns_last_result", "packetSize", "gamedigGivenPortOnly", "game"),
    *("databaseQuery", "databaseConnectionString", "httpBodyEncoding", "kafkaProducerSaslOptions"),
    *("dns_resolve_type", "dns_resolve_server", "method", "maxredirects", "accepted_statuscodes", "timeout"),
    *("url", "hostname", "port", "retryInterval", "resendInterval", "maxretries", "authMethod"),
    *("jsonPathOperator", "pushToken", "snmpVersion", "mqttCheckType", "smtpSecurity", "rabbitmqNodes"),
    *("ping_count", "ping_numeric", "ping_per_request_timeout", "ipFamily", "expectedValue", "jsonPath"),
    *("oauth_auth_method", "grpcEnableTls", "docker_container", "radiusPassword", "kafkaProducerBrokers"),
)  # fmt: skip


def load(path: Path) -> object:
    """Return a JSON file's document. Raises `ImportProblem`."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ImportProblem(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ImportProblem(f"{path}: is not valid JSON: {error}") from None


def read(document: object) -> Found:
    """Return what a backup or a list of monitors holds. Raises `ImportProblem` for what is none."""
    whole = Fields(document)
    monitors = _monitors(document, whole)
    groups = {
        str(each.get("id")): str(each.get("name", "")) for each in monitors if each.get("type") == "group"
    }
    channels = dict(_channels(whole.get("notificationList") or []))
    found = Found(list(channels.values()))
    names = {number: str(block.keys["name"]) for number, block in channels.items()}
    for each in monitors:
        if each.get("type") == "group":
            found.notes.append(f'group "{each.get("name")}": its monitors have it as a tag')
        else:
            found.blocks.append(_monitor(Fields(each), groups, names))
    if document is not monitors and isinstance(document, dict) and "monitorList" in document:
        whole.ignore("version")
        found.notes += [f"not read: {key}" for key in whole.left()]
    return found


def _monitors(document: object, whole: Fields) -> list[dict[str, Any]]:
    listed = whole.get("monitorList", document)
    if isinstance(listed, dict):
        listed = list(listed.values())
    found = (
        [each for each in listed if isinstance(each, dict) and "type" in each]
        if isinstance(listed, list)
        else []
    )
    if not found or len(found) != len(listed):
        raise ImportProblem(
            "it lists no monitors: give a backup, or the list of monitors, of Uptime Kuma as JSON"
        )
    return found


def _channels(listed: Any) -> Iterator[tuple[str, Block]]:
    for each in listed if isinstance(listed, list) else ():
        outer = Fields(each)
        config = outer.get("config", {})
        if isinstance(config, str):
            try:
                config = json.loads(config)
            except ValueError:
                config = {}
        given = Fields(config)
        name, kind = outer.text("name") or given.text("name"), given.text("type")
        yield outer.text("id"), _channel(name, kind, given)


def _channel(name: str, kind: str, given: Fields) -> Block:
    ours, keys = _CHANNELS.get(kind, (kind, {}))
    settings: dict[str, Any] = {}
    for key, theirs in keys.items():
        value = given.get(theirs)
        if value not in (None, ""):
            settings[key] = (
                str(value)
                if key == "chat"
                else value
                if key in _PLAIN
                else Secret(f"{name}_{key}", str(value))
            )
    if ours == "email":
        settings["to"] = [part.strip() for part in given.text("smtpTo").split(",") if part.strip()]
        settings |= {"security": "tls"} if given.get("smtpSecure") else {}
    given.ignore(
        "name", "type", "isDefault", "applyExisting", "id", "active", "ntfyPriority", "webhookContentType"
    )
    return Block("channel", {"name": name, "kind": ours, **settings}, tuple(no_equivalent(given.left())))


def _monitor(given: Fields, groups: Mapping[Any, str], channels: Mapping[str, str]) -> Block:
    kind, name = given.text("type"), given.text("name")
    notes: list[str] = []
    tags = [group for group in [groups.get(given.text("parent"))] if group]
    tags += [_tag(each) for each in given.listed("tags") if isinstance(each, dict)]
    told = {str(each): True for each in given.listed("notificationIDList")} | given.table(
        "notificationIDList"
    )
    numbers = [str(number) for number, on in told.items() if on]
    keys = merged(
        {"name": name},
        _push(given, name) if kind == "push" else _look(given, kind, name, notes),
        {"tags": tags or None, "description": given.text("description")},
        {"channels": [channels[each] for each in numbers if each in channels] if channels else None},
        {"remind_every": _reminder(given)},
    )
    if channels and not numbers:
        keys["channels"] = []
    if kind not in (*_LOOKS, "push"):
        notes.append(f"there is no look of the kind {kind} here")
    if given.get("active") in (False, 0):
        notes.append("it is paused there: `healthkit-checker pause NAME` does so here")
    if given.get("upsideDown"):
        notes.append("no equivalent here: upsideDown; here what answers is up")
    given.ignore(*_ASIDE)
    return Block("heartbeat" if kind == "push" else "endpoint", keys, (*notes, *no_equivalent(given.left())))


def _tag(tag: Mapping[str, Any]) -> str:
    name, value = str(tag.get("name", "")), str(tag.get("value") or "")
    return f"{name}:{value}" if value else name


def _reminder(given: Fields) -> str | float | None:
    """Return how often it is told again: `resendInterval` counts looks."""
    looks = given.number("resendInterval")
    return duration(max(60.0, looks * given.number("interval", 60))) if looks else None


def _push(given: Fields, name: str) -> dict[str, Any]:
    grace = given.number("maxretries") * given.number("retryInterval", given.number("interval", 60))
    token = given.text("pushToken")
    return {
        "every": duration(given.number("interval", 60)),
        "grace": duration(grace) if grace else None,
        "token": Secret(f"{name}_token", token) if token else None,
    }


def _look(given: Fields, kind: str, name: str, notes: list[str]) -> dict[str, Any]:
    interval = given.number("interval", 60)
    if given.number("maxretries") and given.number("retryInterval", interval) != interval:
        notes.append(
            f"it is asked again after {given.number('retryInterval'):g} s there, and here each {interval:g} s"
        )
    common = {"every": duration(interval), "fail_after": int(given.number("maxretries")) + 1}
    limit = given.number("timeout", 48) or 48
    if kind == "port":
        return {"url": f"tcp://{_host(given)}:{int(given.number('port'))}", **common}
    if kind == "dns":
        server = given.text("dns_resolve_server").split(",")[0].strip()
        record = given.text("dns_resolve_type", "A")
        return {"url": f"dns://{_host(given)}", "record": record, "server": server or None, **common}
    web = _web(given, kind, name, notes) if kind in ("http", "keyword", "json-query") else {}
    return {
        "url": given.text("url") or f"{kind}://{_host(given)}",
        **common,
        "timeout": duration(limit),
        **web,
    }


def _host(given: Fields) -> str:
    host = given.text("hostname")
    return f"[{host}]" if ":" in host else host


def _web(given: Fields, kind: str, name: str, notes: list[str]) -> dict[str, Any]:
    url, body, method = given.text("url"), given.text("body"), given.text("method", "GET")
    codes = given.listed("accepted_statuscodes") or ["200-299"]
    conditions = [f"status in {', '.join(str(each) for each in codes)}"]
    if kind == "keyword":
        verb = "lacks" if given.get("invertKeyword") else "contains"
        conditions.append(f"body {verb} {_quoted(given.text('keyword'))}")
    if kind == "json-query":
        conditions += _query(given, notes)
    return {
        "url": Secret(f"{name}_url", url) if "@" in url or "?" in url else url,
        "method": method if method != "GET" else None,
        "body": Secret(f"{name}_body", body) if body else None,
        "headers": _headers(given, name, notes) or None,
        "follow_redirects": False if given.number("maxredirects", 10) == 0 else None,
        "document": False,
        "conditions": conditions,
        "warn_conditions": ["certificate > 14d"]
        if given.get("expiryNotification") and url.startswith("https:")
        else None,
    }


def _headers(given: Fields, name: str, notes: list[str]) -> dict[str, Any]:
    try:
        listed = json.loads(given.text("headers") or "{}")
    except ValueError:
        listed = {}
        notes.append("its headers are no JSON and were left out")
    listed = listed if isinstance(listed, dict) else {}
    found: dict[str, Any] = {str(key): Secret(f"{name}_{key}", str(value)) for key, value in listed.items()}
    way, user = given.text("authMethod"), given.text("basic_auth_user")
    if user and way in ("", "basic"):
        pair = f"{user}:{given.text('basic_auth_pass')}".encode()
        found["Authorization"] = Secret(f"{name}_authorization", f"Basic {base64.b64encode(pair).decode()}")
    elif way not in ("", "none", "null"):
        notes.append(f"no equivalent here: authMethod = {way}")
    return found


def _query(given: Fields, notes: list[str]) -> list[str]:
    path, sign = given.text("jsonPath").strip(), _SIGNS.get(given.text("jsonPathOperator", "=="))
    if not _STEP.fullmatch(path) or sign is None:
        notes.append(f"no equivalent here: jsonPath {path}")
        return []
    steps = path.removeprefix("$").removeprefix(".")
    return [f"body.{steps} {sign} {_quoted(given.text('expectedValue'))}"]


def _quoted(text: str) -> str:
    if re.fullmatch(r"-?\d+(\.\d+)?|true|false|null", text):
        return text
    return f"'{text}'" if '"' in text else f'"{text}"'
