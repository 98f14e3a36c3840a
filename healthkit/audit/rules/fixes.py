"""The lines that turn heartbeats on: for each worker library its own, of `healthkit.workers`."""

from __future__ import annotations

BASE = "https://checker.example/ping/<key>"
URL = f"{BASE}/"
RQ_WORKER = "healthkit.workers.rq.HeartbeatWorker"

_IN_FILES = {  # how each kind of file sets a variable
    "systemd": "Environment=RQ_WORKER_CLASS={cls} HEALTHKIT_PING_URL={url}",
    "dockerfile": "ENV RQ_WORKER_CLASS={cls} HEALTHKIT_PING_URL={url}",
    "compose": "environment: {{ RQ_WORKER_CLASS: {cls}, HEALTHKIT_PING_URL: '{url}' }}",
    "kubernetes": "env: [{{ name: RQ_WORKER_CLASS, value: {cls} }}, "
    "{{ name: HEALTHKIT_PING_URL, value: '{url}' }}]",
    "supervisor": 'environment=RQ_WORKER_CLASS="{cls}",HEALTHKIT_PING_URL="{url}"',
}
_SHELL = "RQ_WORKER_CLASS={cls} HEALTHKIT_PING_URL={url} {command}"
_WORKERS = {
    "celery": 'install({app}, url="{url}")  # from healthkit.workers.celery, where the app is made',
    "dramatiq": 'broker.add_middleware(Heartbeats(url="{url}"))  # from healthkit.workers.dramatiq, last',
    "huey": 'install({app}, url="{url}")  # from healthkit.workers.huey, where it is made',
    "arq": '@beating(url="{url}")  # from healthkit.workers.arq, above class {app}',
}
_JOBS = {
    "apscheduler": 'install({app}, jobs_url="{base}")  # from healthkit.workers.apscheduler',
    "celery": 'install({app}, tasks_url="{base}", only="scheduled")  # from healthkit.workers.celery',
    "huey": 'install({app}, tasks_url="{base}")  # from healthkit.workers.huey',
    "arq": '@beating(functions_url="{base}")  # from healthkit.workers.arq, above its WorkerSettings',
    "rq": "RQ_WORKER_CLASS={cls} HEALTHKIT_JOBS_URL={base}  # where the RQ worker that runs it is started",
}
_ANY = '@Heartbeat("{url}").job  # above def {name}'


def of_rq_worker(form: str, slug: str, command: str) -> str:
    """Return what a deployment file of this form says to have its RQ worker beat."""
    return _IN_FILES.get(form, _SHELL).format(cls=RQ_WORKER, url=f"{URL}{slug}", command=command)


def of_worker(library: str, app: str) -> str:
    """Return the call that makes a library's workers beat; `app` is how the code names what it takes."""
    return _WORKERS[library].format(app=app, url=f"{URL}worker-{library}")


def of_job(library: str, app: str, name: str) -> str:
    """Return the line that makes scheduled jobs of a library tell their runs, or this one, called `name`."""
    slug = name.replace("_", "-")
    return _JOBS.get(library, _ANY).format(app=app, base=BASE, cls=RQ_WORKER, name=name, url=f"{URL}{slug}")
