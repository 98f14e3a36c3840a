"""Break and heal the running demo: `list`, `break NAME`, `heal NAME`. Start it with `make demo`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

TIMEOUT = 30.0


class NoDemo(Exception):
    """There is no running demo to talk to; the text says why and what next."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="{break,heal,list}")
    actions.add_parser("list", help="tell what can be broken")
    for verb, help_text in (("break", "cause a real fault"), ("heal", "end it")):
        actions.add_parser(verb, help=help_text).add_argument("name", help="one of those that `list` tells")


def run(arguments: argparse.Namespace) -> int:
    """Ask the demo; print what it says. Return 0, or 1 when it refuses or is not there."""
    if arguments.action == "list":
        method, path = "GET", "/faults"
    else:
        method, path = "POST", f"/{arguments.action}/{urllib.parse.quote(arguments.name, safe='')}"
    try:
        status, text = ask(method, path, state(state_file()))
    except NoDemo as error:
        print(f"healthkit demo: {error}", file=sys.stderr)
        return 1
    print(text, file=sys.stdout if status < 400 else sys.stderr)
    return 0 if status < 400 else 1


def state_file() -> Path:
    """Return where the running demo tells how to reach it."""
    named = os.environ.get("HEALTHKIT_DEMO_STATE")
    return Path(named) if named else Path(tempfile.gettempdir()) / f"healthkit-demo-{os.getuid()}.json"


def state(path: Path) -> dict[str, Any]:
    """Return the running demo's address and token; raises `NoDemo`."""
    try:
        found = json.loads(path.read_text())
        os.kill(int(found["pid"]), 0)
        return {"control": str(found["control"]), "token": str(found["token"])}
    except FileNotFoundError:
        raise NoDemo(f"no demo is running (there is no {path}); start it with `make demo`") from None
    except ProcessLookupError:
        raise NoDemo(f"the demo of {path} has ended; start it again with `make demo`") from None
    except PermissionError:
        raise NoDemo(f"the demo of {path} belongs to another user") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise NoDemo(f"{path} cannot be read; remove it and start the demo again with `make demo`") from None


def ask(method: str, path: str, demo: dict[str, Any]) -> tuple[int, str]:
    """Return the demo's answer: status code and text; raises `NoDemo` when there is none."""
    request = urllib.request.Request(
        demo["control"] + path, method=method, headers={"Authorization": f"Bearer {demo['token']}"}
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is on this machine
    try:
        with direct.open(request, timeout=TIMEOUT) as response:
            return response.status, response.read().decode("utf-8", "replace").rstrip("\n")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode("utf-8", "replace").rstrip(
                "\n"
            ) or f"it answers {error.code}"
    except OSError as error:
        raise NoDemo(
            f"the demo does not answer ({type(error).__name__}); start it again with `make demo`"
        ) from None
