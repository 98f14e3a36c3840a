"""A webhook's body as the user wrote it: Jinja in a sandbox. In JSON every value is escaped by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from checker.channels.base import ChannelError

MAX_BYTES = 1_000_000


class Template:
    """A template, parsed. Raises `ValueError`, saying what is wrong with it, when it cannot be one.

    As JSON, `"{{ title }}"` stays one text whatever the title holds; `{{ incident | tojson }}` is a value.
    """

    def __init__(self, source: str, *, is_json: bool) -> None:
        self._is_json = is_json
        environment = ImmutableSandboxedEnvironment(
            undefined=jinja2.StrictUndefined, finalize=_inside if is_json else None
        )
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise ValueError(f"is not a template: {error}") from None

    def render(self, names: Mapping[str, Any]) -> bytes:
        """Return the body; raise a permanent `ChannelError` where the template makes none."""
        try:
            text = self._template.render(names)
        except Exception as error:  # noqa: BLE001 - a template is a program of the user's
            raise ChannelError(f"the template failed: {type(error).__name__}: {error}"[:300], True) from None
        if self._is_json:
            try:
                json.loads(text)
            except (ValueError, RecursionError) as error:
                raise ChannelError(f"the template made no JSON: {error}"[:300], permanent=True) from None
        body = text.encode("utf-8", "replace")
        if len(body) > MAX_BYTES:
            raise ChannelError(f"the template made more than {MAX_BYTES:,} bytes", permanent=True)
        return body


def _inside(value: Any) -> Any:
    """Return a text as it may stand within JSON's quotes, and all else as JSON; `tojson` has done it."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)[1:-1]
    if value is None or isinstance(value, bool | int | float | list | tuple | dict):
        return json.dumps(value, ensure_ascii=False)
    return value
