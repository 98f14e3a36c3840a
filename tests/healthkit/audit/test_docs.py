"""The page about the audit names every rule, and its examples are so."""

from __future__ import annotations

import json
import re
from pathlib import Path

from healthkit.audit.model import Finding
from healthkit.audit.rules.table import CODES, RULES
from healthkit.audit.shown import as_json, as_text

PAGE = Path(__file__).parents[3].joinpath("docs", "app", "audit.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    return str(found)


def test_the_table_names_every_code_once_and_no_other() -> None:
    rows = re.findall(r"^\| (HK\d{3}) \|(.*)\|(.*)\|(.*)\|$", PAGE, flags=re.MULTILINE)
    assert [code for code, *_ in rows] == sorted(CODES)
    assert all(part.strip() for _, *parts in rows for part in parts)


def test_codes_are_unique_and_in_order() -> None:
    codes = [rule.code for rule in RULES]
    assert codes == sorted(set(codes))


def test_the_text_of_the_page_is_what_is_printed() -> None:
    shown = block("text")
    why = (
        "/health answers 200 and never touches the database: "
        "it says that all is well while nothing can be read or written."
    )
    fix = "HealthKit(app, health)  # from healthkit_flask; in place of this route"
    assert as_text("shop.web:app", [Finding("shop/web.py", 38, "HK001", why, fix)]) == shown.rstrip("\n")


def test_the_json_of_the_page_has_the_keys_that_are_printed() -> None:
    shown = json.loads(block("json"))
    printed = json.loads(as_json("shop.web:app", [Finding("shop/web.py", 38, "HK001", "...", "...")]))
    assert shown == printed
