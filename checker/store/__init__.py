"""The store: tables, queries and migrations; SQLite and PostgreSQL behind one `Store`."""

from __future__ import annotations

from checker.store.engine import Store
from checker.store.errors import StoreError, StoreUnavailable

__all__ = ["Store", "StoreError", "StoreUnavailable"]
