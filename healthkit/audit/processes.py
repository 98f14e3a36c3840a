"""The processes and scheduled jobs that a project's deployment files start, read as plain text.

Procfile, docker-compose, Kubernetes, Dockerfile, systemd, supervisor, Makefile, shell scripts and crontabs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from healthkit.audit.project import Project

_SCHEDULE = re.compile(
    r"""^\s*(?:[-\d*/,]+\s+[-\d*/,]+\s+[-\d*/,]+\s+[-\d*/,A-Za-z]+\s+[-\d*/,A-Za-z]+ |
    @(?:hourly|daily|midnight|weekly|monthly|yearly|annually|every\S*))\s+(\S.*)$""",
    re.VERBOSE,
)
_COMMENT = re.compile(r"\s+#\s.*$")
_KEY = re.compile(r"^(\s*)(?:-\s+)?(command|entrypoint|args):\s*(.*)$")


@dataclass(frozen=True, slots=True)
class Process:
    """One command that a file starts. `around` is the text in which its environment would be set.

    `form` names the kind of file; `scheduled` says that it runs by a schedule and ends.
    """

    path: Path
    line: int
    command: str
    around: str
    form: str
    scheduled: bool = False


def read(project: Project) -> tuple[Process, ...]:
    """Return every process of the project's deployment files."""
    everywhere = "\n".join(text for path, text in project.texts.items() if _is_env(path))
    found = (process for path, text in project.texts.items() for process in _of(path, text, project))
    return tuple(
        Process(p.path, p.line, _COMMENT.sub("", p.command), f"{p.around}\n{everywhere}", p.form, p.scheduled)
        for p in found
    )


def _is_env(path: Path) -> bool:
    return path.name.startswith(".env") or path.suffix == ".env"


def _of(path: Path, text: str, project: Project) -> Iterator[Process]:
    name, suffix = path.name.lower(), path.suffix.lower()
    if suffix == ".timer":
        yield from _timer(path, text, project)
        return
    for fits, parse in _PARSERS:
        if fits(path, name, suffix):
            yield from parse(path, text)
            return


def _procfile(path: Path, text: str) -> Iterator[Process]:
    for number, line in _lines(text):
        name, colon, command = line.partition(":")
        if colon and re.fullmatch(r"[\w-]+", name):
            yield Process(path, number, command.strip(), line, "procfile")


def _makefile(path: Path, text: str) -> Iterator[Process]:
    exported = "\n".join(line for line in text.splitlines() if line.startswith("export"))
    for number, line in _lines(text):
        if line.startswith("\t"):
            yield Process(path, number, line.strip().lstrip("@-+"), f"{line}\n{exported}", "shell")


def _script(path: Path, text: str) -> Iterator[Process]:
    for number, line in _lines(text):
        yield Process(path, number, line.strip(), text, "shell")


def _dockerfile(path: Path, text: str) -> Iterator[Process]:
    for number, line in _lines(text):
        found = re.match(r"\s*(?:CMD|ENTRYPOINT)\s+(.*)$", line, re.IGNORECASE)
        if found:
            yield Process(path, number, _flat(found[1]), text, "dockerfile")


def _unit(path: Path, text: str) -> Iterator[Process]:
    for number, line in _lines(text):
        if line.startswith("ExecStart="):
            yield Process(path, number, line.partition("=")[2].lstrip("-@:+! "), text, "systemd")


def _timer(path: Path, text: str, project: Project) -> Iterator[Process]:
    """Yield what a timer starts, at the line of the timer's unit: there a heartbeat would stand."""
    named = re.search(r"^Unit=(\S+)", text, re.MULTILINE)
    wanted = named[1] if named else f"{path.stem}.service"
    for unit, unit_text in project.texts.items():
        if unit.name == wanted:
            for process in _unit(unit, unit_text):
                yield Process(unit, process.line, process.command, unit_text, "systemd", scheduled=True)


def _supervisor(path: Path, text: str) -> Iterator[Process]:
    if "[program:" not in text:
        return
    start, section = 1, ""
    for block in re.split(r"^(?=\[)", text, flags=re.MULTILINE):
        section = block.partition("\n")[0]
        for number, line in _lines(block):
            if section.startswith("[program:") and line.startswith("command"):
                command = line.partition("=")[2].strip()
                yield Process(path, start + number - 1, command, block, "supervisor")
        start += block.count("\n")


