"""`MigrationsCurrent`: the database has every migration that this code was written for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from healthkit.checks.sql_link import AnyEngine
from healthkit.checks.sql_probe import RENEW, AsyncCall, SQLProbe
from healthkit.checks.sql_reasons import is_missing_table
from healthkit.durations import Duration
from healthkit.errors import ConfigurationError, Fail
from healthkit.model import Result
from healthkit.status import Status

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

SHOWN = 5  # missing migrations that are named


@dataclass(frozen=True, slots=True)
class Migrations:
    """The migrations in the code, newest first: revision to what it stands on, and to its title."""

    below: dict[str, tuple[str, ...]]
    titles: dict[str, str]

    def missing(self, applied: Iterable[str]) -> list[str]:
        """Return what is not applied, oldest first, when `applied` and all below it are."""
        there, waiting = set[str](), [one for one in applied if one in self.below]
        while waiting:
            revision = waiting.pop()
            if revision not in there:
                there.add(revision)
                waiting += self.below[revision]
        return [revision for revision in reversed(self.below) if revision not in there]


class MigrationsCurrent(SQLProbe):
    """Proves that the database has every Alembic migration in the code, on all branches.

    `migrations` is the folder of the scripts (`script_location`), an `alembic.ini`, or Alembic's `Config`.
    `engine` is as for `DatabaseWrite`. Fails with the names of what is missing; a database with revisions
    that this code does not know (it was migrated for a newer release) is a warning. The value is the
    revision of the database. The scripts are read at the first run.
    """

    measurement = "migrations"

    def __init__(
        self, engine: AnyEngine, migrations: Any, *, name: str = "database",
        version_table: str = "alembic_version", timeout: Duration = 5.0, renew_every: Duration = RENEW,
    ) -> None:  # fmt: skip
        self.name = name
        self._scripts = _scripts(migrations)
        self._known: Migrations | None = None
        schema, _, bare = version_table.rpartition(".")
        table = sa.table(bare, sa.column("version_num"), schema=schema or None)
        self._query, self._table = sa.select(table.c.version_num), version_table
        self._connect_to(engine, timeout, renew_every)

    def run(self) -> Any:
        """Compare once; raises `Fail` naming what is missing."""
        if self._known is None:
            self._known = read(self._scripts)
        return super().run()

    def work(self, connection: sa.Connection) -> Result:
        """Read the database's revisions and compare them with the code's."""
        return self._judge(set(connection.execute(self._query).scalars()))

    def _attempt(self, *, retry: bool) -> Result:
        try:
            return super()._attempt(retry=retry)
        except sa.exc.SQLAlchemyError as error:
            if not is_missing_table(error) or self._link.was_cut:
                raise
        raise Fail(f"not migrated: the table {self._table} does not exist", **self.details())

    def _judge(self, applied: Collection[str]) -> Result:
        known = self._known
        assert known is not None  # read at the start of the run
        value = ", ".join(sorted(applied)) or None
        if missing := known.missing(applied):
            named = ", ".join(f"{one} ({known.titles[one]})" for one in missing[:SHOWN])
            more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
            plural = "migration is" if len(missing) == 1 else "migrations are"
            reason = f"not migrated: {len(missing)} {plural} missing: {named}{more}"
            return Result(value, None, Status.FAIL, reason, details=self.details())
        if strange := sorted(set(applied) - set(known.below)):
            reason = f"ahead: the database has {', '.join(strange[:SHOWN])}, which this code does not know"
            return Result(value, None, Status.WARN, reason, details=self.details())
        return Result(value, details=self.details())


class AsyncMigrationsCurrent(AsyncCall, MigrationsCurrent):
    """`MigrationsCurrent` on an async engine; made by calling `MigrationsCurrent`."""


MigrationsCurrent._asynchronous = AsyncMigrationsCurrent


def read(scripts: ScriptDirectory) -> Migrations:
    """Return the migrations of a folder of scripts; raises `Fail` when Alembic cannot read them."""
    from alembic.script.revision import RevisionError
    from alembic.util import CommandError

    try:
        revisions = list(scripts.walk_revisions())
        # what it stands on: `down_revision`, and `depends_on` with labels resolved
        below = {one.revision: tuple(sorted(one._all_down_revisions)) for one in revisions}
        titles = {one.revision: (one.doc or "no title").strip() for one in revisions}
        return Migrations(below, titles)
    except (CommandError, RevisionError, SyntaxError, KeyError) as error:
        raise Fail(f"the migration scripts cannot be read ({type(error).__name__})") from None


def _scripts(migrations: Any) -> ScriptDirectory:
    try:
        from alembic.config import Config
        from alembic.script import ScriptDirectory
        from alembic.util import CommandError
    except ImportError:
        raise ConfigurationError(
            "MigrationsCurrent: Alembic is not installed; it reads the migrations: pip install alembic"
        ) from None
    try:
        if isinstance(migrations, Config):
            return ScriptDirectory.from_config(migrations)
        path = Path(migrations)
        if path.is_file():
            return ScriptDirectory.from_config(Config(path))
        return ScriptDirectory(path)
    except (CommandError, TypeError, OSError):
        raise ConfigurationError(
            f"MigrationsCurrent migrations: {str(migrations)[:200]!r} is neither a folder of Alembic's "
            "scripts nor an alembic.ini that names one; pass the script_location"
        ) from None
