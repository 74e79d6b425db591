"""The worker for Django's tasks: `tidemill-worker tidemill.django.worker:ALIAS` with DJANGO_SETTINGS_MODULE set, or
`manage.py tidemill_worker`. Each Django task becomes a task of this package, which sends Django's signals before and
after its function and closes old connections.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

import django
from asgiref.sync import sync_to_async
from django.apps import apps
from django.db import close_old_connections
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules

from ..app import App
from ..context import Context, current
from ..shape import time_of
from ..stops import StopReason
from ..worker.endings import Ending, of_error, of_value
from .backend import TidemillBackend
from .contract import (
    TaskContext,
    TaskError,
    TaskResult,
    TaskResultStatus,
    normalize_json,
    task_backends,
    task_finished,
    task_started,
)
from .results import moment
from .task import TidemillTask, known_tasks


@functools.cache
def app_of(alias: str) -> App:
    """The tasks of the project, at the server of that backend of TASKS. Raises ValueError for a backend that is not ours."""
    if not apps.ready:
        django.setup()
    backend = task_backends[alias]
    if not isinstance(backend, TidemillBackend):
        raise ValueError(f"TASKS[{alias!r}] is {type(backend).__name__}, not a tidemill.django.TidemillBackend")
    autodiscover_modules("tasks")
    for module in backend.options.get("modules", ()):
        import_module(module)
    app = App(backend.options.get("url"), backend.options.get("key"), schema=backend.schema)
    app.queues = tuple(sorted(backend.queues))
    for kind, task in known_tasks.items():
        app.add(function_of(task, backend), kind, {**task.worker_settings(), "error_type": class_path})
    return app


def __getattr__(alias: str) -> App:
    if alias.startswith("__"):
        raise AttributeError(alias)
    return app_of(alias)


def function_of(task: TidemillTask, backend: TidemillBackend) -> Callable[..., Any]:
    """What the worker calls, with the parameters that callers give."""

    @functools.wraps(task.func)
    def run(*args: Any, **kwargs: Any) -> Any:
        call = Call(task, backend, current())
        try:
            call.begin()
            value = normalize_json(task.func(*call.context_args(), *args, **kwargs))
        except BaseException as error:
            call.failed(error)
            raise
        call.returned(value)
        return value

    @functools.wraps(task.func)
    async def run_async(*args: Any, **kwargs: Any) -> Any:
        call = Call(task, backend, current())
        try:
            await sync_to_async(call.begin)()
            value = normalize_json(await task.func(*call.context_args(), *args, **kwargs))
        except BaseException as error:
            await sync_to_async(call.failed)(error)
            raise
        await sync_to_async(call.returned)(value)
        return value

    function: Any = run_async if inspect.iscoroutinefunction(task.func) else run
    parameters = list(inspect.signature(task.func).parameters.values())
    function.__signature__ = inspect.Signature(parameters[1 if task.takes_context else 0 :])
    return function  # type: ignore[no-any-return]


class Call:
    """One attempt as Django sees it: a TaskResult that begins and ends, and is announced by the signals."""

    def __init__(self, task: TidemillTask, backend: TidemillBackend, job: Context) -> None:
        self._task = task
        self._backend = backend
        self._job = job
        self.result: Any = None

    def begin(self) -> None:
        """It starts."""
        close_old_connections()
        self.result = self._result()
        task_started.send(type(self._backend), task_result=self.result)

    def context_args(self) -> tuple[Any, ...]:
        """The context, for a function that takes it."""
        return (TaskContext(task_result=self.result),) if self._task.takes_context else ()

    def returned(self, value: Any) -> None:
        """It returned."""
        self._ended(of_value(value, self._job, self._settings), value, None)

    def failed(self, error: BaseException) -> None:
        """It raised, or a timeout was raised while it began."""
        if self.result is not None:
            self._ended(of_error(error, self._job, self._settings), None, error)

    @property
    def _settings(self) -> Any:
        return app_of(self._backend.alias).tasks[self._job.kind].settings

    def _ended(self, ending: Ending, value: Any, error: BaseException | None) -> None:
        """Reports it if it is the end of the task, and not only of the attempt."""
        job, is_complete = self._job, ending.verb == "complete"
        is_failed = ending.verb == "fail" and (bool(ending.body["permanent"]) or job.attempt >= job.max_attempts)
        is_cancelled = is_complete and "result" not in ending.body and job.asked_to_stop is StopReason.CANCEL
        if is_failed or is_cancelled:
            what = ending.body.get("error", {})
            path = class_path(error) if error is not None else "tidemill.errors.JobCancelled"
            text = what.get("backtrace") or what.get("message") or "the job was cancelled"
            self.result.errors.append(TaskError(exception_class_path=path, traceback=text))
            self._finish(TaskResultStatus.FAILED)
        elif is_complete:
            object.__setattr__(self.result, "_return_value", value)
            self._finish(TaskResultStatus.SUCCESSFUL)
        close_old_connections()

    def _finish(self, status: Any) -> None:
        object.__setattr__(self.result, "status", status)
        object.__setattr__(self.result, "finished_at", moment(timezone.now()))
        task_finished.send(type(self._backend), task_result=self.result)

    def _result(self) -> Any:
        job, now = self._job.job, moment(timezone.now())
        note = (job.get("metadata") or {}).get("django") or {}
        args, kwargs = self._task.signature.split(job["args"], note.get("positional", 0))
        before = self._backend.get_result(self._job.id) if self._job.attempt > 1 else None
        return TaskResult(
            task=self._task.using(queue_name=self._job.queue, priority=note.get("priority"), backend=self._backend.alias),
            id=self._job.id,
            status=TaskResultStatus.RUNNING,
            enqueued_at=moment(time_of(job["created_at"])),
            started_at=before.started_at if before else now,
            finished_at=None,
            last_attempted_at=now,
            args=args,
            kwargs=kwargs,
            backend=self._backend.alias,
            errors=before.errors if before else [],
            worker_ids=before.worker_ids if before else [job.get("worker_id") or ""],
        )


def class_path(error: BaseException) -> str:
    """The class of an exception as Django names it."""
    return f"{type(error).__module__}.{type(error).__qualname__}"
