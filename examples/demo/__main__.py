"""`python -m examples.demo`: start everything, say what to try, print each alert as it is sent, end all."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from examples.demo import control, faults
from examples.demo.console import Console
from examples.demo.programs import Programs
from examples.servers import PostgresServer, RedisServer, ServerError, free_port

QUEUE = "default"
QUEUE_LIMIT = 200
PATIENCE = 60.0


class DemoError(Exception):
    """The demo could not start; says what, and what was printed."""


class Demo:
    """Everything that runs, and where."""

    def __init__(
        self, folder: Path, redis_url: str, database_url: str, console: Console, also: str | None
    ) -> None:
        self.folder, self.console, self.also = folder, console, also
        ports = {name: free_port() for name in ("shop", "catalog", "payments", "checker")}
        self.ports, self.urls = ports, {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        self.redis_url, self.database_url = redis_url, database_url
        self.ping_key = secrets.token_hex(11)
        self.terminal = control.webhook(lambda message: console.alert(message, self.homepage()))
        self.programs = Programs(folder, self.environment())
        self.control = control.Control(
            self.faults(), lambda text: console.say(f"{time.strftime('%H:%M:%S')}  {text}")
        )

    def environment(self) -> dict[str, str]:
        """What the programs are told by environment variables."""
        return {
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH", "")))),
            "HEALTHKIT_STATE_DIR": str(self.folder / "state"),
            "SHOP_DATABASE_URL": self.database_url,
            "SHOP_REDIS_URL": self.redis_url,
            "SHOP_PAYMENTS_URL": self.urls["payments"],
            "SHOP_MAIL_FOLDER": str(self.folder / "mail"),
            "SHOP_QUEUE_LIMIT": str(QUEUE_LIMIT),
            "SHOP_WORKER_SILENCE": "10s",
            "SHOP_INVOICE_LOCK": str(self.folder / "invoices.lock"),
            "DEMO_FOLDER": str(self.folder),
            "DEMO_CHECKER_PORT": str(self.ports["checker"]),
            "DEMO_SHOP_URL": self.urls["shop"],
            "DEMO_CATALOG_URL": self.urls["catalog"],
            "DEMO_TERMINAL_URL": control.address(self.terminal),
            "DEMO_PING_KEY": self.ping_key,
        }

    def faults(self) -> dict[str, faults.Fault]:
        """What can be broken, by name."""
        path = self.database_url.removeprefix("sqlite:///")
        database = (
            faults.ReadOnlyFile(Path(path))
            if path != self.database_url
            else faults.ReadOnlyPostgres(self.database_url)
        )
        worker = "the worker is frozen (SIGSTOP): alive, and doing nothing"
        missed = "cron stops (SIGSTOP): the nightly job does not run"
        table: list[faults.Fault] = [
            database,
            faults.Frozen("worker", worker, self.programs, "worker"),
            faults.Flood(self.redis_url, QUEUE),
            faults.Outage(self.urls["payments"]),
            faults.Held(self.folder / "invoices.lock"),
            faults.Frozen("missed-job", missed, self.programs, "cron", alone=True),
        ]
        return {fault.name: fault for fault in table}

    def start(self) -> None:
        """Start every program and wait until each answers."""
        start, port = self.programs.start, {name: str(number) for name, number in self.ports.items()}
        start("payments", ["examples.shop.provider", port["payments"]])
        gunicorn = [
            "gunicorn",
            "--worker-class",
            "gthread",
            "--threads",
            "8",
            "--bind",
            f"127.0.0.1:{port['shop']}",
        ]
        start("shop", [*gunicorn, "--no-control-socket", "examples.shop.app:app()"])
        self.await_answer("the shop", f"{self.urls['shop']}/", "shop")  # it creates the tables
        uvicorn = ["uvicorn", "--factory", "examples.shop.catalog:app", "--port", port["catalog"]]
        start("catalog", [*uvicorn, "--log-level", "warning"])
        self.await_answer("the catalog", f"{self.urls['catalog']}/health", "catalog")
        start("checker", ["checker", "run", "--config", str(self.config())])
        worker = {"RQ_WORKER_CLASS": "healthkit.workers.rq.HeartbeatWorker", "HEALTHKIT_PING_EVERY": "5"}
        start(
            "worker",
            ["rq.cli", "worker", QUEUE, "--url", self.redis_url],
            **worker,
            HEALTHKIT_PING_URL=self.ping_url("mail-worker"),
        )
        command = ["-m", "healthkit", "exec", "--url", self.ping_url("nightly-invoices"), "--"]
        job = [sys.executable, *command, sys.executable, "-m", "examples.shop.invoices"]
        start("cron", ["examples.demo.cron", "5", *job])
        self.await_answer("the checker", f"{self.urls['checker']}/health", "checker")
        self.await_answer("the shop's health", f"{self.urls['shop']}/health", "shop", healthy=True)
        start("customers", ["examples.demo.customers", self.urls["shop"]])
        self.control.announce()

    def config(self) -> Path:
        """Write the checker's configuration, with one more webhook when one was asked for."""
        text = Path(__file__).with_name("checker.toml").read_text()
        if self.also:
            text += f'\n[[channel]]\nname = "also"\nkind = "webhook"\nurl = "{self.also}"\n'
        path = self.folder / "checker.toml"
        path.write_text(text)
        return path

    def ping_url(self, slug: str) -> str:
        """Return a heartbeat's URL."""
        return f"{self.urls['checker']}/ping/{self.ping_key}/{slug}"

    def await_answer(self, what: str, url: str, program: str, *, healthy: bool = False) -> None:
        """Wait until `url` answers at all, or answers 200 when it has to be healthy."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            status = fetch(url)
            if status == "200" or (status.isdigit() and not healthy):
                return
            if program in (ended := self.programs.ended()):
                raise DemoError(f"{what} ended with exit code {ended[program]}:\n{self.tail(program)}")
            time.sleep(0.1)
        raise DemoError(f"{what} did not answer within {PATIENCE:.0f} s:\n{self.tail(program)}")

    def tail(self, program: str) -> str:
        """Return the end of a program's log."""
        return self.programs.log(program).read_text(errors="replace")[-3000:]

    def homepage(self) -> str:
        """Return what the shop's homepage answers now: a status code, or the kind of failure."""
        return fetch(self.urls["shop"] + "/")

    def introduce(self) -> None:
        """Print where to look and what to try."""
        healthkit = Path(sys.executable).with_name("healthkit")
        command = (
            shlex.quote(os.path.relpath(healthkit))
            if healthkit.exists()
            else f"{sys.executable} -m healthkit"
        )
        rows = "\n".join(
            f"    {command} demo break {f.name:<11} # {f.what}" for f in self.control.faults.values()
        )
        self.console.say(
            f"""
  The tea shop        {self.urls["shop"]}/
  its health          {self.urls["shop"]}/health
  the checker         {self.urls["checker"]}/
  logs and data       {self.folder}

  Everything works. In another terminal, break something:

{rows}

  and mend it again: {command} demo heal NAME. Alerts appear here. Ctrl+C ends everything.
"""
        )

    def watch(self) -> NoReturn:
        """Stay until told to stop; say so when a program ends by itself."""
        told: set[str] = set()
        while True:
            for name, code in self.programs.ended().items():
                if name not in told:
                    told.add(name)
                    self.console.say(f"{time.strftime('%H:%M:%S')}  {name} has ended (exit code {code})")
            time.sleep(0.5)

    def stop(self) -> None:
        """End everything that was started."""
        self.control.close()
        for fault in self.control.faults.values():
            if isinstance(fault, faults.Held):
                fault.heal()
        self.programs.stop_all()
        self.terminal.shutdown()
        self.terminal.server_close()


