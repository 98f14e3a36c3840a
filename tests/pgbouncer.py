"""A real PgBouncer in transaction mode before a PostgreSQL of the tests; `.ci/run` installs the binary."""

from __future__ import annotations

import os
import shutil
import signal
import socket

from examples.servers import PostgresServer, Server, ServerError, signal_if_alive

SETTINGS = """
[databases]
* = host=127.0.0.1 port={behind} user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
server_connect_timeout = 2
server_login_retry = 1
"""


class PgBouncer(Server):
    """`size` sessions for all clients of a database; `.url` is what clients connect to."""

    title = "PgBouncer"

    def __init__(self, server: PostgresServer, *, size: int = 3) -> None:
        super().__init__()
        self.server = server
        self.size = size
        self._user = server._user
        found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if found is None:
            raise ServerError("no pgbouncer on PATH; install it (Debian: apt install pgbouncer)")
        self._binary = found

    @property
    def url(self) -> str:
        """Where clients connect."""
        return self.server.url.replace(f":{self.server.port}/", f":{self.port}/")

    def follow(self, server: PostgresServer) -> None:
        """Send clients to another server from now on, as is done after a failover."""
        self.server = server
        self._command()
        signal_if_alive(self.pid, signal.SIGHUP)

    def _command(self) -> list[str]:
        path = self.folder / "pgbouncer.ini"
        path.write_text(SETTINGS.format(behind=self.server.port, port=self.port, size=self.size))
        path.chmod(0o644)
        return [self._binary, str(path)]

    def _ready(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True

    def _prepare(self) -> None:
        """Nothing to fill."""
