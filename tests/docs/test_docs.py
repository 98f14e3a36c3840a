"""Every Python example in the documentation runs: page by page, in order, in a namespace prepared for it.

Before a block, `<!-- not run: why -->` leaves it out; `<!-- with: app = flask_app -->` renames things.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.docs.namespaces import modules, names

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"(?:<!-- (?P<order>not run|with): (?P<what>[^\n]*?) -->\n+)?^```python\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
ALIAS = re.compile(r"(\w+) = (\w+)")


class Block(NamedTuple):
    """One example, with the line that it starts at."""

    line: int
    code: str
    aliases: list[tuple[str, str]]
    why_not: str


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for found in BLOCK.finditer(text):
        order, what = found["order"], found["what"] or ""
        line = text.count("\n", 0, found.start("code"))
        aliases = ALIAS.findall(what) if order == "with" else []
        yield Block(line, found["code"], aliases, what if order == "not run" else "")


WITH_EXAMPLES = [page for page in PAGES if list(blocks(page))]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_run(
    page: Path, tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = names(tmp_path, redis_url)
    for name, module in modules(given).items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEALTHKIT_STATE_DIR", str(tmp_path))
    for block in blocks(page):
        given.update({name: given[source] for name, source in block.aliases})
        if not block.why_not:
            exec(compile("\n" * block.line + block.code, str(page), "exec"), given)
    given["engine"].dispose()


def test_every_page_is_read_and_the_main_ones_have_examples() -> None:
    found = {str(page.relative_to(ROOT)) for page in WITH_EXAMPLES}
    assert {"README.md", "docs/app/health.md"} <= found
    assert sum(page.read_text("utf-8").count("```python\n") for page in PAGES) == sum(
        len(list(blocks(page))) for page in PAGES
    )
