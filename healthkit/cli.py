"""The `healthkit` command: finds the subcommand and hands over. Exit code 2 is bad usage."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from healthkit.errors import ConfigurationError

# Name -> module and summary. A module is imported only when its command is called: `exec` must start its job
# at once. It has `configure(parser)` and `run(arguments) -> exit code`.
COMMANDS = {
    "ping": ("healthkit.commands.ping", "send one ping: success, start, fail, log or an exit code"),
    "exec": ("healthkit.commands.exec", "run a command and tell how it went; the command notices nothing"),
    "check": ("healthkit.commands.check", "run an app's checks once, for containers and CI"),
    "audit": ("healthkit.commands.audit", "find what in an app could break unseen"),
    "demo": ("healthkit.commands.demo", "break and heal the running demo"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return 0 if arguments else 2
    if arguments[0] in ("-V", "--version"):
        print(f"healthkit {_version()}")
        return 0
    if arguments[0] not in COMMANDS:
        return _unknown(arguments[0])
    return _call(arguments[0], arguments[1:])


def _call(name: str, arguments: list[str]) -> int:
    module = importlib.import_module(COMMANDS[name][0])
    parser = argparse.ArgumentParser(prog=f"healthkit {name}", description=module.__doc__, allow_abbrev=False)
    module.configure(parser)
    try:
        return int(module.run(parser.parse_args(arguments)))
    except ConfigurationError as error:
        print(f"healthkit {name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join(
        ["usage: healthkit COMMAND ...", "", *lines, "", "`healthkit COMMAND --help` tells more."]
    )


def _unknown(name: str) -> int:
    import difflib

    near = difflib.get_close_matches(name, COMMANDS, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(COMMANDS)}"
    print(f"healthkit: no command {name!r}; {hint}", file=sys.stderr)
    return 2


def _version() -> str:
    from importlib.metadata import version

    return version("healthkit-monitor")
