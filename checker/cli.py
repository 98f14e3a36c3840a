"""The `healthkit-checker` command. Exit codes: 0 fine, 1 something is down or failed, 2 bad usage or
configuration, a name that there is not among them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from checker import log
from checker.config import Config, ConfigError, load
from healthkit.errors import ConfigurationError, HealthkitError

FINE, FAILED, USAGE = 0, 1, 2
DEFAULT = "checker.toml"
VARIABLE = "CHECKER_CONFIG"

Command = Callable[[Config, argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run one command and return its exit code."""
    options = parser().parse_args(arguments)
    options.environ = environ
    options.path = Path(getattr(options, "config", None) or environ.get(VARIABLE) or DEFAULT)
    if options.command in (import_, init):
        return _guarded(lambda: options.command(options))
    try:
        config = load(options.path, environ)
    except ConfigError as error:
        return _bad_config(options.path, error)
    level = config.server.log_level if options.command is run else "warning"
    log.begin(level, verbose=getattr(options, "verbose", False))
    command: Command = options.command
    return _guarded(lambda: command(config, options))


def _guarded(work: Callable[[], int]) -> int:
    try:
        return work()
    except HealthkitError as error:
        print(f"healthkit-checker: {error}", file=sys.stderr)
        return USAGE if isinstance(error, ConfigurationError) else FAILED
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        default=argparse.SUPPRESS,
        help=f"the configuration (default: ${VARIABLE}, else {DEFAULT})",
    )
    common.add_argument("-v", "--verbose", action="store_true", default=argparse.SUPPRESS, help="log more")
    top = argparse.ArgumentParser(
        prog="healthkit-checker",
        parents=[common],
        description="Watches endpoints and heartbeats, and tells people when something stops working.",
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        found = commands.add_parser(name, parents=[common], help=text, description=text)
        found.set_defaults(command=command)
        return found

    add(
        "run",
        run,
        "run the checker until it is stopped (SIGTERM, Ctrl+C); SIGHUP reads the configuration again",
    )
    add("check-config", check_config, "say whether the configuration can be used, and what is doubtful in it")
    status_ = add("status", status, "say what is down, since when and why; exit 1 when something is")
    status_.add_argument("--json", action="store_true", help="print it for programs")
    test = add("test-channel", test_channel, "send a test message through a channel now")
    test.add_argument("name", metavar="NAME", help="the channel")
    drill_ = add(
        "drill", drill, "send a labelled fire drill the whole way, as a real alert of this monitor would go"
    )
    drill_.add_argument("name", metavar="MONITOR", help="the monitor")
    for verb, text in (
        ("pause", "stop judging a monitor until it is resumed"),
        ("resume", "judge a paused monitor again"),
        ("ack", "acknowledge the open incident of a monitor: no more reminders"),
    ):
        found = add(verb, operate, text)
        found.add_argument(
            "name", metavar="NAME", help="the monitor's name, such as shop or shop/database:write"
        )
        found.set_defaults(verb=verb)
    snooze_ = add(
        "snooze", snooze, "tell nobody of a monitor for a time; what is not well then is told again"
    )
    snooze_.add_argument(
        "name", metavar="NAME", help="the monitor's name; an endpoint's covers its components"
    )
    snooze_.add_argument("length", metavar="TIME", help='for how long, such as 2h; "off" ends it now')
    export_ = add(
        "export",
        export,
        "print all that is configured as one checker.toml: the files', the API's and what announced itself",
    )
    export_.add_argument(
        "--with-secrets", action="store_true", help="write secrets as they are, and not as variables"
    )
    _add_import(commands, common)
    text = "write a first checker.toml, with keys of its own and the rest as comments"
    first = commands.add_parser("init", parents=[common], help=text, description=text)
    first.set_defaults(command=init)
    add("migrate", migrate, "create the database's tables or bring them up to date")
    return top


def _add_import(commands: Any, common: argparse.ArgumentParser) -> None:
    text = "read what another product is configured to do, and print it as ours"
    importing = commands.add_parser("import", help=text, description=text)
    products = importing.add_subparsers(required=True, metavar="PRODUCT", dest="product")
    for name, said in (
        ("healthchecks", "the checks of a project of Healthchecks, by its API"),
        ("gatus", "a configuration of Gatus (YAML)"),
        ("uptime-kuma", "a backup of Uptime Kuma 1, or the monitors of version 2 (JSON)"),
    ):
        product = products.add_parser(name, parents=[common], help=said, description=said)
        product.set_defaults(command=import_)
        product.add_argument(
            "--write", action="store_true", help=f"write conf.d/{name}.toml beside the configuration"
        )
        if name == "healthchecks":
            product.add_argument("--url", default="https://healthchecks.io", help="the server (%(default)s)")
            product.add_argument(
                "--api-key", metavar="KEY", help="the project's API key (default: $HEALTHCHECKS_API_KEY)"
            )
        elif name == "gatus":
            product.add_argument("files", metavar="FILE", type=Path, nargs="+", help="its file, or files")
        else:
            product.add_argument("file", metavar="FILE", type=Path, help="what to read")


def _bad_config(path: Path, error: ConfigError) -> int:
    for problem in error.problems or (f"{path}: {error}",):
        print(problem, file=sys.stderr)
    return USAGE


def run(config: Config, _options: argparse.Namespace) -> int:
    """Run the checker."""
    from checker.app import Checker  # the server's libraries are not needed for anything else

    _warn(config)
    return asyncio.run(Checker(config).run())


def check_config(config: Config, _options: argparse.Namespace) -> int:
    """Say what the configuration holds and what is doubtful, also by what was learned since."""
    from checker import commands

    kinds = [monitor.kind.value for monitor in config.monitors]
    counts = {
        "endpoint": kinds.count("endpoint"),
        "heartbeat": kinds.count("heartbeat"),
        "channel": len(config.channels),
        "maintenance window": len(config.maintenance),
    }
    said = ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items() if count)
    print(f"{config.path}: can be used: {said or 'nothing to watch yet'}")
    _warn(config)
    for doubt in commands.learned_doubts(config):
        print(f"warning: {config.path}: {doubt}", file=sys.stderr)
    return FINE


