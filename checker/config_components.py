"""`[endpoint.components."queue-*"]`: what an endpoint's components have of their own."""

from __future__ import annotations

from checker.config_section import Section
from checker.config_values import severity, some_of
from checker.probe_spec import ComponentRule


def rules(section: Section) -> tuple[ComponentRule, ...]:
    """Return the rules in the order they are written; of several that match a component, the later counts."""
    return tuple(_rule(pattern, part) for pattern, part in section.sections("components"))


def _rule(pattern: str, part: Section) -> ComponentRule:
    found = ComponentRule(
        pattern=pattern,
        fail_after=part.number("fail_after", 1) if "fail_after" in part else None,
        recover_after=part.number("recover_after", 1) if "recover_after" in part else None,
        fail_when=some_of(part),
        severity=severity(part) or None,
        channels=part.names("channels"),
        tags=part.names("tags"),
        description=part.text("description") or None,
        ignore=part.flag("ignore", False),
    )
    for key in ("fail_after", "recover_after"):
        part.number(key, 1)  # known, also where it is left out
    part.close()
    return found
