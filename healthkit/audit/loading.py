"""From `module:app` to the app: an object, or what a factory makes. Runs inside the app's own process."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from typing import Any

from healthkit.audit.places import is_healthkit, is_library

USUAL_NAMES = ("app", "application", "create_app", "make_app")
# Errors whose text is about names in the code; that of any other may hold what is secret.
TELLING = (ImportError, AttributeError, NameError, SyntaxError, KeyError, TypeError)


class NotLoadable(Exception):
    """The app cannot be had; the text says what, where and why."""


def load(target: str) -> tuple[Any, Any]:
    """Return the module and the app. Raises `NotLoadable`."""
    name, _, attribute = target.partition(":")
    module = _import(name)
    found = _attribute(module, attribute.strip().removesuffix("()"), target)
    return module, _made(found, target)


def _import(name: str) -> Any:
    if not name or not all(part.isidentifier() for part in name.split(".")):
        raise NotLoadable(f"{name!r} is not a module's name; write module:app, such as shop.web:app")
    try:
        return importlib.import_module(name)
    except BaseException as error:  # noqa: BLE001 - an import runs anything, and `sys.exit` is no way out
        raise NotLoadable(f"the module {name!r} cannot be imported: {told(error)}") from None


def _attribute(module: Any, path: str, target: str) -> Any:
    if not path:
        for name in USUAL_NAMES:
            if hasattr(module, name):
                return getattr(module, name)
        raise NotLoadable(f"{target!r} names no app; write {target}:app, with the app's own name")
    found = module
    for part in path.split("."):
        if not hasattr(found, part):
            raise NotLoadable(f"{target!r}: there is no {part!r} in {module.__name__}")
        found = getattr(found, part)
    return found


def _made(found: Any, target: str) -> Any:
    if not callable(found):
        raise NotLoadable(f"{target!r} is a {type(found).__name__}: neither an app nor a factory of one")
    if not (inspect.isroutine(found) and _takes_nothing(found)):
        return found
    try:
        app = found()
    except BaseException as error:  # noqa: BLE001 - as above
        raise NotLoadable(f"the factory {target!r} breaks: {told(error)}") from None
    if inspect.isawaitable(app) or not callable(app):
        raise NotLoadable(f"the factory {target!r} returned a {type(app).__name__}, which is no app")
    return app


def _takes_nothing(function: Any) -> bool:
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):
        return False
    return True


def told(error: BaseException) -> str:
    """Return what broke and where in the app's code, without what may hold a secret."""
    text = type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{text}: {error.msg} ({_shown(error.filename or '?', error.lineno or 0)})"
    if isinstance(error, SystemExit):
        text = "it ends the process (SystemExit)"
    elif isinstance(error, TELLING):
        text = f"{text}: {error!s:.300}"
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not is_library(frame.filename) and not is_healthkit(frame.filename)
    ]
    return f"{text} ({_shown(own[-1].filename, own[-1].lineno or 0)})" if own else text


def _shown(file: str, line: int) -> str:
    relative = os.path.relpath(file)
    return f"{file if relative.startswith('..') else relative}:{line}"


def import_root(module: Any) -> str:
    """Return the folder from which the module's top-level package is imported."""
    file = getattr(module, "__file__", None) or ""
    folder = os.path.dirname(os.path.abspath(file))  # noqa: PTH100, PTH120 - text in, text out
    for _ in range(module.__name__.count(".") + (os.path.basename(file) == "__init__.py")):  # noqa: PTH119
        folder = os.path.dirname(folder)  # noqa: PTH120
    return folder


def own_files() -> tuple[str, ...]:
    """Return the files of the app's own modules that are imported by now."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return tuple(
        sorted(
            {
                file
                for file in files
                if isinstance(file, str) and not is_library(file) and not is_healthkit(file)
            }
        )
    )
