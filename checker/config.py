"""`checker.toml` to specifications; every problem names file, line, key and the nearest known key.

`${NAME}` in any text is a variable of the environment, `${NAME:-default}` one that may be missing, `$$` a
dollar.
Beside the file, `conf.d/*.toml` is read, and what `include` names; all of them count as one.
A relative SQLite path is relative to the folder of the file, wherever the checker is started from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from checker import config_alerting, config_checks, config_files
from checker.config_endpoint import endpoint
from checker.config_heartbeat import heartbeat
from checker.config_section import Section, nearest
from checker.config_source import ConfigError, Place, Source
from checker.config_values import url, wrong_url
from checker.maintenance import MaintenanceSpec
from checker.model import ChannelSpec, MonitorSpec
from checker.routes import EscalationSpec, RouteSpec
from checker.rules.storms import LEAST

__all__ = ["Config", "ConfigError", "ServerConfig", "load", "parse"]

T = TypeVar("T")
TABLES = ("server", "endpoint", "heartbeat", "channel", "maintenance", "route", "escalation")
LOG_LEVELS = ("debug", "info", "warning", "error")
_DATABASE = re.compile(r"(sqlite|postgresql|postgres)(?:\+[a-z0-9_]+)?://")
_PING_KEY = re.compile(r"[-A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """`[server]`. An empty `admin_token` or `ping_key` means that there is none."""

    host: str = "127.0.0.1"
    port: int = 8765
    public_url: str = ""
    database: str = field(default="sqlite:///checker.db", repr=False)
    admin_token: str = field(default="", repr=False)
    read_only_token: str = field(default="", repr=False)  # for reading the API and the dashboard alone
    ping_key: str = field(default="", repr=False)
    open_slugs: bool = False  # whether `/api/ping/<slug>` needs no key
    log_level: str = "info"
    remind_every: float | None = None  # seconds between reminders of an open incident
    reachability: tuple[str, ...] = ()  # URLs that answer whenever our own network is there
    storm: int = LEAST  # incidents within ten seconds that are told as one
    prove_every: float | None = None  # seconds after which a drill's proof of a monitor is too old
    dead_mans_url: str = field(default="", repr=False)  # pinged while all is well; a token may stand in it
    dead_mans_every: float = 60.0  # seconds
    announce_endpoints: int = 100  # endpoints that may announce themselves with the ping key
    announce_private: bool = False  # whether theirs may be private addresses


@dataclass(frozen=True, slots=True)
class Config:
    """A whole `checker.toml`; `warnings` are doubts that do not keep it from being used."""

    path: Path
    server: ServerConfig
    monitors: tuple[MonitorSpec, ...] = ()
    channels: tuple[ChannelSpec, ...] = ()
    maintenance: tuple[MaintenanceSpec, ...] = ()
    warnings: tuple[str, ...] = ()
    routes: tuple[RouteSpec, ...] = ()
    escalations: tuple[EscalationSpec, ...] = ()
    patterns: tuple[str, ...] = ()  # where more files were looked for, as full paths


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Read a configuration; raises `ConfigError` with every problem found, not only the first."""
    source, patterns = config_files.gather(path, environ)
    return _meant(source, path, patterns)


def parse(text: str, path: Path, environ: Mapping[str, str]) -> Config:
    """Return what one file's text means; `path` is for messages, and where relative paths begin."""
    return _meant(Source([config_files.part(text, path)], environ), path, ())


def _meant(source: Source, path: Path, patterns: tuple[str, ...]) -> Config:
    _known_tables(source)
    server = _server(source, path)
    channels = _all(source, "channel", lambda section: config_alerting.channel(section, _kinds()))
    endpoints = _all(source, "endpoint", endpoint)
    heartbeats = _all(source, "heartbeat", heartbeat)
    windows = _all(source, "maintenance", config_alerting.maintenance)
    routes = _all(source, "route", config_alerting.route)
    escalations = _all(source, "escalation", config_alerting.escalation)
    tells = [("route", routes), ("escalation", [each.route for each in escalations])]
    for table, found in tells:
        config_checks.check_routes(source, table, found, {channel.name for channel in channels})
    config_checks.check(source, endpoints, heartbeats, channels, windows)
    config_checks.doubt(source, server.host, server.admin_token, server.ping_key, heartbeats, channels)
    if source.problems:
        raise ConfigError(_in_order(source.problems))
    return Config(
        path,
        server,
        (*endpoints, *heartbeats),
        tuple(channels),
        tuple(windows),
        _in_order(source.warnings),
        tuple(routes),
        tuple(escalations),
        patterns,
    )


