"""Nodes with different files or clocks say so; whoever read its file last decides."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from checker.agreement import Agreement, fingerprint
from checker.config import Config, parse
from checker.store import Store, monitors
from healthkit.errors import Warn

OLD = '[[heartbeat]]\nname = "nightly"\nevery = "1h"\n'
NEW = OLD + '[[heartbeat]]\nname = "weekly"\nevery = "7d"\n'
SECRET = '[[channel]]\nname = "ops"\nkind = "webhook"\nurl = "https://hooks.example/{}"\n'


def node(store: Store, name: str, config: Config, ahead: float = 0.0) -> Agreement:
    return Agreement(store, name, lambda: time.time() + ahead, lambda: config)


def read(text: str) -> Config:
    return parse(text, Path("checker.toml"), {})


def test_nodes_with_the_same_file_agree_whatever_their_secrets(store: Store) -> None:
    one, two = (read(OLD + SECRET.format(each)) for each in "ab")
    store.write_now(lambda conn: node(store, "a", one).sync(conn, one, 1.0))
    assert node(store, "b", two).check() < 5


def test_a_node_whose_file_is_older_than_the_one_that_holds_says_so(store: Store) -> None:
    old, new = read(OLD), read(NEW)
    store.write_now(lambda conn: node(store, "a", old).sync(conn, old, 1.0))
    store.write_now(lambda conn: node(store, "b", new).sync(conn, new, 2.0))
    with pytest.raises(Warn, match=r"which node 'b' read .* ago; give all nodes the same file"):
        node(store, "a", old).check()
    names = [each.spec.name for each in store.read_now(monitors.load)]
    assert names == ["nightly", "weekly"]
    store.write_now(lambda conn: node(store, "a", new).sync(conn, new, 3.0))
    node(store, "a", new).check()
    node(store, "b", new).check()


def test_the_file_that_was_read_last_holds_for_all(store: Store) -> None:
    old, new = read(OLD), read(NEW)
    for name, each in (("a", new), ("b", old)):
        agreement = node(store, name, each)
        store.write_now(lambda conn, agreement=agreement, each=each: agreement.sync(conn, each, 1.0))  # type: ignore[misc]
    assert [each.spec.name for each in store.read_now(monitors.load)] == ["nightly"]
    with pytest.raises(Warn, match="'b'"):
        node(store, "a", new).check()


@pytest.mark.parametrize(("ahead", "word"), [(3_600.0, "ahead of"), (-3_600.0, "behind")])
def test_a_clock_that_is_off_is_told(store: Store, ahead: float, word: str) -> None:
    with pytest.raises(Warn, match=f"1 h {word} the database's"):
        node(store, "a", read(OLD), ahead).check()


def test_what_is_watched_and_told_makes_the_fingerprint() -> None:
    known = {fingerprint(read(text)) for text in (OLD, NEW, OLD + SECRET.format("a"))}
    assert len(known) == 3
    assert fingerprint(read(OLD)) in known
