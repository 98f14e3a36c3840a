"""`python -m healthkit.audit.inside TARGET OUT`: builds the app, looks at it, and writes what it saw to OUT.

A process of its own, so that an import that hangs or ends the process hurts nobody.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from healthkit.audit import listing, loading, trials
from healthkit.audit.asking import asker
from healthkit.audit.facts import Facts, dump
from healthkit.audit.watching import Watch

PATIENCE = 5.0  # seconds for one route


def look(target: str) -> Facts:
    """Build the app and return what was seen. Raises `NotLoadable`."""
    watch = Watch()
    watch.install()
    module, app = loading.load(target)
    with contextlib.suppress(Exception):
        _make_lazy_engines(app)
    kind = listing.kind_of(app)
    mounts, routes = listing.in_front(app), listing.routes(app, kind)
    ask = asker(app, kind, PATIENCE)
    paths = trials.candidates(routes, mounts)
    if routes is None and trials.answers_everything(ask):
        paths = []
    tried = trials.run(ask, paths, watch)
    return Facts(
        kind=kind,
        module_file=module.__file__ or "",
        import_root=loading.import_root(module),
        files=loading.own_files(),
        engines=watch.found_engines(),
        written=tuple(sorted(watch.written)),
        checks=watch.found_checks(),
        routes=(*mounts, *(routes or ())),
        trials=tried,
        queues=tuple(watch.queues),
        background=watch.background,
    )


def _make_lazy_engines(app: Any) -> None:
    """Let Flask-SQLAlchemy make the engines that it makes at first use."""
    extension = app.extensions["sqlalchemy"]
    with app.app_context():
        for engine in extension.engines.values():
            engine.url  # noqa: B018 - looked at, so that it is there


def main(target: str, out: str) -> int:
    """Write the facts, or why there are none; return the exit code."""
    sys.path.insert(0, str(Path.cwd()))
    logging.raiseExceptions = False
    warnings.simplefilter("ignore")
    try:
        seen: dict[str, Any] = dump(look(target))
    except loading.NotLoadable as error:
        seen = {"error": str(error)}
    Path(out).write_text(json.dumps(seen), encoding="utf-8")
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1], sys.argv[2])
    sys.stdout.flush()
    os._exit(code)  # threads that the app started, or a route that hangs, keep nobody waiting
