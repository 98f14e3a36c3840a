"""The command: its exit codes, its formats, its errors, and the comments that silence it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from healthkit.cli import main
from tests.healthkit.audit.samples import Sample

BAD = """
from flask import Flask
app = Flask(__name__)
@app.get("/health")
def health():
    return "ok"
"""
GOOD = """
from flask import Flask
app = Flask(__name__)
app.add_url_rule("/health", view_func=lambda: ("", 204))
"""


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command; return its exit code and what it wrote."""
    code = main(["audit", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_findings_are_told_with_code_place_reason_and_fix(
    sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    sample.write({"app.py": BAD})
    code, out, err = run(capsys, "app:app")
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert lines[0] == "HK008  app.py:4"
    assert lines[1].strip().startswith("/health is hard-coded")
    assert "       fix: HealthKit(app, health)" in out
    assert lines[-1] == "app:app: 1 finding"


def test_nothing_found_is_exit_0(sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    sample.write({"app.py": GOOD})
    assert run(capsys, "app:app") == (0, "app:app: nothing found that could break unseen\n", "")


@pytest.mark.usefixtures("imports_done")
def test_json_has_the_documented_keys(sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    sample.write({"app.py": BAD})
    code, out, _ = run(capsys, "app:app", "--json")
    document = json.loads(out)
    assert code == 1
    assert (document["version"], document["target"]) == (1, "app:app")
    [row] = document["findings"]
    assert list(row) == ["code", "file", "line", "why", "fix"]
    assert (row["code"], row["file"], row["line"]) == ("HK008", "app.py", 4)


@pytest.mark.usefixtures("imports_done")
def test_json_of_nothing_is_still_a_document(sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    sample.write({"app.py": GOOD})
    code, out, _ = run(capsys, "app:app", "--json")
    assert (code, json.loads(out)["findings"]) == (0, [])


@pytest.mark.usefixtures("imports_done")
def test_github_gets_an_annotation_a_line(sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    sample.write({"app.py": BAD, "crontab": "0 2 * * * backup --to 100%\n"})
    _, out, _ = run(capsys, "app:app", "--format", "github")
    first, second = out.splitlines()
    assert first.startswith("::warning file=app.py,line=4,title=HK008::/health is hard-coded")
    assert second.startswith("::warning file=crontab,line=1,title=HK005::")
    assert "100%25" in second


@pytest.mark.usefixtures("imports_done")
@pytest.mark.parametrize(
    ("arguments", "codes"),
    [
        ((), ["HK005", "HK008"]),
        (("--select", "HK008"), ["HK008"]),
        (("--select", "hk008, HK001"), ["HK008"]),
        (("--ignore", "HK008"), ["HK005"]),
        (("--ignore", "HK008,HK005"), []),
    ],
)
def test_codes_are_selected_and_ignored(
    sample: Sample, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], codes: list[str]
) -> None:
    sample.write({"app.py": BAD, "crontab": "0 2 * * * backup\n"})
    code, out, _ = run(capsys, "app:app", "--json", *arguments)
    assert sorted(row["code"] for row in json.loads(out)["findings"]) == codes
    assert code == (1 if codes else 0)


@pytest.mark.usefixtures("imports_done")
def test_project_bounds_what_is_read(sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    sample.write({"app.py": GOOD, "crontab": "0 2 * * * backup\n", "deploy/crontab": "0 3 * * * purge\n"})
    _, out, _ = run(capsys, "app:app", "--json", "--project", "deploy")
    assert [row["file"] for row in json.loads(out)["findings"]] == ["deploy/crontab"]


BROKEN = {
    "nothing": ("", "app:app", "'app:app': there is no 'app' in app"),
    "no such module": ("", "nope:app", "cannot be imported: ModuleNotFoundError: No module named 'nope'"),
    "no such name": (GOOD, "app:other", "there is no 'other'"),
    "no module": (GOOD, "not a module", "is not a module's name"),
    "syntax": ("x = = 1\n", "app:app", "SyntaxError: invalid syntax (app.py:1)"),
    "missing variable": ("import os\nos.environ['NOT_SET']\n", "app:app", "KeyError: 'NOT_SET' (app.py:2)"),
    "exit": ("import sys\nsys.exit(3)\n", "app:app", "it ends the process (SystemExit) (app.py:2)"),
    "hard exit": ("import os\nos._exit(0)\n", "app:app", "ended before the app was there"),
    "a number": ("app = 3\n", "app:app", "is a int: neither an app nor a factory"),
    "a broken factory": ("def app():\n    return 1 / 0\n", "app:app", "breaks: ZeroDivisionError (app.py:2)"),
    "no app from it": ("def app():\n    return None\n", "app:app", "returned a NoneType, which is no app"),
    "no name": ("x = 1\n", "app", "names no app; write app:app"),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_an_app_that_cannot_be_had_is_exit_2_and_one_clear_line(
    sample: Sample, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    text, target, reason = BROKEN[name]
    sample.write({"app.py": text})
    code, out, err = run(capsys, target)
    assert (code, out) == (2, "")
    assert reason in err
    assert err.startswith("healthkit audit: ")
    assert err.count("\n") == 1


def test_an_import_that_hangs_is_ended_with_all_it_started(
    sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    sample.write({"app.py": "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)\n"})
    code, _, err = run(capsys, "app:app", "--timeout", "3s")
    assert code == 2
    assert "not imported within 3 s" in err
    pid = int(Path("pid").read_text())
    assert not Path(f"/proc/{pid}").exists()


def test_the_text_of_an_unknown_exception_is_not_told(
    sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    sample.write({"app.py": "raise RuntimeError('postgresql://user:topsecret@db')\n"})
    code, _, err = run(capsys, "app:app")
    assert code == 2
    assert "RuntimeError (app.py:1)" in err
    assert "topsecret" not in err


@pytest.mark.parametrize(
    "arguments", [("--select", "HK999"), ("--project", "nowhere"), ("--timeout", "soon")]
)
def test_wrong_options_are_exit_2(
    sample: Sample, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    sample.write({"app.py": GOOD})
    assert run(capsys, "app:app", *arguments)[0] == 2


def test_what_the_app_prints_is_not_in_the_way(sample: Sample, capfd: pytest.CaptureFixture[str]) -> None:
    sample.write({"app.py": f"import os\nprint('hello')\nos.write(1, b'hello')\n\n{GOOD}"})
    assert main(["audit", "app:app", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["findings"] == []


@pytest.mark.parametrize("factory", ["create", "create()"])
def test_a_factory_is_called(sample: Sample, factory: str) -> None:
    text = "from flask import Flask\ndef create():\n    return Flask('x')\n"
    assert sample.codes({"app.py": text}, f"app:{factory}") == ["HK013"]


IGNORED = """
from flask import Flask
app = Flask(__name__)
{above}
@app.get("/health")
def health():{beside}
    text = "# healthkit: ignore[HK001]"
    return "ok"
"""


@pytest.mark.usefixtures("imports_done")
@pytest.mark.parametrize(
    ("beside", "codes"),
    [
        ("  # healthkit: ignore[HK008] nothing to depend on", []),
        ("  # healthkit: ignore[HK001, HK008]: nothing to depend on", []),
        ("  # healthkit: ignore[HK008]", ["HK000"]),
        ("  # healthkit: ignore nothing to depend on", ["HK000", "HK008"]),
        ("  # healthkit: ignore[HK001] another one", ["HK008"]),
        ("  # healthkit: ignore[HK777] no such rule", ["HK000", "HK008"]),
    ],
)
def test_a_comment_silences_its_codes_and_wants_a_reason(
    sample: Sample, beside: str, codes: list[str]
) -> None:
    assert sorted(sample.codes({"app.py": IGNORED.format(above="", beside=beside)})) == codes


def test_a_comment_alone_on_its_line_speaks_of_the_next(sample: Sample) -> None:
    crontab = (
        "# healthkit: ignore[HK005] it only tidies up\n# every night\n0 2 * * * tidy\n0 3 * * * backup\n"
    )
    files = {"app.py": GOOD, "crontab": crontab}
    assert [(one.line, one.code) for one in sample.audit(files)] == [(4, "HK005")]
