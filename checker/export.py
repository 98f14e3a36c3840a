"""Everything that is configured, wherever it was said, as one file that `check-config` takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from checker import config_blocks
from checker.config import Config
from checker.config_files import matching
from checker.config_text import Block, Writer, comment
from checker.model import Kind, MonitorSpec
from checker.slugs import slug
from checker.store import monitors

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-[^}]*)?\}")


def export(
    config: Config,
    others: Sequence[MonitorSpec],
    environ: Mapping[str, str],
    *,
    plain: bool = False,
) -> tuple[str, dict[str, str]]:
    """Return the file, and the variables that it wants with what they must hold.

    `others` are the monitors that the configuration does not name. With `plain` secrets are written as they
    are, and no variable is wanted.
    """
    writer = Writer(used(config, environ), plain=plain)
    body = writer.text(blocks(config, others))
    return "\n".join([*_head(writer.variables, plain), "", body]), writer.variables


def blocks(config: Config, others: Sequence[MonitorSpec]) -> Iterator[Block]:
    """Return all tables."""
    yield config_blocks.server(config.server)
    yield from (config_blocks.channel(each) for each in config.channels)
    yield from (config_blocks.monitor(each) for each in _apart([*config.monitors, *others]))
    yield from (config_blocks.maintenance(each) for each in config.maintenance)
    yield from (config_blocks.route(each) for each in config.routes)
    yield from (config_blocks.escalation(each) for each in config.escalations)


def made_elsewhere(conn: Connection, config: Config) -> list[MonitorSpec]:
    """Return the live endpoints and heartbeats that the API, a ping or an announcement made."""
    named = {(each.kind, each.name) for each in config.monitors}
    return [
        each.spec
        for each in monitors.load(conn)
        if each.spec.kind is not Kind.COMPONENT
        and each.spec.source != "file"
        and (each.spec.kind, each.spec.name) not in named
    ]


def used(config: Config, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the configuration's files use now, as far as they are set."""
    names: set[str] = set()
    for path in [config.path, *matching(config.patterns, config.path)]:
        try:
            names.update(_VARIABLE.findall(path.read_text(encoding="utf-8", errors="replace")))
        except OSError:
            continue
    return {name: environ[name] for name in sorted(names) if environ.get(name)}


def _apart(specs: Iterable[MonitorSpec]) -> Iterator[MonitorSpec]:
    """Return monitors whose names and slugs are told apart, as the file wants them."""
    taken: set[str] = set()
    for each in specs:
        name, number = each.name, 1
        while slug(name) in taken:
            number += 1
            name = f"{each.name} ({number})"
        taken.add(slug(name))
        yield each if name == each.name else replace(each, name=name, title=each.title or each.name)


def _head(variables: Mapping[str, str], plain: bool) -> list[str]:
    lines = ["# Exported by `healthkit-checker export`: all that is configured, whoever said it."]
    if plain:
        lines.append("# It holds every secret as it is: keep it where nobody else reads it.")
    if variables:
        lines.append("# To fill in, as variables of the environment:")
        lines += [line for name in variables for line in comment(f"  {name}")]
    return lines
