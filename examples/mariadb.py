"""A real MariaDB for the tests, from the system's packages: no wheel brings one.

It needs no root: an ordinary user starts it on a free port with its data in a temporary folder, and it ends
with the process that started it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from examples.servers import NOBODY, Server, ServerError

OFF_PATH = ("/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/opt/homebrew/bin")  # not on every user's PATH


class MariaDBServer(Server):
    """A real MariaDB; `.url` is `mysql+pymysql://healthkit:...@127.0.0.1:PORT/healthkit`.

    `settings` go to its command line, e.g. `{"max-connections": "20"}`. The user may do everything, the
    server's own `root` has no password and is reached over the socket alone.
    """

    title = "MariaDB"

    def __init__(
        self,
        *,
        port: int | None = None,
        password: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(port=port, password=password or "healthkit")
        self.settings = dict(settings or {})
        self._user = NOBODY if getattr(os, "geteuid", lambda: 1)() == 0 else None
        self._binary = mariadb_binary("mariadbd")

    @property
    def url(self) -> str:
        """Where clients connect: the database `healthkit`."""
        return self.url_for("healthkit")

    def url_for(self, database: str, driver: str = "pymysql") -> str:
        """Return the SQLAlchemy URL of a database, for the given driver."""
        secret = quote(self.password or "", safe="")
        return f"mysql+{driver}://healthkit:{secret}@127.0.0.1:{self.port}/{database}?charset=utf8mb4"

    def _prepare(self) -> None:
        command = [
            str(mariadb_binary("mariadb-install-db")),
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
        ]
        command += ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-log-bin"]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=self.folder, **self._as_user()
        )
        if done.returncode:
            raise ServerError(f"mariadb-install-db failed:\n{(done.stderr or done.stdout).strip()[-2000:]}")
        secret = native_hash(self.password or "")
        start = self.folder / "start.sql"
        start.touch(mode=0o600)
        start.write_text(
            "CREATE DATABASE IF NOT EXISTS healthkit;\n"
            f"CREATE USER IF NOT EXISTS healthkit@'%' IDENTIFIED BY PASSWORD '{secret}';\n"
            "GRANT ALL ON *.* TO healthkit@'%' WITH GRANT OPTION;\n"
        )
        if self._user is not None:
            os.chown(start, self._user, self._user)

    def _command(self) -> list[str]:
        settings = {
            "datadir": self.folder / "data",
            "port": self.port,
            "bind-address": "127.0.0.1",
            "socket": self.folder / "mariadb.sock",
            "pid-file": self.folder / "mariadb.pid",
            "init-file": self.folder / "start.sql",
            "innodb-flush-log-at-trx-commit": 0,
            "innodb-buffer-pool-size": "16M",
            "innodb-log-file-size": "4M",
            **self.settings,
        }
        given = [f"--{key}={value}" for key, value in settings.items()]
        return [str(self._binary), "--no-defaults", "--skip-name-resolve", *given]

    def _ready(self) -> bool:
        """Tell whether our own server greets: the pid file is its process's, its first packet comes."""
        if (self.folder / "mariadb.pid").read_text().strip() != str(self.pid):
            return False
        with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            return len(connection.recv(5)) == 5


def native_hash(password: str) -> str:
    """Return a password as MariaDB keeps it (mysql_native_password); Python's drivers send it in latin-1."""
    once = hashlib.sha1(password.encode("latin-1"), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(once, usedforsecurity=False).hexdigest().upper()


def mariadb_binary(name: str) -> Path:
    """Return the path of one of MariaDB's programs, or raise `ServerError`."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *OFF_PATH])
    if found := shutil.which(name, path=path):
        return Path(found).resolve()
    raise ServerError(
        f"no MariaDB to run: {name} is not on PATH, and no wheel brings one; install it (Debian: "
        'mariadb-server), or leave its tests out: pytest -m "not mysql"'
    )
