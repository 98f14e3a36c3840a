"""What a component of an endpoint is: its own name, and all else as its endpoint says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from checker.model import NOTHING, Cause, Kind, MonitorSpec, MonitorState, State
from checker.probe_spec import ComponentRule


def component_spec(endpoint: MonitorSpec, key: str, said: Mapping[str, Any] = NOTHING) -> MonitorSpec:
    """Return the specification of an endpoint's component: as the endpoint has it, but for rules of its own.

    `said` holds what its document tells of it: `identity` and `depends_on`.
    """
    spec = MonitorSpec(
        kind=Kind.COMPONENT,
        name=key,
        parent=endpoint.name,
        tags=endpoint.tags,
        channels=endpoint.channels,
        source="auto",
        fail_after=endpoint.fail_after,
        recover_after=endpoint.recover_after,
        fail_when=endpoint.fail_when,
        severity=endpoint.severity,
        every=endpoint.every,
        identity=said.get("identity", ""),
        depends_on=tuple(said.get("depends_on", ())),
    )
    for rule in endpoint.probe.rules_for(key):
        spec = _ruled(spec, rule)
    return spec


def is_forgotten(endpoint: MonitorSpec, state: MonitorState, now: float) -> bool:
    """Tell whether a component is gone for as long as its endpoint wants that shown."""
    is_gone = state.state is State.WARN and state.cause is Cause.GONE
    return is_gone and now - state.since >= endpoint.probe.forget_after


def _ruled(spec: MonitorSpec, rule: ComponentRule) -> MonitorSpec:
    own = {
        name: value
        for name in (
            "fail_after",
            "recover_after",
            "fail_when",
            "severity",
            "channels",
            "tags",
            "description",
        )
        if (value := getattr(rule, name)) is not None
    }
    if "fail_after" in own:
        own["fail_when"] = None  # the one takes the other's place
    return replace(spec, **own)
