"""Stores with the schema in them: made once, and copied for each test that wants one."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from checker.store import Store


@cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="healthkit-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    store = Store(f"sqlite:///{folder / 'checker.db'}")
    store.migrate()
    store.close()
    return folder / "checker.db"


def prepare(path: Path) -> str:
    """Make an SQLite database with the schema at a path, and return its URL."""
    shutil.copyfile(_template(), path)
    return f"sqlite:///{path}"


def prepared(path: Path) -> Store:
    """Return a store on a new SQLite database at a path."""
    return Store(prepare(path))
