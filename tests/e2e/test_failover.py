"""The database fails over to its standby under checkers at work: they find it by themselves."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from examples.servers import PostgresServer, PostgresStandby
from tests.e2e.outages import site
from tests.pgbouncer import PgBouncer


def keep_on_both(primary: PostgresServer) -> None:
    """Let every commit wait for the standby from now on."""
    plain = make_url(primary.url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        connection.execute("SELECT pg_reload_conf()")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["killed", "hanging"])
def test_the_standby_takes_over(tmp_path: Path, how: str) -> None:
    with PostgresServer() as primary, PostgresStandby(primary) as standby:
        keep_on_both(primary)
        hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
        url = f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write"
        with site(tmp_path, url) as found:
            primary.kill() if how == "killed" else primary.pause()
            found.is_refusing()
            standby.promote()
            found.works()
            found.still_tells()
        found.lost_nothing(standby.url)


@pytest.mark.pooler
@pytest.mark.timeout(300)
def test_behind_pgbouncer_the_standby_of_a_hanging_database_takes_over(tmp_path: Path) -> None:
    with PostgresServer() as primary, PostgresStandby(primary) as standby, PgBouncer(primary) as pooler:
        keep_on_both(primary)
        with site(tmp_path, pooler.url) as found:
            primary.pause()
            found.is_refusing()
            standby.promote()
            pooler.follow(standby)
            found.works()
            found.still_tells()
        found.lost_nothing(standby.url)