def _warn(config: Config) -> None:
    for warning in config.warnings:
        print(f"warning: {warning}", file=sys.stderr)


def status(config: Config, options: argparse.Namespace) -> int:
    """Say what is down, since when and why."""
    from checker import commands

    return commands.status(config, as_json=options.json)


def test_channel(config: Config, options: argparse.Namespace) -> int:
    """Send a test message now."""
    from checker import drills

    return drills.test_channel(config, options.name)


def drill(config: Config, options: argparse.Namespace) -> int:
    """Send a fire drill the whole way."""
    from checker import drills

    return drills.drill(config, options.name)


def operate(config: Config, options: argparse.Namespace) -> int:
    """Pause, resume or acknowledge."""
    from checker import commands

    return commands.operate(config, options.verb, options.name)


def snooze(config: Config, options: argparse.Namespace) -> int:
    """Tell nobody of a monitor for a time."""
    from checker import commands

    return commands.snooze(config, options.name, options.length)


def export(config: Config, options: argparse.Namespace) -> int:
    """Print everything as one configuration."""
    from checker import commands

    return commands.export_all(config, options.environ, plain=options.with_secrets)


def import_(options: argparse.Namespace) -> int:
    """Print another product's configuration as ours."""
    from checker import importing

    return importing.run(options, options.environ)


def init(options: argparse.Namespace) -> int:
    """Write a first configuration."""
    from checker import init as first

    first.write(options.path)
    print(f"{options.path} is written; read it, then: healthkit-checker run")
    return FINE


def migrate(config: Config, _options: argparse.Namespace) -> int:
    """Bring the database's tables up to date."""
    from checker.store import Store

    store = Store(config.server.database)
    try:
        store.migrate()
    finally:
        store.close()
    print("the database is up to date")
    return FINE
