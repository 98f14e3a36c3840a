"""What only the whole configuration shows: names given twice, names of nothing, circles, doubts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from checker.config_section import nearest
from checker.config_source import Source
from checker.config_values import is_local
from checker.maintenance import MaintenanceSpec, covers
from checker.model import ChannelSpec, Kind, MonitorSpec
from checker.routes import RouteSpec
from checker.toml_lines import KeyPath

SHORT_KEY = 16  # characters; a key that is guessed lets anyone sign for a dead job


def check(
    source: Source,
    endpoints: Sequence[MonitorSpec],
    heartbeats: Sequence[MonitorSpec],
    channels: Sequence[ChannelSpec],
    windows: Sequence[MaintenanceSpec],
) -> None:
    """Write down every problem between the parts."""
    monitors = [*_placed("endpoint", endpoints), *_placed("heartbeat", heartbeats)]
    _once(source, "name", ((path, spec.name) for path, spec in monitors))
    names = Counter(spec.name for _, spec in monitors)
    _once(source, "slug", ((path, spec.slug) for path, spec in monitors if names[spec.name] == 1))
    _once_token(source, [*_placed("heartbeat", heartbeats)])
    _once(source, "name", ((("channel", index), each.name) for index, each in enumerate(channels)))
    _once(source, "name", ((("maintenance", index), each.name) for index, each in enumerate(windows)))
    by_name = {spec.name: spec for _, spec in monitors if spec.name}
    for path, spec in monitors:
        _check_channels(source, path, spec, {channel.name for channel in channels})
        _check_dependencies(source, path, spec, by_name)
    _check_circles(source, monitors)
    for index, window in enumerate(windows):
        _doubt_window(source, ("maintenance", index), window, by_name)


def doubt(
    source: Source,
    host: str,
    admin_token: str,
    ping_key: str,
    heartbeats: Sequence[MonitorSpec],
    channels: Sequence[ChannelSpec],
) -> None:
    """Write down what is doubtful about the whole."""
    if not admin_token:
        text = "anyone on this machine may read the API, and nobody may change anything"
        if not is_local(host):
            text = f"the dashboard and the API refuse everybody, as {host} is open to others"
        source.warn(("server", "admin_token"), f'server: "admin_token" is not set: {text}')
    if heartbeats and not ping_key:
        source.warn(
            ("server", "ping_key"),
            'server: "ping_key" is not set: heartbeats answer at the uuid the dashboard shows, not by name',
        )
    for key, value in (("admin_token", admin_token), ("ping_key", ping_key)):
        if value and len(value) < SHORT_KEY:
            source.warn(
                ("server", key), f'server: "{key}" is short enough to guess; use {SHORT_KEY} characters'
            )
    if not channels:
        source.warn((), "there is no [[channel]]: nobody is told when something breaks")


def _placed(table: str, specs: Sequence[MonitorSpec]) -> Iterator[tuple[KeyPath, MonitorSpec]]:
    for index, spec in enumerate(specs):
        yield (table, index), spec


def _label(path: KeyPath, name: str) -> str:
    return f'{path[0]} "{name}"'


def _once(source: Source, what: str, found: Iterable[tuple[KeyPath, str]]) -> None:
    first: dict[str, KeyPath] = {}
    for path, value in found:
        if value and value in first:
            where = source.where(first[value], path)
            text = f'the {what} "{value}" is taken already, in {where}; choose another name'
            source.problem((*path, "name"), f"{path[0]} #{int(path[1]) + 1}: {text}")
        first.setdefault(value, path)


def _once_token(source: Source, heartbeats: Sequence[tuple[KeyPath, MonitorSpec]]) -> None:
    """Write down each token that two heartbeats have; it is a secret and stands in no message."""
    first: dict[str, tuple[KeyPath, str]] = {}
    for path, spec in heartbeats:
        token = spec.token or spec.push_token
        if token and token in first:
            there, name = first[token]
            where = source.where((*there, "token"), path)
            text = f'its "token" is that of "{name}" too, in {where}: a ping would not tell whose it is'
            source.problem((*path, "token"), f"{_label(path, spec.name)}: {text}")
        first.setdefault(token, (path, spec.name))


def _check_channels(source: Source, path: KeyPath, spec: MonitorSpec, known: set[str]) -> None:
    told = [((*path, "channels"), spec.channels)]
    told += [
        ((*path, "components", each.pattern, "channels"), each.channels) for each in spec.probe.components
    ]
    for place, names in told:
        for name in names or ():
            if name not in known:
                said = nearest(name, known) or "; there is no [[channel]]"
                source.problem(place, f'{_label(path, spec.name)}: unknown channel "{name}"{said}')


def check_routes(source: Source, table: str, routes: Sequence[RouteSpec], known: set[str]) -> None:
    """Write down each channel that a route names and nobody configured."""
    for index, route in enumerate(routes):
        for name in route.channels:
            if name not in known:
                said = nearest(name, known) or "; there is no [[channel]]"
                path = (table, index, "channels")
                source.problem(path, f'{table} #{index + 1}: unknown channel "{name}"{said}')


def _check_dependencies(
    source: Source, path: KeyPath, spec: MonitorSpec, known: Mapping[str, MonitorSpec]
) -> None:
    for name in spec.depends_on:
        base, slash, component = name.partition("/")
        target = known.get(base)
        if target is None:
            text = f'"depends_on" names the unknown monitor "{base}"{nearest(base, known)}'
        elif slash and target.kind is not Kind.ENDPOINT:
            text = f'"depends_on" names "{name}", but "{base}" is no endpoint and has no components'
        elif slash and not component:
            text = f'"depends_on" names "{name}": write "{base}", or "{base}/name:measurement"'
        elif base == spec.name:
            text = f'"depends_on" names "{name}": a monitor cannot depend on itself'
        else:
            continue
        source.problem((*path, "depends_on"), f"{_label(path, spec.name)}: {text}")


def _check_circles(source: Source, monitors: Sequence[tuple[KeyPath, MonitorSpec]]) -> None:
    """Write down each circle once, at its first monitor."""
    needs = {
        spec.name: {each.partition("/")[0] for each in spec.depends_on} - {spec.name} for _, spec in monitors
    }
    told: set[str] = set()
    for path, spec in monitors:
        circle = [] if spec.name in told else _circle(spec.name, needs)
        if circle:
            told.update(circle)
            shown = " -> ".join([*circle, spec.name])
            source.problem(
                (*path, "depends_on"), f'{_label(path, spec.name)}: "depends_on" goes in a circle: {shown}'
            )


def _circle(start: str, needs: Mapping[str, set[str]]) -> list[str]:
    """Return a way from a monitor back to itself, or nothing."""
    came_from: dict[str, str] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        for each in sorted(needs.get(name, ())):
            if each == start:
                way = [name]
                while way[-1] != start:
                    way.append(came_from[way[-1]])
                return way[::-1]
            if each not in came_from:
                came_from[each] = name
                waiting.append(each)
    return []


def _doubt_window(
    source: Source, path: KeyPath, window: MaintenanceSpec, known: Mapping[str, MonitorSpec]
) -> None:
    for pattern in window.monitors:
        one = MaintenanceSpec(window.name, window.schedule, window.duration, (pattern,))
        base = pattern.partition("/")[0]
        if not any(covers(one, name) for name in known) and base not in known:
            source.warn(
                (*path, "monitors"),
                f'{_label(path, window.name)}: "{pattern}" covers no monitor of this file',
            )
