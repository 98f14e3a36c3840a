"""What the tables of a configuration have in common: names, URLs, schedules, and how loud a failure is."""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import SplitResult, urlsplit

from checker.config_section import Section
from checker.model import Severity
from checker.schedule import Schedule, parse_cron, parse_every, parse_oncalendar, parse_timezone

NAME_CHARACTERS = 200
LEAST_REMINDER = 60.0  # seconds
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SOME_OF = re.compile(r"(\d{1,2}) *of *(\d{1,2})")


def read_name(section: Section) -> str:
    """Return a name that can stand in paths, subjects and logs."""
    name = section.text("name", required=True).strip()
    if len(name) > NAME_CHARACTERS:
        section.problem("name", f'"name" is longer than {NAME_CHARACTERS} characters')
    elif "/" in name or CONTROL.search(name):
        section.problem(
            "name", '"name" must hold no "/" (it parts endpoint and component) and no control character'
        )
    return name


def common(section: Section, *, fail_after: int) -> dict[str, Any]:
    """Return what endpoints and heartbeats may both say, by field."""
    return {
        "fail_after": section.number("fail_after", fail_after),
        "recover_after": section.number("recover_after", 1),
        "tags": section.names("tags") or (),
        "channels": section.names("channels"),
        "depends_on": section.names("depends_on") or (),
        "description": section.text("description"),
        "severity": severity(section),
        "remind_every": reminder(section),
    }


def reminder(section: Section) -> float | None:
    """Return seconds between reminders; 0 is never, and None where it is not given."""
    every = section.duration("remind_every", None)
    if every and every < LEAST_REMINDER:
        section.problem(
            "remind_every", f'"remind_every" must be at least {LEAST_REMINDER:g} s, or 0 for none'
        )
        return None
    return every


def severity(section: Section) -> str:
    """Return "warning", "critical" or "" where it is not given."""
    text = section.text("severity")
    if text not in ("", *Severity):
        section.problem("severity", '"severity" must be "warning" or "critical"')
        return ""
    return text


def some_of(section: Section) -> tuple[int, int] | None:
    """Return `fail_when = "3 of 5"` as numbers."""
    text = section.text("fail_when").strip()
    if not text:
        return None
    match = _SOME_OF.fullmatch(text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]) <= 60:
        section.problem("fail_when", '"fail_when" must be such as "3 of 5", of 60 at most')
        return None
    if "fail_after" in section:
        section.problem("fail_when", '"fail_when" and "fail_after" exclude each other; keep one')
    return int(match[1]), int(match[2])


def url(section: Section, key: str = "url", *, required: bool = True) -> str:
    """Return an http(s) URL; what it is said to be wrong with never shows it, as it may hold a password."""
    value = section.text(key, required=required).strip()
    if value and (why := wrong_url(value)):
        section.problem(key, f'"{key}" {why}; write one such as "https://shop.example/health"')
    return value


def wrong_url(value: str) -> str:
    """Return what is wrong with an http(s) URL, in words that do not show it; empty where nothing is."""
    try:
        parts: SplitResult = urlsplit(value)
        _ = parts.port
    except ValueError:
        return "cannot be read as a URL"
    if parts.scheme not in ("http", "https"):
        return "is not an http or https URL"
    if not parts.hostname:
        return "names no host"
    return "holds a space or control character" if CONTROL.search(value) or " " in value else ""


def is_local(host: str) -> bool:
    """Tell whether a host is this very machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def read_schedule(section: Section, *keys: str) -> Schedule | None:
    """Return the schedule that one of several keys gives, in the zone of `timezone`."""
    zone = "UTC"
    if "timezone" in section:
        zone = section.parsed("timezone", parse_timezone) or "UTC"
    else:
        section.text("timezone")
    given = section.one_of(*keys)
    if given == "every":
        if "timezone" in section:
            section.warn("timezone", '"timezone" means nothing beside "every"')
        length = section.duration("every", None)
        return _interval(section, length) if length is not None else None
    if given == "schedule":
        return section.parsed("schedule", lambda text: parse_cron(text, zone))
    return section.parsed("oncalendar", lambda text: parse_oncalendar(text, zone)) if given else None


def _interval(section: Section, length: float) -> Schedule | None:
    if length < 1.0:
        section.problem("every", '"every" must be at least 1 s')
        return None
    return parse_every(length)
