"""Very many heartbeats in few bytes each: packed texts, sorted hashes, and objects made when asked for.

Each takes its name, its token and about fifty bytes more, where an object with its dictionaries takes over a
thousand. Specifications that are the same but for the name share one text. Nothing changes once it is built;
what changes later lies beside it, see `Registry`.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from sqlalchemy import Connection

from checker.model import MonitorSpec
from checker.registry.index import unique_key
from checker.store import codec, monitor_rows
from checker.store.monitor_rows import HeartbeatRow

CHUNK = 2_000  # heartbeats that are read at once: some milliseconds
DECODED = 16_384  # specifications and answers that are kept as objects: those that were asked for lately
TEXTS = 1_024  # different specification texts that are kept decoded
_BUCKETS = 256
_ROW_BITS = 26  # 67 million rows; the other 38 bits are of the hash
_ROW_MASK = (1 << _ROW_BITS) - 1
_HASH_MASK = ((1 << 64) - 1) & ~_ROW_MASK
_NO_SLUG = "\x01"


class Hashes:
    """Which rows have a text, by its hash alone: sorted numbers, eight bytes a row. Whoever asks compares."""

    def __init__(self) -> None:
        self._buckets = [array("Q") for _ in range(_BUCKETS)]

    def add(self, text: str, row: int) -> None:
        """Take in a row under a text; `sort` before the first question."""
        found = hash(text)
        self._buckets[found & 255].append((found & _HASH_MASK) | row)

    def sort(self) -> Iterator[None]:
        """Sort bucket by bucket: a caller who must not block for long pauses in between."""
        for number, bucket in enumerate(self._buckets):
            self._buckets[number] = array("Q", sorted(bucket))
            yield

    def rows(self, text: str) -> list[int]:
        """Return the rows that may have this text: hardly ever one too many."""
        found = hash(text)
        bucket, prefix = self._buckets[found & 255], found & _HASH_MASK
        at = bisect_left(bucket, prefix)
        rows = []
        while at < len(bucket) and bucket[at] & _HASH_MASK == prefix:
            rows.append(bucket[at] & _ROW_MASK)
            at += 1
        return rows


class Shelf:
    """Heartbeats as read from the store, in the order of their ids; lookups may come from any thread."""

    def __init__(self) -> None:
        self._ids = array("q")
        self._ends = array("Q")  # where each row's record ends
        self._records = bytearray()  # name, slug (empty where it is the name), token, a NUL in between
        self._kinds = array("I")  # which of the texts each row has
        self._texts: list[tuple[str, str]] = []  # source and specification
        self._numbers: dict[tuple[str, str], int] = {}
        self._names = Hashes()  # names, and slugs that are not the name
        self._tokens = Hashes()
        self._unique: Hashes | None = None
        self.dependents: dict[str, set[int]] = {}  # full name -> who depends on it
        self._text = lru_cache(TEXTS)(self._decode_text)
        self.by_id = lru_cache(DECODED)(self._find)
        self.slugs = lru_cache(DECODED)(self._with_slug)  # the ids of the heartbeats with this slug
        self.tokens = lru_cache(DECODED)(self._with_token)  # with this token, its uuid or one of its own

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, monitor_id: int) -> bool:
        return self._row(monitor_id) is not None

    @property
    def ids(self) -> Sequence[int]:
        """All ids, in order."""
        return self._ids

    def next_rows(self, conn: Connection) -> list[HeartbeatRow]:
        """Return the next heartbeats to take in; an empty list once all are read."""
        return monitor_rows.heartbeats(conn, self._ids[-1] if self._ids else 0, CHUNK)

    def extend(self, rows: Iterable[HeartbeatRow]) -> None:
        """Take in further rows; `finish` afterwards."""
        for monitor_id, name, slug, token, source, text in rows:
            row = len(self._ids)
            self._ids.append(monitor_id)
            number = self._numbers.get((source, text))
            if number is None:
                number = self._numbers[source, text] = len(self._texts)
                self._texts.append((source, text))
            self._kinds.append(number)
            self._names.add(name, row)
            if slug and slug != name:
                self._names.add(slug, row)
            if token:
                self._tokens.add(token, row)
            own = "" if slug == name else slug or _NO_SLUG
            self._records += f"{name}\0{own}\0{token or ''}".encode()
            self._ends.append(len(self._records))
            if '"push_token"' in text or '"depends_on"' in text:
                self._add_rare(row, monitor_id)

    def finish(self) -> Iterator[None]:
        """Make it ready for questions, in short steps."""
        self._numbers = {}
        yield from self._names.sort()
        yield from self._tokens.sort()

    def names(self, name: str) -> list[int]:
        """Return the ids of the heartbeats with this name: one at most."""
        return self._among(self._names.rows(name), lambda spec: spec.name == name)

    def unique_keys(self, key: str) -> list[int]:
        """Return the ids of the heartbeats with this unique key; the first question takes a while."""
        if self._unique is None:
            made = Hashes()
            for row in range(len(self._ids)):
                if token := self._record(row)[2]:
                    made.add(unique_key(token), row)
            for _ in made.sort():
                pass
            self._unique = made
        return self._among(
            self._unique.rows(key), lambda spec: bool(spec.token) and unique_key(spec.token) == key
        )

    def tags(self, without: set[int]) -> set[str]:
        """Return the tags of all heartbeats but those with these ids."""
        kinds = {kind for each, kind in zip(self._ids, self._kinds, strict=True) if each not in without}
        return {tag for kind in kinds for tag in self._text(kind).tags}

    def tagged(self, tag: str) -> list[int]:
        """Return the ids of the heartbeats with this tag."""
        kinds = {kind for kind in set(self._kinds) if tag in self._text(kind).tags}
        return [each for each, kind in zip(self._ids, self._kinds, strict=True) if kind in kinds]

    def _with_slug(self, slug: str) -> Sequence[int]:
        return self._among(self._names.rows(slug), lambda spec: spec.slug == slug)

    def _with_token(self, token: str) -> Sequence[int]:
        return self._among(self._tokens.rows(token), lambda spec: token in (spec.token, spec.push_token))

    def _among(self, rows: Iterable[int], is_meant: Callable[[MonitorSpec], bool]) -> list[int]:
        found = []
        for row in rows:
            monitor_id = self._ids[row]
            spec = self.by_id(monitor_id)
            if spec is not None and is_meant(spec):
                found.append(monitor_id)
        return found

    def _row(self, monitor_id: int) -> int | None:
        at = bisect_left(self._ids, monitor_id)
        return at if at < len(self._ids) and self._ids[at] == monitor_id else None

    def _find(self, monitor_id: int) -> MonitorSpec | None:
        row = self._row(monitor_id)
        return None if row is None else self._spec(row)

    def _spec(self, row: int) -> MonitorSpec:
        name, slug, token = self._record(row)
        return replace(self._text(self._kinds[row]), name=name, slug=slug, token=token)

    def _record(self, row: int) -> tuple[str, str, str]:
        start = self._ends[row - 1] if row else 0
        name, slug, token = self._records[start : self._ends[row]].decode().split("\0")
        return name, name if not slug else "" if slug == _NO_SLUG else slug, token

    def _decode_text(self, kind: int) -> MonitorSpec:
        source, text = self._texts[kind]
        known = json.loads(text)
        return codec.spec_of(known, kind="heartbeat", name="", slug="", token="", parent="", source=source)

    def _add_rare(self, row: int, monitor_id: int) -> None:
        spec = self._text(self._kinds[row])
        if spec.push_token:
            self._tokens.add(spec.push_token, row)
        for name in spec.depends_on:
            self.dependents.setdefault(name, set()).add(monitor_id)