def _in_order(found: list[tuple[Place, str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for _, text in sorted(found, key=lambda each: each[0])))


def _known_tables(source: Source) -> None:
    servers = [number for number, part in enumerate(source.parts) if "server" in part.tables]
    for number in servers[1:]:
        first = source.where(("server",), ())
        where = (
            first if first.startswith(source.parts[servers[0]].name) else f"{source.parts[0].name}, {first}"
        )
        source.problem(("server",), f"[server] stands in {where} already; keep one", number)
    for number, part in enumerate(source.parts):
        for name in part.tables:
            if name == "include" and number:
                source.problem((name,), f'"include" belongs into {source.parts[0].name}', number)
            elif name not in (*TABLES, "include"):
                known = TABLES if number else (*TABLES, "include")
                what = "table" if _is_table(part.tables[name]) else "key"
                source.problem((name,), f'unknown {what} "{name}"{nearest(name, known)}', number)


def _kinds() -> Mapping[str, Any]:
    from checker.channels import KINDS  # with its libraries, and only where there is a channel

    return KINDS


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and all(isinstance(each, dict) for each in value)
    )


def _all(source: Source, kind: str, read: Callable[[Section], T]) -> list[T]:
    """Return what all `[[kind]]` tables mean, in the order of the files."""
    tables: list[Mapping[str, Any]] = []
    for number, part in enumerate(source.parts):
        found = part.tables.get(kind, [])
        if not isinstance(found, list) or not all(isinstance(table, dict) for table in found):
            text = f"[{kind}] must be written [[{kind}]], in double brackets: there may be many"
            source.problem((kind,), text, number)
            return []
        tables += found
    return [read(_section(source, kind, index, table)) for index, table in enumerate(tables)]


def _section(source: Source, kind: str, index: int, table: Mapping[str, Any]) -> Section:
    name = table.get("name")
    known = isinstance(name, str) and name.strip() and name.isprintable()
    label = f'{kind} "{name}"' if known else f"{kind} #{index + 1}"
    return Section(source, (kind, index), label, table)


def _server(source: Source, path: Path) -> ServerConfig:
    table: Any = next((part.tables["server"] for part in source.parts if "server" in part.tables), {})
    if not isinstance(table, dict):
        source.problem(("server",), "[server] must be one table, in single brackets")
        table = {}
    section = Section(source, ("server",), "server", table)
    host, port = _listen(section)
    server = ServerConfig(
        host=host,
        port=port,
        public_url=url(section, "public_url", required=False).rstrip("/"),
        database=_database(section, path),
        admin_token=section.text("admin_token").strip(),
        read_only_token=section.text("read_only_token").strip(),
        ping_key=_ping_key(section),
        open_slugs=section.flag("open_slugs", False),
        log_level=section.text("log_level", "info").lower(),
        remind_every=section.duration("remind_every", None, least=60.0),
        reachability=_references(section),
        storm=section.number("storm", LEAST, least=3, most=100_000),
        prove_every=section.duration("prove_every", None, least=3600.0),
        dead_mans_url=url(section, "dead_mans_url", required=False),
        announce_endpoints=section.number("announce_endpoints", 100, least=0, most=100_000),
        announce_private=section.flag("announce_private", False),
        dead_mans_every=section.duration("dead_mans_every", 60.0, least=1.0, most=86_400.0),
    )
    if server.log_level not in LOG_LEVELS:
        section.problem("log_level", f'"log_level" must be one of {", ".join(LOG_LEVELS)}')
    if server.read_only_token and server.read_only_token == server.admin_token:
        section.problem("read_only_token", '"read_only_token" must not be the same as "admin_token"')
    section.close()
    return server


def _references(section: Section) -> tuple[str, ...]:
    found = section.names("reachability") or ()
    for value in found:
        if wrong_url(value):
            section.problem("reachability", '"reachability" must be a list of http or https URLs')
    return found


def _listen(section: Section) -> tuple[str, int]:
    value = section.text("listen", "127.0.0.1:8765").strip()
    host, _, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        section.problem(
            "listen", '"listen" must be a host and a port, such as "127.0.0.1:8765" or "[::1]:8765"'
        )
        return "127.0.0.1", 8765
    return host, int(port)


def _database(section: Section, path: Path) -> str:
    """Return the URL with a relative SQLite path made absolute: beside the configuration."""
    value = section.text("database", "sqlite:///checker.db").strip()
    match = _DATABASE.match(value)
    if match is None:
        section.problem(
            "database", '"database" must be like "sqlite:///checker.db" or "postgresql://user@host/name"'
        )
        return value
    if match[1] != "sqlite":
        return value
    file, mark, query = value[match.end() :].removeprefix("/").partition("?")
    if not value.startswith("/", match.end()) or file in ("", ":memory:"):
        section.problem(
            "database", '"database" names no file: write "sqlite:///checker.db", in three slashes'
        )
        return value
    return f"{match[0]}/{(path.parent / file).absolute()}{mark}{query}"


def _ping_key(section: Section) -> str:
    key = section.text("ping_key").strip()
    if key and not _PING_KEY.fullmatch(key):
        section.problem("ping_key", '"ping_key" stands in URLs: use letters, digits, "-" and "_" only')
    return key
