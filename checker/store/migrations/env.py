"""Alembic's entry point: runs on the connection, in the transaction, that `checker.store.schema` gives it."""

from __future__ import annotations

from alembic import context

from checker.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
