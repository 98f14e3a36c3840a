"""One endpoint by itself, as the API is given it: the same keys, with the same meaning, as in the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from checker.config_endpoint import endpoint
from checker.config_section import Section, nearest
from checker.config_source import ConfigError, Part, Source
from checker.model import MonitorSpec
from checker.toml_lines import Lines


def one_endpoint(data: Mapping[str, Any], channels: Iterable[str]) -> MonitorSpec:
    """Return what an endpoint means; raises `ConfigError` with all that is wrong with it.

    No variable of the environment is filled in: whoever writes here need not know what the server does.
    """
    source = Source([Part("endpoint", Lines(""), {"endpoint": [dict(data)]})], {})
    spec = endpoint(Section(source, ("endpoint", 0), "endpoint", data))
    known = set(channels)
    wanted = [
        *(spec.channels or ()),
        *(name for rule in spec.probe.components for name in rule.channels or ()),
    ]
    problems = [text.partition(": endpoint: ")[2] or text for _, text in source.problems]
    problems += [
        f'unknown channel "{name}"{nearest(name, known) or "; none is configured"}'
        for name in wanted
        if name not in known
    ]
    if problems:
        raise ConfigError(tuple(dict.fromkeys(problems)))
    return replace(spec, source="api")
