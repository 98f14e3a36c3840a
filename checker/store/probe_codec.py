"""How an endpoint is looked at, to JSON and back; forgiving to what another version wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from checker.probe_spec import ComponentRule, ProbeSpec

_OF_PROBE = {each.name: each.default for each in fields(ProbeSpec)}
_OF_RULE = {each.name: each.default for each in fields(ComponentRule)}


def probe_to(probe: ProbeSpec) -> dict[str, Any]:
    """Return what differs from the usual."""
    data = _unusual(probe, _OF_PROBE)
    if probe.components:
        data["components"] = [_unusual(each, _OF_RULE) for each in probe.components]
    return data


def probe_of(data: Mapping[str, Any]) -> ProbeSpec:
    """Return what `probe_to` wrote; keys of a newer version are left out."""
    known = _known(data, _OF_PROBE)
    known["components"] = tuple(
        ComponentRule(**_known(each, _OF_RULE)) for each in data.get("components", ()) if each.get("pattern")
    )
    return ProbeSpec(**known)


def _unusual(noun: ProbeSpec | ComponentRule, defaults: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: getattr(noun, name) for name, usual in defaults.items()}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in found.items()
        if defaults[name] is MISSING or value != defaults[name]
    }


def _known(data: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in data.items()
        if name in defaults
    }
