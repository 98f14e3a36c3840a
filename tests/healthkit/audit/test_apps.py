"""The audit on whole apps: all of their known gaps, at their lines, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from healthkit.audit.run import audit
from tests.healthkit.audit.samples import APPS, found, gaps

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for name in ("AUDIT_DATABASE_URL", "SHOP_DATABASE_URL"):
        monkeypatch.setenv(name, f"sqlite:///{tmp_path}/app.db")


@pytest.mark.parametrize(
    ("folder", "target", "least"), [("flask_shop", "web:app", 8), ("fastapi_api", "main:app", 15)]
)
def test_every_gap_of_an_app_is_found_and_nothing_false(folder: str, target: str, least: int) -> None:
    known = gaps(APPS / folder)
    assert len(known) >= least
    assert found(audit(f"tests.healthkit.audit.apps.{folder}.{target}")) == known


def test_every_gap_of_a_plain_wsgi_app_is_found_from_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "legacy"
    shutil.copytree(APPS / "wsgi_legacy", folder)
    monkeypatch.chdir(folder)
    known = gaps(folder)
    assert len(known) == 6
    assert found(audit("legacy:application")) == known


@pytest.mark.parametrize("target", ["examples.shop.app:app", "examples.shop.catalog:app"])
def test_nothing_is_found_in_the_shop(target: str) -> None:
    assert audit(target) == ()
