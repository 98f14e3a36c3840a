"""`healthkit-checker import`: another product's configuration, printed as ours or put into `conf.d`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from checker.config_files import FOLDER
from checker.imports import gatus, healthchecks, kuma
from checker.imports.base import Found, ImportProblem, rendered

KEY = "HEALTHCHECKS_API_KEY"


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print or write what was read; on stderr what is to be done next. Raises `ImportProblem`."""
    found, origin = _found(options, environ)
    text, variables = rendered(found, origin)
    monitors = sum(1 for each in found.blocks if each.table in ("endpoint", "heartbeat"))
    if options.write:
        path = options.path.parent / FOLDER / f"{options.product}.toml"
        _write(path, text)
        print(f"{monitors} monitors are written to {path}: read its comments, then run check-config")
    else:
        sys.stdout.write(text)
    if variables:
        print(f"variables that it wants: {', '.join(variables)}", file=sys.stderr)
    return 0


def _found(options: argparse.Namespace, environ: Mapping[str, str]) -> tuple[Found, str]:
    if options.product == "gatus":
        documents = [gatus.load(each) for each in options.files]
        return gatus.read(
            gatus.together(documents)
        ), f"Gatus ({', '.join(each.name for each in options.files)})"
    if options.product == "uptime-kuma":
        return kuma.read(kuma.load(options.file)), f"Uptime Kuma ({options.file.name})"
    key = options.api_key or environ.get(KEY, "")
    if not key:
        raise ImportProblem(f"give the project's API key with --api-key or as {KEY}")
    return healthchecks.read(*healthchecks.fetch(options.url, key)), f"Healthchecks ({options.url})"


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ImportProblem(f"{path} is there already; move it away, or leave out --write") from None
    except OSError as error:
        raise ImportProblem(f"{path} cannot be written: {error.strerror}") from None
