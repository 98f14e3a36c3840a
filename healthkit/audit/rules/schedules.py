"""Scheduled jobs that could stop running without a word."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator

from healthkit.audit import signs
from healthkit.audit.commands import python_module
from healthkit.audit.model import Scene, Spot
from healthkit.audit.processes import Process
from healthkit.audit.rules.fixes import URL, of_job
from healthkit.audit.source import Source, argument, keyword

_SCHEDULERS = re.compile(r"^(apscheduler\.|flask_apscheduler\.)")
_RQ_SCHEDULERS = re.compile(r"^rq_scheduler\.(scheduler\.)?Scheduler\(\)\.(cron|schedule)$")
_TIMELY = re.compile(r"Scheduler|StoredJobs|Cron|BeatHeartbeat")
_BEAT_NAMES = ("beat_schedule", "celerybeat_schedule", "celery_beat_schedule")
_WORKERS = {"rq": "rq_cron"}  # where `healthkit.workers` has another name for it
WHY = (
    "the job {name} runs by a schedule and tells nobody: "
    "the night it fails, hangs or is never started, all looks well."
)


def without_heartbeat(scene: Scene) -> Iterator[Spot]:
    """Find scheduled jobs without a heartbeat, in deployment files and in code."""
    for process in scene.processes:
        if process.scheduled and not _tells(scene, process):
            yield _of_process(process)
    for source in scene.project.sources:
        for call in source.calls:
            job = None if _looked_after(scene, source.dotted(call.func)) else _job(source, call)
            if job is not None and not _job_tells(scene, source, job):
                yield _in_code(source, call, job)
        yield from _decorated(scene, source)
        yield from _beat(scene, source)


def _tells(scene: Scene, process: Process) -> bool:
    """Whether a command, or the project's program that it runs, tells of its runs."""
    if signs.in_text(process.command) or (process.form != "crontab" and signs.in_text(process.around)):
        return True
    module = python_module(process.command)
    found = [
        source
        for source in scene.project.sources
        if module
        and (source.module in (module, f"{module}.__main__") or source.module.endswith(f".{module}"))
    ]
    scripts = [
        text
        for path, text in scene.project.texts.items()
        if path.suffix == ".sh" and path.name in process.command
    ]
    return any(signs.in_source(source) for source in found) or any(map(signs.in_text, scripts))


def _of_process(process: Process) -> Spot:
    slug = _slug(process.command)
    wrapped = wrap(process.command, f"{URL}{slug}")
    if process.form == "systemd":
        wrapped = f"ExecStart={wrapped}"
    elif process.form == "kubernetes":
        wrapped = (
            f'command: ["healthkit", "exec", "--url", "{URL}{slug}", "--", ...]  # and the command as it is'
        )
    elif process.form == "crontab":
        line = process.around.partition("\n")[0]
        wrapped = line.replace(process.command, wrapped)
    return Spot(process.path, process.line, WHY.format(name=slug), wrapped)


def wrap(command: str, url: str) -> str:
    """Return a command inside `healthkit exec`: after a leading `cd`, by a shell where it needs one."""
    place, run = re.match(r"(cd\s+\S+\s*&&\s*)?(.*)", command).groups(default="")  # type: ignore[union-attr]
    words = run if not re.search(r"[|&;<>$`]|^\w+=", run) else f"sh -c {shlex.quote(run)}"
    return f"{place}healthkit exec --url {url} -- {words}"


def _slug(command: str) -> str:
    module = python_module(command)
    words = (
        [module.rpartition(".")[2]]
        if module
        else re.findall(r"[\w.-]+", command.split()[0].rpartition("/")[2])
    )
    return re.sub(r"[^a-z0-9_]", "-", (words[0] if words else "job").removesuffix(".sh").lower())


def _job(source: Source, call: ast.Call) -> ast.expr | None:
    """Return the function that a call schedules; None when it schedules nothing."""
    dotted, name = source.dotted(call.func), getattr(call.func, "attr", "")
    if name == "add_job" and _SCHEDULERS.match(dotted):
        return argument(call, 0, "func")
    if _RQ_SCHEDULERS.match(dotted):
        return argument(call, 1, "func")
    if dotted in ("rq.cron.register", "rq.cron.CronScheduler().register"):
        return argument(call, 0, "func")
    if name == "do" and dotted.startswith("schedule.every"):
        return argument(call, 0, "job_func")
    if dotted in ("arq.cron", "arq.cron.cron"):
        return argument(call, 0, "coroutine")
    if name == "add_periodic_task" and len(call.args) > 1:
        return call.args[1]
    return None


def _looked_after(scene: Scene, dotted: str) -> bool:
    """Whether a check asks if this scheduler runs its jobs in time, or its jobs' heartbeats are turned on."""
    library = _library(dotted)
    if library == "rq" and _rq_jobs_tell(scene):
        return True
    worker = f"healthkit.workers.{_WORKERS.get(library, library)}"
    return bool(library) and any(
        (name.startswith(f"healthkit.checks.{library}.") and _TIMELY.search(name))
        or name == worker
        or name.startswith(f"{worker}.")
        for source in scene.project.sources
        for name in source.imports.values()
    )


