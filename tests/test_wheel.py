"""What is shipped works: the built wheel, installed apart from this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the unpacked wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("healthkit_monitor-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed: Path, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_it_holds_the_four_packages_and_nothing_else(installed: Path) -> None:
    found = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert found == {"healthkit", "healthkit_flask", "healthkit_fastapi", "checker"}
    assert all((installed / name / "py.typed").is_file() for name in found)


def test_it_holds_every_file_that_is_no_module(installed: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "healthkit", "healthkit_flask", "healthkit_fastapi", "checker"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert [name for name in listed.stdout.splitlines() if not (installed / name).is_file()] == []


def test_the_checker_makes_its_database_and_tells_its_status(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "checker.toml").write_text(
        '[server]\nping_key = "0123456789abcdef"\n[[heartbeat]]\nname = "nightly"\nschedule = "0 2 * * *"\n'
    )
    migrated = run(installed, "-m", "checker", "migrate", cwd=tmp_path)
    assert migrated.returncode == 0, migrated.stderr
    assert (tmp_path / "checker.db").is_file()
    checked = run(installed, "-m", "checker", "check-config", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr


def test_the_command_line_starts_with_the_standard_library_alone(installed: Path, tmp_path: Path) -> None:
    bare = [sys.executable, "-I", "-S", "-c"]
    start = "from healthkit.cli import main; main(['--help'])"
    code = f"import sys; sys.path.insert(0, {str(installed)!r}); {start}"
    done = subprocess.run([*bare, code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ping" in done.stdout
