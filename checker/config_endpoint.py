"""`[[endpoint]]`: one table to one specification."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from checker.config_section import Section
from checker.config_values import CONTROL, common, is_local, read_name, url, wrong_url
from checker.model import Kind, MonitorSpec

ENDPOINT_FAIL_AFTER = 2  # one lost look is a blip
_SOME_OF = re.compile(r"(\d{1,2}) *of *(\d{1,2})")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def endpoint(section: Section) -> MonitorSpec:
    """Return what an `[[endpoint]]` means."""
    spec = MonitorSpec(
        kind=Kind.ENDPOINT,
        name=read_name(section),
        url=url(section),
        every=section.duration("every", 30.0, least=0.5),
        timeout=section.duration("timeout", 10.0, least=0.1, most=300.0),
        headers=_headers(section),
        fail_when=_fail_when(section),
        **common(section, fail_after=ENDPOINT_FAIL_AFTER),
    )
    section.close()
    _doubt_endpoint(section, spec)
    return spec


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


def _headers(section: Section) -> dict[str, str]:
    headers = section.table("headers")
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            section.problem("headers", f'"headers": "{name[:40]}" is no name of a header')
        elif CONTROL.search(value) or not value.isascii():
            section.problem("headers", f'"headers": the value of "{name}" must be plain ASCII on one line')
    return headers


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