def _yaml(path: Path, text: str) -> Iterator[Process]:
    start = 1
    for document in re.split(r"^---.*$", text, flags=re.MULTILINE):
        kind = re.search(r"^kind:\s*(\w+)", document, re.MULTILINE)
        if kind and kind[1] == "CronJob":
            line = start + document[: kind.start()].count("\n")
            yield Process(path, line, _commands(document), document, "kubernetes", scheduled=True)
        elif kind or re.search(r"^services:", document, re.MULTILINE):
            form = "kubernetes" if kind else "compose"
            yield from _services(path, document, form, start)
        start += document.count("\n")


def _services(path: Path, document: str, form: str, start: int) -> Iterator[Process]:
    lines = document.splitlines()
    for index, line in enumerate(lines):
        found = _KEY.match(line)
        if found is None or line.lstrip().startswith("#"):
            continue
        indent = len(found[1])
        block = document if form == "kubernetes" or "<<:" in document else _block(lines, index, indent)
        yield Process(path, start + index, _value(lines, index), block, form)


def _commands(document: str) -> str:
    lines = document.splitlines()
    return " ".join(_value(lines, index) for index, line in enumerate(lines) if _KEY.match(line))


def _value(lines: list[str], index: int) -> str:
    """Return a command written on the key's own line, or as the list or text below it."""
    found = _KEY.match(lines[index])
    if found is None:
        return ""
    if found[3] and found[3].strip() not in ("|", ">", "|-", ">-"):
        return _flat(found[3])
    parts, indent = [], len(found[1])
    for line in lines[index + 1 :]:
        depth = len(line) - len(line.lstrip())
        if line.strip() and (depth < indent or (depth == indent and not line.lstrip().startswith("-"))):
            break
        parts.append(line.strip().removeprefix("- ").strip("\"'"))
    return " ".join(part for part in parts if part)


def _block(lines: list[str], index: int, indent: int) -> str:
    """Return the service around a line: everything as deep as the line, before and after it."""
    first = last = index
    while first > 0 and _depth(lines[first - 1]) >= indent:
        first -= 1
    while last + 1 < len(lines) and _depth(lines[last + 1]) >= indent:
        last += 1
    return "\n".join(lines[first : last + 1])


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip()) if line.strip() else 1_000


def _flat(text: str) -> str:
    """Return a command written as a JSON or YAML list as one line."""
    text = text.strip()
    if text.startswith("["):
        return " ".join(re.findall(r"""["']([^"']*)["']""", text)) or text.strip("[]").replace(",", " ")
    return text.strip("\"'")


def _crontab(path: Path, text: str) -> Iterator[Process]:
    for number, line in _lines(text):
        found = _SCHEDULE.match(line)
        if found and "=" not in line.split()[0]:
            yield Process(path, number, found[1], line, "crontab", scheduled=True)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that are no comments, numbered; one continued by a backslash is one line."""
    number, held, first = 0, "", 0
    for line in text.splitlines():
        number += 1
        first = first or number
        if line.endswith("\\"):
            held += line[:-1]
            continue
        whole, held, at, first = held + line, "", first, 0
        if whole.strip() and not whole.lstrip().startswith("#"):
            yield at, whole


_Fits = Callable[[Path, str, str], bool]
_Parse = Callable[[Path, str], Iterator[Process]]
_PARSERS: tuple[tuple[_Fits, _Parse], ...] = (
    (lambda _, name, __: name.startswith("procfile"), _procfile),
    (lambda _, name, __: name.startswith(("makefile", "gnumakefile")), _makefile),
    (lambda _, name, suffix: name.startswith(("dockerfile", "containerfile")) or suffix == ".dockerfile",
     _dockerfile),
    (lambda path, name, suffix: "crontab" in name or suffix == ".cron"
     or path.parent.name in ("cron.d", "crontabs"), _crontab),
    (lambda _, __, suffix: suffix == ".service", _unit),
    (lambda _, __, suffix: suffix in (".conf", ".ini"), _supervisor),
    (lambda _, __, suffix: suffix in (".yml", ".yaml"), _yaml),
    (lambda _, __, suffix: suffix == ".sh", _script),
)  # fmt: skip
