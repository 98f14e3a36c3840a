"""A `Report` as text, as a page for people, and for Prometheus; each also as the status alone."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from html import escape
from importlib import resources
from string import Template

from healthkit import wire
from healthkit.durations import humanize
from healthkit.model import Reading, Report, Result
from healthkit.status import Status

MARKS = {Status.PASS: "✔", Status.WARN: "▲", Status.FAIL: "✖", Status.UNKNOWN: "?"}
VERDICTS = {
    Status.PASS: "Working",
    Status.WARN: "Needs a look",
    Status.FAIL: "Not working",
    Status.UNKNOWN: "Unknown",
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
    rows = "\n".join(_html_row(reading, part) for reading, part in _worst_first(report))
    caption = f"Everything here was read at {_clock(report.time)} UTC or later."
    if rows:
        content = _template("table.html").substitute(caption=escape(caption), rows=rows)
    else:
        notes = report.attributes.get("notes", ["No dependency was asked: the process answers."])
        content = "".join(f"<p>{escape(str(note))}</p>" for note in notes)
    heading = " · ".join(part for part in (report.service, report.version, report.description) if part)
    return _page(report.status, f"{report.status}: {report.service}", heading, content)


def html_status(status: Status) -> bytes:
    """Return the status alone, as a page."""
    return _page(status, str(status), "Details are shown with the details token.", "")


def prometheus(report: Report) -> bytes:
    """Return a report in Prometheus' text format 0.0.4."""
    rows = list(_worst_first(report))
    labels = [_labels(report, reading, part) for reading, part in rows]
    service = f"{{service={_label(report.service)}}}"
    families = {
        "healthkit_status": [(service, _level(report.status))],
        "healthkit_check_status": [
            (mark, _level(part.status)) for mark, (_, part) in zip(labels, rows, strict=True)
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
    "healthkit_check_status": "Whether what this check asked works: 1 pass, 0.5 warn, 0 fail.",
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
    return iter(sorted(rows, key=lambda row: -row[1].status))


def _parts(reading: Reading) -> tuple[Result, ...]:
    if reading.results:
        return reading.results
    return (Result(reading.value, reading.unit, reading.status, reading.output, None, reading.details),)


def _name(reading: Reading, part: Result) -> str:
    return f"{reading.check.key} {part.component_id}" if part.component_id else reading.check.key


def _said(part: Result) -> str:
    """Return the reason, else the value, on one line."""
    if part.output:
        return " ".join(part.output.split())
    if part.value is None:
        return ""
    value = part.value if isinstance(part.value, str) else json.dumps(part.value, ensure_ascii=False)
    return " ".join(f"{value} {part.unit or ''}".split())


def _line(reading: Reading, part: Result) -> tuple[str, str, str]:
    return _name(reading, part), str(part.status), _said(part)


def _html_row(reading: Reading, part: Result) -> str:
    notes = [*([] if reading.check.critical else ["not critical"]), *([reading.check.description or ""])]
    note = " · ".join(filter(None, notes))
    return (
        _template("row.html")
        .substitute(
            status=part.status,
            mark=MARKS[part.status],
            name=escape(_name(reading, part)),
            note=f'<span class="note">{escape(note)}</span>' if note else "",
            text=escape(_said(part) or f"answered in {humanize(reading.duration)}"),
            time=wire.timestamp(reading.time),
            clock=_clock(reading.time),
        )
        .rstrip()
    )


def _page(status: Status, title: str, heading: str, content: str) -> bytes:
    return (
        _template("page.html")
        .substitute(
            title=escape(title), style=_file("page.css"), status=status, mark=MARKS[status],
            verdict=VERDICTS[status], heading=escape(heading), content=content,
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
