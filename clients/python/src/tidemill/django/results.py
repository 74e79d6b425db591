"""The state of a job as Django's TaskResult, read by SQL from the views `all_jobs` and `job_attempts`. Writes nothing."""

from __future__ import annotations

import builtins
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.module_loading import import_string

from .contract import TaskError, TaskResult, TaskResultStatus
from .task import known_tasks

_JOB = (
    "kind, queue, status, attempt, run_at, created_at, started_at, finished_at, worker_id, "
    "cast(metadata as text), cast(args as text), cast(result as text), cast(error as text)"
)
_ATTEMPT = "worker_id, started_at, cast(error as text)"
_ENDS = {
    "running": TaskResultStatus.RUNNING,
    "completed": TaskResultStatus.SUCCESSFUL,
    "failed": TaskResultStatus.FAILED,
    "cancelled": TaskResultStatus.FAILED,
}
# In place of a value that the database alone cannot show.
_ELSEWHERE = {"$sealed", "$stored"}


@dataclass(frozen=True)
class JobRow:
    """A row of `all_jobs`."""

    kind: str
    queue: str
    status: str
    attempt: int
    run_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    worker_id: str | None
    metadata: Any
    args: Any
    result: Any
    error: Any

    @property
    def note(self) -> Mapping[str, Any]:
        """What the backend noted when it enqueued the job; empty for a job of somebody else."""
        return (self.metadata or {}).get("django") or {}

    @property
    def is_elsewhere(self) -> bool:
        """True if only the server can read its args or its result."""
        return any(isinstance(part, dict) and len(part) == 1 and {*part} <= _ELSEWHERE for part in (self.args, self.result))


@dataclass(frozen=True)
class AttemptRow:
    """A row of `job_attempts`."""

    worker_id: str
    started_at: datetime | None
    error: Any


Stored = tuple[JobRow, list[AttemptRow]]


def read(cursor: Any, schema: str, id: str) -> Stored | None:
    """The job and its attempts that failed; None if there is no such job."""
    cursor.execute(f'select {_JOB} from "{schema}".all_jobs where id = cast(%s as uuid)', [id])
    row = cursor.fetchone()
    if row is None:
        return None
    cursor.execute(f'select {_ATTEMPT} from "{schema}".job_attempts where job_id = cast(%s as uuid) order by attempt', [id])
    attempts = [AttemptRow(worker, moment(began), _json(error)) for worker, began, error in cursor.fetchall()]
    times, values = [moment(value) for value in row[4:8]], [_json(text) for text in row[9:]]
    return JobRow(*[*row[:4], *times, row[8], *values]), attempts


def _json(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def moment(value: datetime | None) -> datetime | None:
    """A time as this project has them: with a zone, or without under USE_TZ = False."""
    if value is None or settings.USE_TZ or timezone.is_naive(value):
        return value
    naive: datetime = timezone.make_naive(value)
    return naive


def result_of(stored: Stored, id: str, backend: str) -> Any:
    """The TaskResult. Raises KeyError for a job of no task, and what the import of a task's module raises."""
    job, attempts = stored
    task = task_of(job, backend)
    given = task.signature.split(job.args, job.note.get("positional", 0))
    workers = [attempt.worker_id for attempt in attempts][: job.attempt]
    # The attempt that runs, or brought the result, is in no row of its own.
    workers += [job.worker_id or ""] * (job.attempt - len(workers))
    result = TaskResult(
        task=task,
        id=id,
        status=_ENDS.get(job.status, TaskResultStatus.READY),
        enqueued_at=job.created_at,
        started_at=attempts[0].started_at if attempts else job.started_at,
        finished_at=job.finished_at,
        last_attempted_at=job.started_at or (attempts[-1].started_at if attempts else None),
        args=given[0],
        kwargs=given[1],
        backend=backend,
        errors=_errors(job, attempts),
        worker_ids=workers,
    )
    object.__setattr__(result, "_return_value", job.result)
    return result


def task_of(job: JobRow, backend: str) -> Any:
    """The task that the job is of, with the settings that it was enqueued with."""
    path = job.note.get("task") or job.kind
    if job.kind not in known_tasks:
        import_string(path)
    changes = {"queue_name": job.queue, "backend": backend, "priority": job.note.get("priority")}
    if job.note.get("deferred"):
        changes["run_after"] = job.run_at
    return known_tasks[job.kind].using(**changes)


def _errors(job: JobRow, attempts: list[AttemptRow]) -> list[Any]:
    errors = [_error(attempt.error) for attempt in attempts if attempt.error]
    if job.status == "cancelled":
        text = (job.error or {}).get("message") or "the job was cancelled"
        return [*errors, TaskError(exception_class_path="tidemill.errors.JobCancelled", traceback=text)]
    if job.status == "failed" and not errors:
        errors = [_error(job.error or {})]
    return errors


def _error(error: Mapping[str, Any]) -> Any:
    text = error.get("backtrace") or error.get("message") or ""
    return TaskError(exception_class_path=_class_path(str(error.get("type"))), traceback=text)


def _class_path(name: str) -> str:
    """The class of an exception by its path; what is no exception of Python has one of ours."""
    if "." in name:
        return name
    if isinstance(found := getattr(builtins, name, None), type) and issubclass(found, BaseException):
        return f"builtins.{name}"
    return "builtins.TimeoutError" if name == "timeout" else "tidemill.errors.JobFailed"