def _rq_jobs_tell(scene: Scene) -> bool:
    """Whether the environment of RQ's workers makes every job tell its runs."""
    around = [process.around for process in scene.processes]
    return any("HEALTHKIT_JOBS_URL" in text and "healthkit.workers" in text for text in around)


def _job_tells(scene: Scene, source: Source, job: ast.expr) -> bool:
    if isinstance(job, ast.Call) and isinstance(job.func, ast.Attribute) and job.func.attr in ("s", "si"):
        job = job.func.value
    text = ast.unparse(job)
    if signs.in_text(text) or "heartbeat" in text.lower() or text.endswith(".job"):
        return True
    behind = signs.function_behind(scene.project, source, job)
    if behind is None:
        return isinstance(job, ast.Lambda | ast.Call) or _is_variable(source, job)
    return signs.in_function(*behind)


def _is_variable(source: Source, job: ast.expr) -> bool:
    """Whether it cannot be told which function this is."""
    return isinstance(job, ast.Name) and job.id not in source.imports


def _in_code(source: Source, call: ast.Call, job: ast.expr) -> Spot:
    name = ast.unparse(job).strip("\"'").removesuffix(".s()")
    short = re.split(r"[.:]", name)[-1]
    fix = of_job(_library(source.dotted(call.func)), _owner(call), short)
    return Spot(source.path, call.lineno, WHY.format(name=short), fix)


def _library(dotted: str) -> str:
    """Return the library that a dotted name belongs to, as `healthkit.workers` calls it."""
    return "apscheduler" if "apscheduler" in dotted else dotted.partition(".")[0].partition("_")[0]


def _owner(call: ast.Call) -> str:
    """Return how the code names the object whose method is called."""
    return ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else "app"


def _decorated(scene: Scene, source: Source) -> Iterator[Spot]:
    """Yield functions that a decorator schedules: APScheduler's, `@repeat(every()...)`, Huey's."""
    for function in source.functions:
        for mark in function.decorator_list:
            if not isinstance(mark, ast.Call) or not _schedules(source, mark):
                continue
            if _looked_after(scene, source.dotted(mark.func)):
                continue
            if not signs.in_function(source, function):
                fix = of_job(_library(source.dotted(mark.func)), _owner(mark), function.name)
                yield Spot(source.path, mark.lineno, WHY.format(name=function.name), fix)


def _schedules(source: Source, mark: ast.Call) -> bool:
    dotted = source.dotted(mark.func)
    if dotted.startswith("apscheduler.") and dotted.endswith(".scheduled_job"):
        return True
    return dotted == "schedule.repeat" or (dotted.startswith("huey.") and dotted.endswith(".periodic_task"))


def _beat(scene: Scene, source: Source) -> Iterator[Spot]:
    """Yield the entries of Celery's `beat_schedule` whose tasks tell nobody."""
    for node in () if _looked_after(scene, "celery") else source.nodes:
        if isinstance(node, ast.Assign):
            named = ast.unparse(node.targets[0]).rpartition(".")[2].lower() in _BEAT_NAMES
            value: ast.expr | None = node.value if named else None
        elif isinstance(node, ast.keyword) and node.arg == "beat_schedule":
            value = node.value
        else:
            continue
        for key, entry in zip(value.keys, value.values, strict=True) if isinstance(value, ast.Dict) else ():
            task = _task_of(entry)
            if key is None or task is None or _task_tells(scene, task):
                continue
            name = scene.project.text_of(source, key) or task
            short = task.rpartition(".")[2]
            fix = of_job("celery", _celery_name(source), short)
            yield Spot(source.path, key.lineno, WHY.format(name=name), fix)


def _celery_name(source: Source) -> str:
    """Return how a file names its Celery app."""
    return next((name for name, kind in source.made.items() if kind.endswith("Celery()")), "app")


def _task_of(entry: ast.expr) -> str | None:
    if isinstance(entry, ast.Dict):
        for key, value in zip(entry.keys, entry.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "task" and isinstance(value, ast.Constant):
                return str(value.value)
    return None


def _task_tells(scene: Scene, task: str) -> bool:
    """Whether a task, found by its name, tells of its runs; True as well where it is not the project's."""
    functions = [
        (source, function)
        for source in scene.project.sources
        for function in source.functions
        if f"{source.module}.{function.name}".endswith(task) or task in _task_names(function)
    ]
    return not functions or any(signs.in_function(source, function) for source, function in functions)


def _task_names(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    marks = [mark for mark in function.decorator_list if isinstance(mark, ast.Call)]
    names = [keyword(mark, "name") for mark in marks]
    return [str(name.value) for name in names if isinstance(name, ast.Constant)]
