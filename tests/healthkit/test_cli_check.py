"""`healthkit check`: an app's checks run once from a shell, with an exit code to build on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

APP = """
import threading, time
import flask
from healthkit import Fail, Health, Warn
from healthkit_flask import HealthKit

fine = Health("shop", version="1.4.2")
fine.add(lambda: 3, name="database", measurement="write", tags={"ready"})
fine.add(lambda: 1, name="later", initial_delay="1h")

def bad():
    raise Fail("no space")

def slow():
    raise Warn("slow")

broken = Health("broken")
broken.add(bad, name="disk", tags={"system"})
broken.add(slow, name="cache", tags={"system", "quick"})
broken.add(lambda: 1, name="database")

hung = Health("hung")
hung.add(lambda: time.sleep(60), name="stuck", every="1m")

def build():
    return fine

app = flask.Flask("app")
HealthKit(app, fine)
number = 7
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "explodes.py").write_text("raise RuntimeError('no settings')")
    return tmp_path


def check(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "healthkit", "check", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("target", ["app:fine", "app:build", "app:build()", "app:app"])
def test_a_service_that_works_exits_with_0_and_lists_its_checks(folder: Path, target: str) -> None:
    done = check(folder, target)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "shop 1.4.2: pass"
    assert "pass  database:write  3" in done.stdout
    assert "pass  later:status" in done.stdout, "an initial delay is for a service that starts"


def test_a_service_that_does_not_work_exits_with_1_the_worst_first(folder: Path) -> None:
    done = check(folder, "app:broken")
    assert done.returncode == 1
    assert done.stdout.splitlines()[1].split() == ["fail", "disk:status", "no", "space"]


@pytest.mark.parametrize(
    ("options", "code", "names"),
    [
        (["--tag", "quick"], 0, ["cache:status"]),
        (["--tag", "quick", "--strict"], 1, ["cache:status"]),
        (["--tag", "system", "--exclude-check", "disk"], 0, ["cache:status"]),
        (["--check", "disk", "--check", "database"], 1, ["disk:status", "database:status"]),
        (["--exclude-tag", "system"], 0, ["database:status"]),
        (["--group", "live"], 0, []),
    ],
)
def test_checks_are_chosen_by_tag_name_and_group(
    folder: Path, options: list[str], code: int, names: list[str]
) -> None:
    done = check(folder, "app:broken", "--json", *options)
    assert done.returncode == code, done.stderr
    assert list(json.loads(done.stdout)["checks"]) == names


def test_a_hung_check_ends_at_the_timeout_given_here(folder: Path) -> None:
    start = time.monotonic()
    done = check(folder, "app:hung", "--timeout", "300ms")
    assert done.returncode == 1
    assert "no answer within 0.3" in done.stdout
    assert time.monotonic() - start < 15


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["app"], "module:name"),
        (["nowhere:health"], "No module named 'nowhere'"),
        (["explodes:health"], "no settings"),
        (["app:nothing"], "has no 'nothing'"),
        (["app:number"], "is a int"),
        (["app:fine", "--tag", "nope"], "no check is tagged 'nope'"),
        (["app:fine", "--check", "nope"], "no check is named 'nope'"),
        (["app:fine", "--timeout", "soon"], "--timeout"),
        (["app:fine", "--timeout", "0"], "--timeout"),
        (["app:fine", "--unknown"], "--unknown"),
    ],
)
def test_wrong_use_exits_with_2_and_says_what_is_wrong(folder: Path, arguments: list[str], says: str) -> None:
    done = check(folder, *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
