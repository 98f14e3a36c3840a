"""A real RabbitMQ for the tests, from the system's packages: no wheel brings one.

It needs no root: an ordinary user starts it on free ports with its data, its logs and its cookie in a
temporary folder, without plugins and without Erlang's port mapper (epmd), and it ends with the process that
started it.
"""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

from examples.servers import NOBODY, Server, ServerError, free_port

PACKAGED = Path("/usr/lib/rabbitmq/lib")  # Debian's script on PATH is for root and one user alone
OFF_PATH = ("/usr/local/sbin", "/opt/homebrew/sbin")

SETTINGS = """
listeners.tcp.1 = 127.0.0.1:{port}
default_user = healthkit
default_pass = {password}
disk_free_limit.absolute = 1MB
log.file = false
log.console = true
log.console.level = info
"""


class RabbitMQServer(Server):
    """A real RabbitMQ; `.url` is `amqp://healthkit:healthkit@127.0.0.1:PORT//`, the virtual host `/`."""

    title = "RabbitMQ"
    start_timeout = 100.0  # it computes for some seconds, which are many on a loaded machine
    stop_signal = signal.SIGKILL  # the data is removed anyway

    def __init__(self, *, port: int | None = None) -> None:
        super().__init__(port=port, password="healthkit")
        self._user = NOBODY if getattr(os, "geteuid", lambda: 1)() == 0 else None
        self._script = rabbitmq_script()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"amqp://healthkit:{self.password}@127.0.0.1:{self.port}//"

    def _command(self) -> list[str]:
        path = self.folder / "rabbitmq.conf"
        path.touch(mode=0o600)
        path.write_text(SETTINGS.format(port=self.port, password=self.password))
        if self._user is not None:
            os.chown(path, self._user, self._user)
        given = [f"{name}={value}" for name, value in self._environment().items()]
        return [shutil.which("env") or "/usr/bin/env", *given, str(self._script)]

    def _environment(self) -> dict[str, object]:
        between = free_port()  # nodes would talk to each other here; ours listens on this machine alone
        return {
            "HOME": self.folder,
            "RABBITMQ_ALLOW_INPUT": 1,  # no shell stays around it, so that its process is ours to end
            "RABBITMQ_SERVER_START_ARGS": "-noinput",
            "RABBITMQ_NODENAME": f"healthkit{self.port}@localhost",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": self.folder / "rabbitmq.conf",
            "RABBITMQ_MNESIA_BASE": self.folder / "data",
            "RABBITMQ_LOG_BASE": self.folder / "log",
            "RABBITMQ_ENABLED_PLUGINS_FILE": self.folder / "enabled_plugins",
            "RABBITMQ_GENERATED_CONFIG_DIR": self.folder / "config",
            "RABBITMQ_DIST_PORT": between,
            "ERL_EPMD_PORT": between,
            "ERL_CRASH_DUMP": "/dev/null",
            "ERL_AFLAGS": f"-start_epmd false -erl_epmd_port {between} "
            "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +S 1:1",
        }

    def _ready(self) -> bool:
        return "Server startup complete" in self.log


def rabbitmq_script() -> Path:
    """Return the path of RabbitMQ's start script, or raise `ServerError`."""
    packaged = sorted(PACKAGED.glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *OFF_PATH])
    if found := (packaged[-1] if packaged else shutil.which("rabbitmq-server", path=path)):
        return Path(found)
    raise ServerError(
        "no RabbitMQ to run: rabbitmq-server is not on PATH, and no wheel brings one; install it (Debian: "
        "rabbitmq-server)"
    )
