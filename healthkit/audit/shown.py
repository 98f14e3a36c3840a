"""Findings as text for a person, as JSON, and as annotations for GitHub."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence

from healthkit.audit.model import Finding

VERSION = 1  # of the JSON; it changes when a key is renamed or removed
WIDTH = 100


def as_text(target: str, findings: Sequence[Finding]) -> str:
    """Return the findings for a person to read."""
    if not findings:
        return f"{target}: nothing found that could break unseen"
    count = f"{len(findings)} {'finding' if len(findings) == 1 else 'findings'}"
    return "\n".join([*(_paragraph(one) for one in findings), f"{target}: {count}"])


def _paragraph(one: Finding) -> str:
    why = textwrap.fill(one.why, WIDTH, initial_indent="       ", subsequent_indent="       ")
    return f"{one.code}  {one.path}:{one.line}\n{why}\n       fix: {one.fix}\n"


def as_json(target: str, findings: Sequence[Finding]) -> str:
    """Return `{"version", "target", "findings": [{"code", "file", "line", "why", "fix"}]}`."""
    rows = [
        {"code": one.code, "file": one.path, "line": one.line, "why": one.why, "fix": one.fix}
        for one in findings
    ]
    return json.dumps({"version": VERSION, "target": target, "findings": rows}, indent=2)


def as_github(findings: Sequence[Finding]) -> str:
    """Return workflow commands that annotate the lines of a pull request."""
    return "\n".join(
        f"::warning file={_value(one.path)},line={one.line},title={one.code}::"
        + _data(f"{one.why} Fix: {one.fix}")
        for one in findings
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _value(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
