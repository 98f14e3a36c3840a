"""Which sign a ping counts as, by the rules of its monitor: method and keywords, as in Healthchecks. Pure."""

from __future__ import annotations

from checker.model import PingKind, PingRules


def counted_as(rules: PingRules, kind: PingKind, method: str, body: bytes) -> PingKind:
    """Return the sign that a request counts as; `IGNORED` ones are kept in the history and change nothing."""
    if rules.methods == "POST" and method != "POST":
        return PingKind.IGNORED
    if not rules.filter_http_body:
        return kind
    text = body.decode("utf-8", "replace")
    if _any(rules.failure_kw, text):
        return PingKind.FAIL
    if _any(rules.success_kw, text):
        return PingKind.SUCCESS
    if _any(rules.start_kw, text):
        return PingKind.START
    return PingKind.FAIL if rules.filter_default_fail else PingKind.IGNORED


def _any(keywords: str, text: str) -> bool:
    """Tell whether one of the comma-separated keywords is in a text."""
    return any(word in text for each in keywords.split(",") if (word := each.strip()))
