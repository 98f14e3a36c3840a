"""A `Report` as text, as a page for people, and for Prometheus; each also as the status alone."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from html import escape
from importlib import resources
from string import Template

from healthkit import wire
from healthkit.durations import humanize
from healthkit.model import Reading, Report, Result
from healthkit.status import Status

DISABLED = "disabled"
MARKS = {"pass": "✔", "warn": "▲", "fail": "✖", "unknown": "?", DISABLED: "–"}
VERDICTS = {Status.PASS: "Working", Status.WARN: "Needs a look", Status.FAIL: "Not working"}
COUNTED = {
    "fail": "failing",
    "warn": "to look at",
    "unknown": "not run yet",
    DISABLED: DISABLED,
    "pass": "working",
}


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write a report: `write` makes the whole, `write_status` what anyone may see."""

    name: str
    content_type: str
    write: Callable[[Report], bytes]
    write_status: Callable[[Status], bytes]


def text(report: Report) -> bytes:
    """Return a report as lines for a terminal: the worst first."""
    title = " ".join(part for part in (report.service, report.version) if part)
    rows = [_line(reading, part) for reading, part in _worst_first(report)]
    width = max((len(key) for key, _, _ in rows), default=0)
    lines = [
        f"{title}: {report.status}",
        *(f"{status:4}  {key:{width}}  {said}".rstrip() for key, status, said in rows),
    ]
    return ("\n".join(lines) + "\n").encode()


def text_status(status: Status) -> bytes:
    """Return the status alone, on a line."""
    return f"{status}\n".encode()


def json_status(status: Status) -> bytes:
    """Return `{"status": ...}` alone."""
    return wire.encode({"status": str(status)})


def html(report: Report) -> bytes:
    """Return a report as a page that needs no script, no other file, and no colour to be understood."""
    shown = list(_worst_first(report))
    today = _clock(report.time)[:11]
    rows = "\n".join(_html_row(reading, part, today) for reading, part in shown)
    if rows:
        caption = f"{_counted(shown)}. Read at {_clock(report.time)} UTC or later."
        content = _template("table.html").substitute(caption=escape(caption), rows=rows)
    else:
        content = ""
    notes = report.attributes.get("notes", [] if rows else ["No dependency was asked: the process answers."])
    content = "".join(f'<p class="notice">{escape(str(note))}</p>\n' for note in notes) + content
    about = " · ".join(part for part in (report.version, report.description) if part)
    origin = str(report.attributes.get("instance", ""))
    return _page(report.status, f"{report.status}: {report.service}", report.service, about, content, origin)


def html_status(status: Status) -> bytes:
    """Return the status alone, as a page."""
    return _page(status, str(status), "Health", "Details are shown with the details token.", "", "")


def prometheus(report: Report) -> bytes:
    """Return a report in Prometheus' text format 0.0.4."""
    rows = list(_worst_first(report))
    labels = [_labels(report, reading, part) for reading, part in rows]
    service = f"{{service={_label(report.service)}}}"
    families = {
        "healthkit_status": [(service, _level(report.status))],
        "healthkit_check_status": [
            (mark, _level(part.status))
            for mark, (row, part) in zip(labels, rows, strict=True)
            if not row.is_disabled
        ],
        "healthkit_check_disabled": [
            (mark, 1.0) for mark, (row, _) in zip(labels, rows, strict=True) if row.is_disabled
        ],
        "healthkit_check_value": [
            (mark, float(part.value))
            for mark, (_, part) in zip(labels, rows, strict=True)
            if isinstance(part.value, int | float)
        ],
        "healthkit_check_duration_seconds": [
            (mark, row.duration) for mark, (row, _) in zip(labels, rows, strict=True)
        ],
        "healthkit_check_read_timestamp_seconds": [
            (mark, row.time) for mark, (row, _) in zip(labels, rows, strict=True)
        ],
    }
    return "".join(_family(name, samples) for name, samples in families.items() if samples).encode()


def prometheus_status(status: Status) -> bytes:
    """Return the status alone, in Prometheus' text format."""
    return _family("healthkit_status", [("", _level(status))]).encode()


HELP = {
    "healthkit_status": "Whether the service works: 1 pass, 0.5 warn, 0 fail.",
    "healthkit_check_status": "Whether what this check asked works: 1 pass, 0.5 warn or not run yet, 0 fail.",
    "healthkit_check_disabled": "Checks that were disabled, and are not asked: 1.",
    "healthkit_check_value": "The value this check observed, where it is a number.",
    "healthkit_check_duration_seconds": "How long the last run of this check took.",
    "healthkit_check_read_timestamp_seconds": "When this check was last read, in seconds since the epoch.",
}

JSON = Format("json", wire.MEDIA_TYPE, wire.dumps, json_status)
TEXT = Format("text", "text/plain; charset=utf-8", text, text_status)
HTML = Format("html", "text/html; charset=utf-8", html, html_status)
PROMETHEUS = Format("prometheus", "text/plain; version=0.0.4; charset=utf-8", prometheus, prometheus_status)
PLAIN_JSON = replace(JSON, name="plain json", content_type="application/json")
FORMATS = {form.name: form for form in (JSON, TEXT, HTML, PROMETHEUS)}