def fetch(url: str) -> str:
    """Return the status code of a GET, or the kind of failure."""
    try:
        with urlopen(url, timeout=5) as answer:
            return str(answer.status)
    except HTTPError as error:
        with error:
            return str(error.code)
    except (URLError, OSError) as error:
        return type(error).__name__


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """Yield the URL of the shop's Redis: one of our own, or the one that `SHOP_REDIS_URL` names."""
    if given := os.environ.get("SHOP_REDIS_URL"):
        yield given
        return
    with RedisServer() as server:
        yield server.url


@contextlib.contextmanager
def database(postgres: bool, folder: Path) -> Iterator[str]:
    """Yield the URL of the shop's database: a file, or a real PostgreSQL."""
    if not postgres:
        yield os.environ.get("SHOP_DATABASE_URL", f"sqlite:///{folder}/shop.db")
        return
    with PostgresServer() as server:
        yield server.url


ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupted(*_: object) -> NoReturn:
    """End the demo, once: who is impatient, or signals a group and its leader, does not cut the end short."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    """Run the demo until it is interrupted; return the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument(
        "--postgres", action="store_true", help="run the shop on a real PostgreSQL instead of SQLite"
    )
    parser.add_argument("--also-tell", metavar="URL", help="post the alerts to this webhook too")
    options = parser.parse_args()
    console = Console()
    for number in ENDING:
        signal.signal(number, interrupted)
    console.say("Starting the shop, its worker, its cron job, a real Redis and the checker ...")
    try:
        with (
            tempfile.TemporaryDirectory(prefix="healthkit-demo-", ignore_cleanup_errors=True) as name,
            redis() as redis_url,
            database(options.postgres, Path(name)) as database_url,
        ):
            demo = Demo(Path(name), redis_url, database_url, console, options.also_tell)
            try:
                demo.start()
                demo.introduce()
                demo.watch()
            finally:
                demo.stop()
    except KeyboardInterrupt:
        console.say("\nEverything is stopped.")
        return 0
    except (DemoError, ServerError) as error:
        console.say(f"The demo could not start: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
