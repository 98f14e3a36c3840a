"""Text, page and Prometheus: complete, and harmless whatever a check says."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from healthkit.formats import FORMATS, html, prometheus, text
from healthkit.model import Check, Reading, Report, Result
from healthkit.status import Status

NASTY = '<script>alert("x")</script>\n$title \\ "quoted" \u202e'


def reading(name: str, status: Status, **rest: object) -> Reading:
    critical = bool(rest.pop("critical", True))
    return Reading(Check(name, "status", lambda: None, critical=critical), status, 1_700_000_000.0, **rest)  # type: ignore[arg-type]


REPORT = Report(
    "shop", Status.FAIL, 1_700_000_000.0,
    (
        reading("fine", Status.PASS, value=3, unit="jobs", duration=0.5),
        reading("broken", Status.FAIL, output=NASTY),
        reading("shaky", Status.WARN, output="slow", critical=False),
        reading("disks", Status.PASS, results=(Result(1.5, component_id="a"), Result("x", component_id="b"))),
    ),
    version="1.4.2",
)  # fmt: skip


def test_text_lists_the_worst_first_on_one_line_each() -> None:
    lines = text(REPORT).decode().splitlines()
    assert lines[0] == "shop 1.4.2: fail"
    assert [line.split()[:2] for line in lines[1:]] == [
        ["fail", "broken:status"],
        ["warn", "shaky:status"],
        ["pass", "fine:status"],
        ["pass", "disks:status"],
        ["pass", "disks:status"],
    ]
    assert lines[3].endswith("3 jobs")


class Page(HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self, body: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(body)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_escapes_what_checks_say_and_runs_no_script() -> None:
    page = Page(html(REPORT).decode())
    names = [tag for tag, _ in page.tags]
    assert "script" not in names
    assert '<script>alert("x")</script>' in page.words, "shown as text"
    assert not any(key.startswith("on") or key == "src" for _, attrs in page.tags for key in attrs)
    assert {attrs["href"] for _, attrs in page.tags if "href" in attrs} == {
        "?format=json", "?format=text", "?format=prometheus",
    }  # fmt: skip


def test_the_page_can_be_understood_without_seeing_it() -> None:
    page = Page(html(REPORT).decode())
    tags = dict(reversed(page.tags))
    assert tags["html"]["lang"] == "en"
    assert {"title", "main", "h1", "caption", "time"} <= set(tags)
    assert [attrs.get("scope") for tag, attrs in page.tags if tag == "th"] == ["col"] * 4 + ["row"] * 5
    assert [
        word for word in ("Not working", "fail", "warn", "pass", "not critical") if word not in page.words
    ] == []


def test_the_page_of_a_report_without_checks_says_what_it_proves() -> None:
    assert "the process answers" in html(Report("shop", Status.PASS, 0.0)).decode()


SAMPLE = re.compile(r'(\w+)(\{(?:\w+="(?:[^"\\\n]|\\.)*",?)*\})? (-?[\d.e+-]+)')


def test_prometheus_lines_are_well_formed_and_unique() -> None:
    lines = prometheus(REPORT).decode().splitlines()
    samples = [line for line in lines if not line.startswith("#")]
    assert all(SAMPLE.fullmatch(line) for line in samples)
    series = [line.rsplit(" ", 1)[0] for line in samples]
    assert len(series) == len(set(series))
    assert 'healthkit_status{service="shop"} 0' in lines
    assert (
        'healthkit_check_status{service="shop",check="shaky:status",component_id="",critical="false"} 0.5'
        in lines
    )
    assert (
        'healthkit_check_value{service="shop",check="disks:status",component_id="a",critical="true"} 1.5'
        in lines
    )
    assert len([line for line in lines if line.startswith("# TYPE")]) == 5


def test_a_label_is_escaped() -> None:
    body = prometheus(Report('a"b\\c\nd', Status.PASS, 0.0)).decode()
    assert r'service="a\"b\\c\nd"' in body


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
@pytest.mark.parametrize("status", [Status.PASS, Status.WARN, Status.FAIL])
def test_the_status_alone_names_nothing_else(form: object, status: Status) -> None:
    body = FORMATS[form.name].write_status(status)  # type: ignore[attr-defined]
    assert b"shop" not in body
    assert str(status).encode() in body or form.name == "prometheus"  # type: ignore[attr-defined]


def luminance(colour: str) -> float:
    """The relative luminance of a colour, as WCAG 2.2 defines it."""
    digits = colour * 2 if len(colour) == 3 else colour
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_text_of_the_page_has_the_contrast_that_wcag_asks_for(theme: int) -> None:
    css = re.findall(r":root \{(.*?)\}", html(REPORT).decode(), flags=re.DOTALL)[theme]
    colours = dict(re.findall(r"--([\w-]+): #(\w+);", css))
    pairs = [(tone, f"{tone}-back") for tone in ("pass", "warn", "fail", "mute")]
    pairs += [(text, back) for text in ("text", "soft", "link") for back in ("page", "card")]
    pairs += [(tone, "card") for tone in ("warn", "fail")]
    pairs += [("text", f"{tone}-back") for tone in ("pass", "warn", "fail")]
    assert [
        f"{text} on {back}: {contrast(colours[text], colours[back]):.1f}"
        for text, back in pairs
        if contrast(colours[text], colours[back]) < 4.5
    ] == []


def test_the_page_counts_what_it_shows_and_folds_what_is_more() -> None:
    check = Check("orders", "rows", lambda: None, identity="postgres:orders", depends_on=("database:write",))
    held = Reading(check, Status.UNKNOWN, 0.0, output="not run yet")
    aside = Reading(check, Status.PASS, 0.0, output="disabled: moving", is_disabled=True)
    page = Page(html(Report("shop", Status.WARN, 0.0, (held, aside))).decode())
    assert "2 checks: 1 not run yet, 1 disabled" in page.words
    for words in ("postgres:orders", "database:write", "disabled: moving"):
        assert words in page.words
    assert "details" in [tag for tag, _ in page.tags]
