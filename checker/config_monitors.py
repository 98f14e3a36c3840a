"""`[[endpoint]]`, `[[heartbeat]]`, `[[channel]]` and `[[maintenance]]`: one table to one specification."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

from checker.config_section import Section, nearest
from checker.maintenance import MaintenanceSpec
from checker.model import ChannelSpec, Kind, MonitorSpec, PingRules, Severity
from checker.routes import EscalationSpec, RouteSpec
from checker.schedule import (
    Every,
    Schedule,
    next_due,
    parse_cron,
    parse_every,
    parse_oncalendar,
    parse_timezone,
    period,
)
from checker.slugs import slug
from healthkit.durations import humanize
from healthkit.errors import ConfigurationError

NAME_CHARACTERS = 200
SLUG_CHARACTERS = 100  # of a ping URL, as in Healthchecks
LONGEST_GRACE = 3600.0  # of the default
ENDPOINT_FAIL_AFTER = 2  # one lost look is a blip
_REFERENCE = 1_767_225_600.0  # 2026-01-01: where periods are measured, so that a file always means the same
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TOKEN = re.compile(r"[-A-Za-z0-9_]{8,200}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HOURS = re.compile(r"(\d\d):([0-5]\d)-(\d\d):([0-5]\d)")
_SOME_OF = re.compile(r"(\d{1,2}) *of *(\d{1,2})")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def endpoint(section: Section) -> MonitorSpec:
    """Return what an `[[endpoint]]` means."""
    spec = MonitorSpec(
        kind=Kind.ENDPOINT,
        name=_name(section),
        url=url(section),
        every=section.duration("every", 30.0, least=0.5),
        timeout=section.duration("timeout", 10.0, least=0.1, most=300.0),
        headers=_headers(section),
        fail_when=_fail_when(section),
        **_common(section, fail_after=ENDPOINT_FAIL_AFTER),
    )
    section.close()
    _doubt_endpoint(section, spec)
    return spec


def heartbeat(section: Section) -> MonitorSpec:
    """Return what a `[[heartbeat]]` means; its grace is one period unless it says so, and at most an hour."""
    name = _name(section)
    schedule = _schedule(section, "every", "schedule", "oncalendar")
    token, push_token = _token(section)
    learns = section.written("max_runtime") == "auto" and section.text("max_runtime") == "auto"
    cycle = section.duration("cycle", None, least=0.001)
    spec = MonitorSpec(
        kind=Kind.HEARTBEAT,
        name=name,
        slug=slug(name),
        token=token,
        push_token=push_token,
        schedule=schedule,
        grace=section.duration("grace", min(longest_gap(schedule), LONGEST_GRACE)),
        max_runtime=None if learns else section.duration("max_runtime", None, least=0.001),
        learn_runtime=learns,
        min_runtime=section.duration("min_runtime", None, least=0.001),
        min_interval=section.duration("min_interval", None, least=0.001),
        extend_on_progress=section.flag("extend_on_progress", False),
        stalled_after=section.duration("stalled_after", None, least=0.001),
        rules=_rules(section),
        manual_resume=section.flag("manual_resume", False),
        **_common(section, fail_after=1),
    )
    if len(spec.slug) > SLUG_CHARACTERS:
        section.problem("name", f'"name" is longer than the {SLUG_CHARACTERS} characters a ping URL takes')
    section.close()
    _doubt_heartbeat(section, spec)
    if cycle and (doubt := too_short(spec, cycle)):
        section.warn("cycle", doubt)
    return spec


def channel(section: Section, kinds: Mapping[str, Any]) -> ChannelSpec:
    """Return what a `[[channel]]` means; its keys are those of its kind, whose own rules are asked too."""
    name, kind = _name(section), section.text("kind", required=True)
    if kind not in kinds:
        if kind:
            section.problem("kind", f'unknown kind "{section.written("kind")}"{nearest(kind, kinds)}')
        return ChannelSpec(name, kind)
    wanted = kinds[kind].required | kinds[kind].optional
    before = len(section.source.problems)
    settings = {key: section.anything(key) for key in sorted(wanted) if key in section}
    for key in sorted(kinds[kind].required - settings.keys()):
        section.problem(key, f'"{key}" is missing; a channel of kind "{kind}" needs it')
    section.close(wanted)
    spec = ChannelSpec(name, kind, settings)
    if len(section.source.problems) == before:
        try:
            kinds[kind](spec, cast(Any, None))  # built to hear what it refuses; it sends nothing
        except ConfigurationError as error:
            said = _without(str(error), settings).removeprefix(f"{section.label} ({kind}): ")
            key = next((key for key in settings if f'"{key}"' in said), "kind")
            section.problem(key, said.removeprefix(f"{section.label}: "))
    return spec


def maintenance(section: Section) -> MaintenanceSpec:
    """Return what a `[[maintenance]]` means."""
    name = _name(section)
    schedule = _schedule(section, "schedule", "oncalendar")
    duration = section.duration("duration", 0.0, least=1.0)
    if "duration" not in section:
        section.problem(
            "duration", '"duration" is missing; write how long the window stays open, such as "1h"'
        )
    elif schedule is not None and duration >= period(schedule, _REFERENCE):
        section.problem(
            "duration", '"duration" is as long as its schedule\'s period: the window would never close'
        )
    monitors = section.names("monitors")
    if monitors == ():
        section.problem("monitors", '"monitors" is empty; name some, or leave it out to mean all')
    spec = MaintenanceSpec(
        name, schedule or Every(1.0), duration, monitors or ("*",), section.text("description")
    )
    section.close()
    return spec


def url(section: Section, key: str = "url", *, required: bool = True) -> str:
    """Return an http(s) URL; what it is said to be wrong with never shows it, as it may hold a password."""
    value = section.text(key, required=required).strip()
    if value and (why := wrong_url(value)):
        section.problem(key, f'"{key}" {why}; write one such as "https://shop.example/health"')
    return value


def longest_gap(schedule: Schedule | None) -> float:
    """Return the longest of a schedule's next gaps (seconds): its period, for one that is uneven."""
    if schedule is None or isinstance(schedule, Every):
        return schedule.seconds if schedule else LONGEST_GRACE
    at, longest = next_due(schedule, _REFERENCE), 0.0
    for _ in range(30):
        following = next_due(schedule, at)
        if longest >= LONGEST_GRACE or math.isinf(following):
            break
        longest, at = max(longest, following - at), following
    return longest or math.inf


