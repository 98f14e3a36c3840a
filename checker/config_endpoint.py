"""`[[endpoint]]`: one table to one specification. The URL's scheme tells which keys there are besides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from checker.conditions import parse
from checker.conditions.judge import asks_for
from checker.config_components import rules
from checker.config_section import Section, nearest
from checker.config_values import CONTROL, common, is_local, read_name, some_of, url, wrong_url
from checker.model import Kind, MonitorSpec
from checker.probe_spec import FORGET_AFTER, ProbeSpec
from healthkit.errors import ConfigurationError

ENDPOINT_FAIL_AFTER = 2  # one lost look is a blip
CERTIFICATE = "certificate > 14d"  # what is wished for where a tls endpoint says nothing of it
RECORDS = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_SERVER = re.compile(r"(?:[\w.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\])(?::\d{1,5})?")
_HOST = re.compile(r"[^\s/?#@:\x00-\x1f\x7f]{1,253}")
# What there is to be asked for in a condition, by the scheme of the URL.
_WEB = ("status", "latency", "body", "header", "components")
SUBJECTS = {
    "http": _WEB,
    "https": (*_WEB, "certificate"),
    "tcp": ("latency", "body"),
    "tls": ("latency", "certificate"),
    "dns": ("latency", "answers", "rcode"),
}
_OF_WEB = (
    "method",
    "body",
    "headers",
    "follow_redirects",
    "document",
    "prove",
    "stale_after",
    "forget_after",
)
# Keys that only some schemes have.
_OWN = {
    "http": (*_OF_WEB, "components"),
    "https": (*_OF_WEB, "components"),
    "tcp": ("send",),
    "tls": (),
    "dns": ("record", "server"),
}


def endpoint(section: Section) -> MonitorSpec:
    """Return what an `[[endpoint]]` means."""
    name, address, scheme = read_name(section), *_address(section)
    for key in sorted({key for keys in _OWN.values() for key in keys} - {*_OWN[scheme]}):
        if key in section:
            section.anything(key)
            section.problem(key, f'"{key}" means nothing for a {scheme} endpoint; leave it out')
    web = scheme in ("http", "https")
    spec = MonitorSpec(
        kind=Kind.ENDPOINT,
        name=name,
        url=address,
        every=section.duration("every", 30.0, least=0.5),
        timeout=section.duration("timeout", 10.0, least=0.1, most=300.0),
        headers=_headers(section) if web else {},
        fail_when=some_of(section),
        probe=ProbeSpec(**_asked(section, scheme)),
        **common(section, fail_after=ENDPOINT_FAIL_AFTER),
    )
    section.close()
    _doubt_endpoint(section, spec)
    return spec


def _address(section: Section) -> tuple[str, str]:
    """Return the URL and its scheme; one that cannot be meant counts as http."""
    value = section.text("url").strip()
    scheme = value.partition("://")[0].lower()
    if scheme not in ("tcp", "tls", "dns"):
        return url(section), "https" if scheme == "https" else "http"
    try:
        parts = urlsplit(value)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        port, host = None, ""
    is_bare = (
        not (parts.path.strip("/") or parts.query or parts.fragment or parts.username) if host else False
    )
    wants_port = scheme != "dns"
    is_host = ":" in host or bool(_HOST.fullmatch(host))
    if not host or not is_bare or not is_host or (port is not None) is not wants_port:
        sample = {
            "tcp": "tcp://mail.example:25",
            "tls": "tls://shop.example:443",
            "dns": "dns://shop.example",
        }
        section.problem("url", f'"url" must be such as "{sample[scheme]}"')
    return value, scheme


def _asked(section: Section, scheme: str) -> dict[str, Any]:
    asked: dict[str, Any] = {"allow_private": section.flag("allow_private", True)}
    asked |= _of_web(section) if scheme in ("http", "https") else _of_others(section, scheme)
    return asked | _conditions(section, scheme)


def _of_web(section: Section) -> dict[str, Any]:
    method = section.text("method", "GET").strip().upper()
    if method not in _METHODS:
        section.problem("method", f'"method" must be one of {", ".join(_METHODS)}{nearest(method, _METHODS)}')
        method = "GET"
    prove, document = section.flag("prove", False), section.flag("document", True)
    if prove and not document:
        section.problem("prove", '"prove" is for health documents, and "document" is false; keep one')
    return {
        "method": method,
        "body": section.text("body"),
        "follow_redirects": section.flag("follow_redirects", True),
        "document": document,
        "prove": prove,
        "stale_after": section.duration("stale_after", None, least=1.0),
        "forget_after": section.duration("forget_after", FORGET_AFTER, least=60.0),
        "components": rules(section),
    }


def _of_others(section: Section, scheme: str) -> dict[str, Any]:
    if scheme == "tcp":
        return {"body": section.text("send")}
    if scheme == "tls":
        return {}
    record = section.text("record", "A").strip().upper()
    if record not in RECORDS:
        section.problem("record", f'"record" must be one of {", ".join(RECORDS)}{nearest(record, RECORDS)}')
    server = section.text("server").strip()
    if server and not _SERVER.fullmatch(server):
        section.problem("server", '"server" must be a name server, such as "9.9.9.9" or "[::1]:5353"')
    return {"record": record, "server": server}


def _conditions(section: Section, scheme: str) -> dict[str, tuple[str, ...]]:
    has_document = section.flag("document", True) if scheme in ("http", "https") else False
    subjects = tuple(each for each in SUBJECTS[scheme] if has_document or each != "components")
    found = {key: _parsed(section, key, subjects) for key in ("conditions", "warn_conditions")}
    if scheme == "tls" and not asks_for((*found["conditions"], *found["warn_conditions"]), "certificate"):
        found["warn_conditions"] += (CERTIFICATE,)
    return found


def _parsed(section: Section, key: str, subjects: tuple[str, ...]) -> tuple[str, ...]:
    """Return the conditions that can be read; each other one is a problem that points at the word."""
    found = []
    for text in section.names(key) or ():
        try:
            found.append(parse(text, subjects).text)
        except ConfigurationError as error:
            section.problem(key, f'"{key}": in "{text.strip()[:80]}": {error}')
    return tuple(found)


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
    if host and is_local(host) and not spec.probe.allow_private:
        section.warn("allow_private", '"allow_private = false" refuses this very address: it is this machine')
    if spec.probe.method == "HEAD" and _asks_for_body(spec.probe.all_conditions):
        section.problem("method", 'with "method" HEAD no body comes back, and a condition asks for one')
    if spec.channels == ():
        section.warn("channels", '"channels" is empty: nobody is told')


def _asks_for_body(conditions: Sequence[str]) -> bool:
    return any(parse(each).subject in ("body", "components") for each in conditions)
