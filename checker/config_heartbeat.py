"""`[[heartbeat]]`: one table to one specification."""

from __future__ import annotations

import math
import re

from checker.config_section import Section
from checker.config_values import common, read_name, read_schedule
from checker.model import Kind, MonitorSpec, PingRules
from checker.schedule import Every, Schedule, next_due
from checker.slugs import slug
from healthkit.durations import humanize

SLUG_CHARACTERS = 100  # of a ping URL, as in Healthchecks
LONGEST_GRACE = 3600.0  # of the default
_REFERENCE = 1_767_225_600.0  # 2026-01-01: where periods are measured, so that a file always means the same
_TOKEN = re.compile(r"[-A-Za-z0-9_]{8,200}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def heartbeat(section: Section) -> MonitorSpec:
    """Return what a `[[heartbeat]]` means; its grace is one period unless it says so, and at most an hour."""
    name = read_name(section)
    schedule = read_schedule(section, "every", "schedule", "oncalendar")
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
        **common(section, fail_after=1),
    )
    if len(spec.slug) > SLUG_CHARACTERS:
        section.problem("name", f'"name" is longer than the {SLUG_CHARACTERS} characters a ping URL takes')
    section.close()
    _doubt_heartbeat(section, spec)
    if cycle and (doubt := too_short(spec, cycle)):
        section.warn("cycle", doubt)
    return spec


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
