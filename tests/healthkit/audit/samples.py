"""Writing small projects and auditing them as a user does: from the project's folder."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from healthkit.audit import observation
from healthkit.audit.facts import Facts, Route
from healthkit.audit.model import Finding
from healthkit.audit.run import audit, findings
from tests.healthkit.audit import ready

APPS = Path(__file__).parent / "apps"
_GAP = re.compile(r"# gap: ((?:HK\d{3} ?)+)")


def gaps(folder: Path) -> set[tuple[str, int, str]]:
    """Return what the files of a folder say is wrong in them: file name, line and code."""
    return {
        (path.name, number, code)
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".db", ".pyc")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for match in _GAP.finditer(line)
        for code in match[1].split()
    }


def found(seen: tuple[Finding, ...]) -> set[tuple[str, int, str]]:
    """Return findings in the form of `gaps`."""
    return {(Path(one.path).name, one.line, one.code) for one in seen}


class Sample:
    """A project in a folder of its own; the audit runs from there."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._patch = monkeypatch
        monkeypatch.chdir(folder)
        monkeypatch.setenv("AUDIT_DATABASE_URL", f"sqlite:///{folder}/sample.db")

    def write(self, files: Mapping[str, str]) -> None:
        """Write the project's files."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")

    def audit(self, files: Mapping[str, str], target: str = "app:app") -> tuple[Finding, ...]:
        """Write the files and audit them."""
        self.write(files)
        with self._patch.context() as patch:
            patch.setattr(observation, "_run", ready.look)
            return audit(target)

    def codes(self, files: Mapping[str, str], target: str = "app:app") -> list[str]:
        """Return the codes of what is found."""
        return [one.code for one in self.audit(files, target)]

    def reads(self, files: Mapping[str, str]) -> tuple[Finding, ...]:
        """Write the files and judge their text alone, as of an app that mounts healthkit."""
        self.write({"app.py": "", **files})
        python = tuple(str(self.folder / name) for name in files if name.endswith(".py"))
        root = str(self.folder)
        return findings(
            Facts("flask", f"{root}/app.py", root, python, routes=(Route("/health", mounted=True),))
        )

    def texts_agree(self, files: Mapping[str, str]) -> None:
        """Assert what `agrees` does, of the text of files alone: the app is not built."""
        self._compare(self.reads(files))

    def agrees(self, files: Mapping[str, str], target: str = "app:app") -> None:
        """Assert that the audit finds what `# gap:` comments say, and nothing else."""
        self._compare(self.audit(files, target))

    def _compare(self, seen: tuple[Finding, ...]) -> None:
        known = gaps(self.folder)
        missed, false = known - found(seen), found(seen) - known
        if missed or false:
            raise AssertionError(f"missed: {sorted(missed)}; false: {sorted(false)}; {seen}")
