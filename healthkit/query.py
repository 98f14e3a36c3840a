"""What a query asks for: the format, a nonce, and which checks; bounded, whatever it holds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import parse_qsl

from healthkit.selection import Filters

MAX_QUERY = 4_096
MAX_FIELDS = 50
MAX_NONCE = 128
_NOT_IN_NONCE = re.compile(r"[^\w.~:+/=-]", re.ASCII)


class Query(NamedTuple):
    """A query understood."""

    format: str | None = None
    nonce: str | None = None
    filters: Filters = Filters()


NOTHING = Query()


def read(query: str) -> Query | str:
    """Return what a query string asks for, or why it is refused. Unknown fields are ignored.

    `tag` and `check` keep what has one of these tags or names, `exclude_tag` and `exclude_check` leave out;
    each may be repeated, or list several by commas.
    """
    if not query:
        return NOTHING
    too_much = f"the query has more than {MAX_QUERY:,} characters or {MAX_FIELDS} fields"
    if len(query) > MAX_QUERY:
        return too_much
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        return too_much
    first = dict(reversed(pairs))
    nonce = _NOT_IN_NONCE.sub("", first.get("nonce", ""))[:MAX_NONCE] or None
    filters = Filters(*(_all(pairs, key) for key in ("tag", "check", "exclude_tag", "exclude_check")))
    return Query(first.get("format"), nonce, filters)


def _all(pairs: Iterable[tuple[str, str]], key: str) -> tuple[str, ...]:
    return tuple(
        part.strip() for name, value in pairs if name == key for part in value.split(",") if part.strip()
    )
