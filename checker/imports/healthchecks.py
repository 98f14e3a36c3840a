"""Checks of Healthchecks, by version 3 of its management API, as heartbeats."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from typing import Any

from checker.config_text import Block, Secret, duration
from checker.imports.base import Fields, Found, ImportProblem, merged, no_equivalent
from checker.schedule import ScheduleError, parse_cron
from checker.slugs import slug

TIMEOUT = 30.0  # seconds
LARGEST = 50_000_000  # bytes of an answer
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KEYWORDS = ("start_kw", "success_kw", "failure_kw", "methods", "manual_resume")
_TOLD = (
    *(
        "n_pings",
        "last_ping",
        "next_ping",
        "last_duration",
        "last_start",
        "started",
        "unique_key",
        "badge_url",
    ),
    *("update_url", "pause_url", "resume_url", "uuid"),
)


def fetch(url: str, key: str) -> tuple[list[Any], list[Any]]:
    """Return all checks and channels of a project. Raises `ImportProblem`."""
    base = url.rstrip("/").removesuffix("/api/v3")
    if not base.startswith(("http://", "https://")):
        raise ImportProblem(
            "--url must be the server's http or https address, such as https://healthchecks.io"
        )
    checks = _get(f"{base}/api/v3/checks/", key, "checks")
    try:
        return checks, _get(f"{base}/api/v3/channels/", key, "channels")
    except ImportProblem:  # a read-only key may not list them
        return checks, []


def _get(url: str, key: str, what: str) -> list[Any]:
    request = urllib.request.Request(url, headers={"X-Api-Key": key, "Accept": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            document = json.loads(answer.read(LARGEST))
    except urllib.error.HTTPError as error:
        hint = "; give the project's API key" if error.code in (401, 403) else ""
        raise ImportProblem(f"{url} answers {error.code}{hint}") from None
    except (OSError, ValueError) as error:
        raise ImportProblem(f"{url} cannot be read: {type(error).__name__}: {error}") from None
    found = document.get(what) if isinstance(document, dict) else None
    if not isinstance(found, list):
        raise ImportProblem(f"{url} does not list {what}: is it a server of Healthchecks?")
    return found


def read(checks: list[Any], channels: list[Any]) -> Found:
    """Return the checks as heartbeats, their uuids kept; of channels the API tells the names alone."""
    found = Found()
    names = {}
    for each in map(Fields, channels):
        name = names[each.text("id")] = each.text("name") or each.text("kind")
        shown = f'"{name}" ({each.text("kind")})'
        found.notes.append(
            f"channel {shown}: write its [[channel]] anew, the API does not tell where it leads"
        )
    found.blocks = [_check(Fields(each), names) for each in checks]
    return found


def _check(check: Fields, channels: dict[str, str]) -> Block:
    uuid = _UUID.search(check.text("ping_url") or check.text("uuid"))
    name = check.text("name") or check.text("slug") or f"check {uuid[0][:8] if uuid else ''}".strip()
    grace = check.number("grace", 3600)
    own, notes = check.text("slug"), []
    keys = merged(
        {"name": name},
        _when(check),
        {"grace": duration(grace), "max_runtime": duration(grace)},
        {"token": Secret(f"{name}_uuid", uuid[0]) if uuid else None},
        {"tags": check.text("tags").split() or None, "description": check.text("desc")},
        {key: value for key in _KEYWORDS if (value := check.get(key))},
        {key: True for key in ("filter_http_body", "filter_default_fail") if check.get(key)},
    )
    if not uuid:
        notes.append("a read-only key does not tell its uuid: its ping URL changes")
    if own and own != slug(name):
        notes.append(f'its slug was "{own}": its ping URL by key and slug changes, that by uuid does not')
    told = [channels.get(each, each) for each in check.text("channels").split(",") if each]
    if told:
        notes.append(f"told there: {', '.join(told)}")
    if check.text("status") == "paused":
        notes.append("it is paused there: `healthkit-checker pause NAME` does so here")
    check.ignore(*_TOLD)
    return Block("heartbeat", keys, (*notes, *no_equivalent(check.left())))


def _when(check: Fields) -> dict[str, Any]:
    line, zone = check.text("schedule").strip(), check.text("tz", "UTC")
    if not line:
        return {"every": duration(check.number("timeout", 86_400))}
    check.ignore("timeout")
    try:
        parse_cron(line, "UTC")
    except ScheduleError:
        return {"oncalendar": line, "timezone": zone if zone != "UTC" else None}
    return {"schedule": line, "timezone": zone if zone != "UTC" else None}