def too_short(spec: MonitorSpec, cycle: float) -> str:
    """Return why a sign is expected too often of a job that takes `cycle` seconds; empty if it is not."""
    gap = longest_gap(spec.schedule)
    if spec.schedule is None or gap >= 2 * cycle:
        return ""
    return (
        f"a sign is due every {humanize(gap)}, less than twice its usual cycle ({humanize(cycle)}): "
        f"a batch that is merely slow may look like a missed one; write {humanize(2 * cycle)} or more"
    )


def is_local(host: str) -> bool:
    """Tell whether a host is this very machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _common(section: Section, *, fail_after: int) -> dict[str, Any]:
    return {
        "fail_after": section.number("fail_after", fail_after),
        "recover_after": section.number("recover_after", 1),
        "tags": section.names("tags") or (),
        "channels": section.names("channels"),
        "depends_on": section.names("depends_on") or (),
        "description": section.text("description"),
        "severity": severity(section),
    }


def _fail_when(section: Section) -> tuple[int, int] | None:
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


def severity(section: Section) -> str:
    """Return "warning", "critical" or "" where it is not given."""
    text = section.text("severity")
    if text not in ("", *Severity):
        section.problem("severity", '"severity" must be "warning" or "critical"')
        return ""
    return text


def route(section: Section) -> RouteSpec:
    """Return what a `[[route]]` means."""
    found = _route(section)
    section.close()
    return found


def escalation(section: Section) -> EscalationSpec:
    """Return what an `[[escalation]]` means."""
    after = section.duration("after", 0.0, least=60.0)
    if "after" not in section:
        section.problem("after", '"after" is missing; write how long to wait for somebody, such as "15m"')
    found = EscalationSpec(after, _route(section))
    section.close()
    return found


def _route(section: Section) -> RouteSpec:
    channels = section.names("channels")
    if not channels:
        section.problem("channels", '"channels" is missing; name those to tell')
    loud = severity(section)
    zone = section.parsed("timezone", parse_timezone) if "timezone" in section else None
    section.text("timezone")
    return RouteSpec(
        channels=channels or (),
        monitors=section.names("monitors") or (),
        tags=frozenset(section.names("tags") or ()),
        severity=Severity(loud) if loud else None,
        hours=_hours(section),
        timezone=zone or "UTC",
    )


def _hours(section: Section) -> tuple[int, int] | None:
    """Return `hours = "08:00-18:00"` as minutes of the day."""
    text = section.text("hours").replace(" ", "")
    if not text:
        return None
    match = _HOURS.fullmatch(text)
    if match is None:
        section.problem("hours", '"hours" must be such as "08:00-18:00"')
        return None
    start, end = (int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4]))
    if start == end or max(start, end) > 24 * 60:
        section.problem("hours", '"hours" must be such as "08:00-18:00", two times of one day')
        return None
    return start, end


def _name(section: Section) -> str:
    name = section.text("name", required=True).strip()
    if len(name) > NAME_CHARACTERS:
        section.problem("name", f'"name" is longer than {NAME_CHARACTERS} characters')
    elif "/" in name or _CONTROL.search(name):
        section.problem(
            "name", '"name" must hold no "/" (it parts endpoint and component) and no control character'
        )
    return name


def _token(section: Section) -> tuple[str, str]:
    """Return a heartbeat's own token: as the uuid of its ping URL, or as another product's opaque one."""
    value = section.text("token").strip()
    if _UUID.fullmatch(value.lower()):
        return value.lower(), ""
    if value and not _TOKEN.fullmatch(value):
        section.problem(
            "token",
            '"token" stands in URLs: use 8 to 200 letters, digits, "-" and "_", or leave it out',
        )
    return "", value


def _rules(section: Section) -> PingRules | None:
    """Return which pings count as what; None where all count as what they say."""
    rules = PingRules(
        methods=section.text("methods").strip(),
        start_kw=section.text("start_kw"),
        success_kw=section.text("success_kw"),
        failure_kw=section.text("failure_kw"),
        filter_http_body=section.flag("filter_http_body", False),
        filter_default_fail=section.flag("filter_default_fail", False),
    )
    if rules.methods not in ("", "POST"):
        section.problem("methods", '"methods" must be "POST", or left out: then every method counts')
    words = (rules.start_kw, rules.success_kw, rules.failure_kw)
    if any(words) and not rules.filter_http_body:
        section.warn("filter_http_body", 'keywords do nothing without "filter_http_body = true"')
    elif rules.filter_http_body and not any(words):
        section.warn("filter_http_body", '"filter_http_body" has no keyword to look for: no ping will count')
    return None if rules == PingRules() else rules


def _schedule(section: Section, *keys: str) -> Schedule | None:
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


def _headers(section: Section) -> dict[str, str]:
    headers = section.table("headers")
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            section.problem("headers", f'"headers": "{name[:40]}" is no name of a header')
        elif _CONTROL.search(value) or not value.isascii():
            section.problem("headers", f'"headers": the value of "{name}" must be plain ASCII on one line')
    return headers


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
    return "holds a space or control character" if _CONTROL.search(value) or " " in value else ""


def _without(message: str, settings: Mapping[str, Any]) -> str:
    """Return a channel's own words without any of its settings' values: they may be secrets."""
    for value in settings.values():
        for text in (
            value if isinstance(value, list) else value.values() if isinstance(value, dict) else [value]
        ):
            if isinstance(text, str) and len(text) > 3:
                message = message.replace(text, "...")
    return message


def _doubt_endpoint(section: Section, spec: MonitorSpec) -> None:
    if spec.timeout > spec.every:
        section.warn(
            "timeout", '"timeout" is longer than "every": a hanging endpoint is looked at less often'
        )
    host = urlsplit(spec.url).hostname if not wrong_url(spec.url) else None
    if spec.headers and host and spec.url.startswith("http:") and not is_local(host):
        section.warn("url", '"headers" travel unencrypted to an http URL; use https')
    if spec.channels == ():
        section.warn("channels", '"channels" is empty: nobody is told')


def _doubt_heartbeat(section: Section, spec: MonitorSpec) -> None:
    gap = longest_gap(spec.schedule)
    if spec.min_runtime and spec.max_runtime and spec.min_runtime >= spec.max_runtime:
        section.problem("min_runtime", '"min_runtime" must be less than "max_runtime"')
    if spec.schedule is None:
        return
    if spec.grace == 0:
        section.warn("grace", '"grace" is 0: a sign that is a moment late is an alert')
    if spec.max_runtime and gap < 2 * spec.max_runtime:
        section.warn(
            "max_runtime",
            f'a sign is due every {humanize(gap)}, less than twice its "max_runtime" '
            f"({humanize(spec.max_runtime)}): a slow run may look like a missed one",
        )
    if spec.stalled_after and isinstance(spec.schedule, Every) and spec.stalled_after < 2 * gap:
        section.warn(
            "stalled_after",
            f'"stalled_after" is less than two signs apart ({humanize(2 * gap)}): noise is likely',
        )
    if spec.channels == ():
        section.warn("channels", '"channels" is empty: nobody is told')