def _worst_first(report: Report) -> Iterator[tuple[Reading, Result]]:
    rows = [(reading, part) for reading in report.readings for part in _parts(reading)]
    return iter(sorted(rows, key=lambda row: (-(row[1].status or Status.WARN), row[0].is_disabled)))


def _parts(reading: Reading) -> tuple[Result, ...]:
    if reading.results:
        return reading.results
    return (Result(reading.value, reading.unit, reading.status, reading.output, None, reading.details),)


def _name(reading: Reading, part: Result) -> str:
    return f"{reading.check.key} {part.component_id}" if part.component_id else reading.check.key


def _word(reading: Reading, part: Result) -> str:
    return DISABLED if reading.is_disabled else str(part.status)


def _counted(rows: Sequence[tuple[Reading, Result]]) -> str:
    """Return how many there are of each kind, the worst first: "5 checks: 1 failing, 4 working"."""
    words = Counter(_word(reading, part) for reading, part in rows)
    kinds = ", ".join(f"{words[word]} {name}" for word, name in COUNTED.items() if words[word])
    return f"{len(rows)} check{'s' if len(rows) > 1 else ''}: {kinds}"


def _said(part: Result) -> str:
    """Return the reason, else the value, on one line."""
    if part.output:
        return " ".join(part.output.split())
    if part.value is None:
        return ""
    value = part.value if isinstance(part.value, str) else json.dumps(part.value, ensure_ascii=False)
    return " ".join(f"{value} {part.unit or ''}".split())


def _line(reading: Reading, part: Result) -> tuple[str, str, str]:
    return _name(reading, part), _word(reading, part), _said(part)


def _html_row(reading: Reading, part: Result, today: str) -> str:
    word = _word(reading, part)
    note = "" if reading.check.critical else '<span class="note">not critical</span>'
    return (
        _template("row.html")
        .substitute(
            status=word,
            mark=MARKS[word],
            name=escape(reading.check.name),
            measurement=escape(reading.check.measurement),
            part=f'<span class="part">{escape(part.component_id)}</span>' if part.component_id else "",
            note=note,
            text=escape(_said(part) or f"answered in {_took(reading)}"),
            more=_html_details(reading, part),
            time=wire.timestamp(reading.time),
            clock=_clock(reading.time).removeprefix(today),
        )
        .rstrip()
    )


def _html_details(reading: Reading, part: Result) -> str:
    """Return what else is known of a check, folded; nothing where nothing is."""
    check = reading.check
    known = {
        "what": check.description,
        "identity": check.identity,
        "depends on": ", ".join(check.depends_on),
        "tags": ", ".join(sorted(check.tags)),
        **{key: _said(Result(value)) for key, value in part.details.items()},
    }
    pairs = "".join(f"<dt>{escape(key)}</dt><dd>{escape(text)}</dd>" for key, text in known.items() if text)
    return f"<details><summary>More</summary><dl>{pairs}</dl></details>" if pairs else ""


def _took(reading: Reading) -> str:
    return humanize(reading.duration) if reading.duration >= 0.001 else "less than 1 ms"


def _page(status: Status, title: str, heading: str, about: str, content: str, origin: str) -> bytes:
    return (
        _template("page.html")
        .substitute(
            title=escape(title), style=_file("page.css"), status=status, mark=MARKS[str(status)],
            verdict=VERDICTS[status], heading=escape(heading), content=content,
            about=f'<p class="about">{escape(about)}</p>' if about else "",
            origin=f"Answered by {escape(origin)}. " if origin else "",
        )
        .encode()
    )  # fmt: skip


def _clock(moment: float) -> str:
    return wire.timestamp(moment)[:19].replace("T", " ")


@cache
def _file(name: str) -> str:
    return resources.files("healthkit").joinpath("templates", name).read_text("utf-8").rstrip()


@cache
def _template(name: str) -> Template:
    return Template(_file(name))


def _family(name: str, samples: list[tuple[str, float]]) -> str:
    lines = [f"# HELP {name} {HELP[name]}", f"# TYPE {name} gauge"]
    return "\n".join([*lines, *(f"{name}{labels} {_number(value)}" for labels, value in samples)]) + "\n"


def _labels(report: Report, reading: Reading, part: Result) -> str:
    pairs = {
        "service": report.service,
        "check": reading.check.key,
        "component_id": part.component_id or "",
        "critical": str(reading.check.critical).lower(),
    }
    return "{" + ",".join(f"{key}={_label(value)}" for key, value in pairs.items()) + "}"


def _label(value: str) -> str:
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'


def _level(status: Status) -> float:
    return {Status.PASS: 1.0, Status.WARN: 0.5}.get(status, 0.0)


def _number(value: float) -> str:
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(value)
