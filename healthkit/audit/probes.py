"""Reads what a registered check and an engine are about; never an address with a password in it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from healthkit.audit.facts import Registered

_READERS = re.compile(r"replica|read[_-]?only|\breader\b|standby", re.IGNORECASE)


def describe(check: Any, file: str, line: int) -> Registered:
    """Return the plain facts of a registered check."""
    probe = check.run
    engine = getattr(probe, "_engine", None)
    queue = getattr(probe, "queue", "")
    return Registered(
        key=check.key,
        kind=type(probe).__name__.removeprefix("Async"),
        module=type(probe).__module__,
        file=file,
        line=line,
        timeout=float(check.timeout),
        tags=tuple(sorted(check.tags)),
        component_type=check.component_type or "",
        queue=queue if isinstance(queue, str) else "",
        database=database_of(engine) if engine is not None else "",
        hosts=tuple(sorted(_hosts(probe))),
    )


def _hosts(probe: Any) -> set[str]:
    """Return the hosts named in a probe's own fields, those of its parts included."""
    fields = list(getattr(probe, "__dict__", {}).values())
    for part in [*fields]:
        fields.extend(getattr(part, "__dict__", {}).values())
    texts = [str(value) for value in fields if isinstance(value, str)]
    found = {urlsplit(text).hostname for text in texts if text.startswith(("http://", "https://"))}
    named = getattr(probe, "host", None) or getattr(probe, "_host", None)
    return {host for host in found if host} | ({named} if isinstance(named, str) else set())


def database_of(engine: Any) -> str:
    """Return what tells one database from another: kind, host, port and name."""
    url = getattr(engine, "url", None)
    if url is None:
        return ""
    return f"{url.get_backend_name()}:{url.host or ''}:{url.port or ''}:{url.database or ''}"


def label_of(engine: Any) -> str:
    """Return how to call a database in a sentence."""
    name = (engine.url.database or "").replace("\\", "/").rpartition("/")[2]
    return f"{engine.dialect.name} {name}".strip()


def means_to_read(engine: Any) -> bool:
    """Whether an engine is there to read only, by its options or its host's name."""
    options = engine.get_execution_options()
    if options.get("postgresql_readonly"):
        return True
    return bool(_READERS.search(f"{engine.url.host or ''} {engine.url.database or ''}"))
