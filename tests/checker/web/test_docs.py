"""The pages about the API say what is so: every configuration is read, every command is run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from checker.config import load
from checker.model import Cause, Incident, Kind, Member, State
from checker.store import incidents
from checker.web.access import Right, right_of
from tests.checker.web.served import served
from tests.checker.web.site import ADMIN, PING_KEY, READER, Site

DOCS = Path(__file__).parents[3] / "docs" / "checker"
PROGRAMS = Path(__file__).parents[1] / "programs"
PAGES = ["ping-api.md", "management-api.md", "security.md"]
ENVIRON = {"CHECKER_ADMIN_TOKEN": ADMIN, "CHECKER_READ_ONLY_TOKEN": READER}


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def curl(folder: Path) -> Path:
    """Return a folder with `curl` in it: the real one's, or of one that knows what the pages use of it."""
    found = shutil.which("curl")
    if found:
        return Path(found).parent
    program = folder / "bin" / "curl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{PROGRAMS / "curl.py"}" "$@"\n')
    program.chmod(0o755)
    return program.parent


def test_the_stand_in_for_curl_does_what_curl_does(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with served(site.app) as url:
        command = [sys.executable, str(PROGRAMS / "curl.py"), "-fsS", "-m", "10"]
        ping = f"{url}/ping/{PING_KEY}/nightly-invoices/1"
        said = subprocess.run([*command, "--data-binary", "@-", ping], input=b"oh no", capture_output=True)
        missing = subprocess.run([*command, f"{url}/ping/{PING_KEY}/none"], capture_output=True)
    site.close()
    assert (said.returncode, said.stdout) == (0, b"OK")
    assert missing.returncode == 22


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_page_works(tmp_path: Path, page: str) -> None:
    heartbeats = "\n".join(each for each in blocks(page, "toml") if "[[heartbeat]]" in each)
    site = Site(tmp_path, more=heartbeats)
    site.live = True
    member = Member(site.id("shop"), "shop", State.DOWN, "503", Cause.HTTP, site.now)
    found = Incident(0, "shop", "key", "shop is down", "503", site.now, members=(member,))
    site.store.write_now(lambda conn: incidents.save(conn, found, site.now))
    (tmp_path / "build.log").write_text("oh no\n")
    script = "set -euo pipefail\n" + "\n".join(blocks(page, "sh"))
    assert script.count("curl") >= 2
    with served(site.app) as url:
        environment = {**os.environ, **ENVIRON, "CHECKER": url, "PING_KEY": PING_KEY}
        environment["PATH"] = f"{curl(tmp_path)}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
    site.close()
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr)


@pytest.mark.parametrize("page", PAGES)
def test_every_configuration_of_the_page_is_read(tmp_path: Path, page: str) -> None:
    for number, text in enumerate(blocks(page, "toml")):
        path = tmp_path / f"{number}.toml"
        path.write_text(text)
        config = load(path, ENVIRON)
        if "admin_token" in text:
            assert right_of(config.server, ADMIN) is Right.WRITE
            assert right_of(config.server, READER) is Right.READ


def test_the_rules_of_the_page_are_what_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "checker.toml"
    path.write_text("\n".join(blocks("ping-api.md", "toml")))
    config = load(path, {})
    backup, moved = (spec for spec in config.monitors if spec.kind is Kind.HEARTBEAT)
    assert backup.rules is not None
    assert (backup.rules.methods, backup.rules.failure_kw) == ("POST", "error,failed")
    assert backup.manual_resume
    assert (moved.token, moved.push_token) == ("", "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY")
