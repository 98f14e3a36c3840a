"""Every key of a TOML document is found on its line."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.toml_lines import KeyPath, Lines

TEXT = '''\
# a comment with [brackets] = and "quotes"
top = 1

[server]  # another
listen = "a # b = [c]"
"quoted key" = 'x'
a.b . c = 1
long = """
listen = "no key"
[not.a.table]
\\""" still ]] in
"""
literal = \'\'\'
x = 1
\'\'\'
list = [
  "one", # [
  { k = "]" },
]
after = 2

[[endpoint]]
name = "shop"
headers = { Authorization = "Bearer = x" }

[endpoint.extra]
deep = true

[[endpoint]]
name = "b\\"x" # it's fine
[[endpoint.sub]]
k = 1
[[endpoint.sub]]
k = 2
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("server",), 4),
        (("server", "listen"), 5),
        (("server", "quoted key"), 6),
        (("server", "a", "b", "c"), 7),
        (("server", "long"), 8),
        (("server", "literal"), 13),
        (("server", "list"), 16),
        (("server", "after"), 20),
        (("endpoint", 0), 22),
        (("endpoint", 0, "name"), 23),
        (("endpoint", 0, "headers"), 24),
        (("endpoint", 0, "extra", "deep"), 27),
        (("endpoint", 1, "name"), 30),
        (("endpoint", 1, "sub", 0, "k"), 32),
        (("endpoint", 1, "sub", 1, "k"), 34),
    ],
)
def test_each_key_is_found_on_its_line(path: KeyPath, line: int) -> None:
    tomllib.loads(TEXT)
    assert Lines(TEXT)[path] == line


def test_no_line_within_a_text_is_taken_for_a_key() -> None:
    found = set(Lines(TEXT))
    assert ("not", "a", "table") not in found
    assert all("x" not in path for path in found)


def test_what_is_not_there_is_near_its_table() -> None:
    lines = Lines(TEXT)
    assert lines.nearest(("endpoint", 1, "url")) == 29
    assert lines.nearest(("nowhere", "at", "all")) == 1


@given(st.text(alphabet="ab=[]\"'\n#{},.\\ ", max_size=60))
def test_any_text_is_read_to_its_end(text: str) -> None:
    Lines(text)


VALUES: st.SearchStrategy[str] = st.sampled_from(
    ["1", '"x"', '"""\na = 1\n"""', "[\n1,\n2]", "{ a = 1 }", "'#'", "true # c = 2", "'''\n[t]\n'''"]
)


@given(st.lists(st.tuples(st.booleans(), VALUES), max_size=8))
def test_all_keys_that_the_parser_sees_are_found_in_order(entries: list[tuple[bool, str]]) -> None:
    text = "".join(f"{'[[t]]' if table else '# c'}\nkey{n} = {v}\n" for n, (table, v) in enumerate(entries))
    document: dict[str, Any] = tomllib.loads(text)
    lines = Lines(text)
    found = [lines[(key,)] for key in document if key != "t"]
    for index, table in enumerate(document.get("t", [])):
        found += [lines[("t", index, key)] for key in table]
    shown = text.splitlines()
    assert len(found) == len(entries)
    assert [shown[line - 1].split(" ")[0] for line in found] == [f"key{n}" for n in range(len(entries))]
