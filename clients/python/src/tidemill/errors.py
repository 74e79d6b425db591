"""Errors as exceptions: refusals of the server (typed from its problem documents), jobs that did not complete, and a
server that cannot be reached. Must never hide the server's message: `detail`, `field` and `remedy` are passed on
unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .models import Job

TYPE_BASE = "https://tidemill.dev/problems/"


class TidemillError(Exception):
    """Everything that this package raises of its own."""


class ConnectionFailed(TidemillError):
    """The server could not be reached, or the answer did not come; `__cause__` is an OSError or httpx's error."""


class WaitTimeout(TidemillError, TimeoutError):
    """The job did not end within the time that was to be waited; it goes on."""


class Problem(TidemillError):
    """A refusal of the server: an RFC 9457 problem document. Its subclasses distinguish the `type`."""

    slug = ""

    def __init__(self, document: Mapping[str, Any], retry_after: float | None = None) -> None:
        self.type: str = document.get("type", "about:blank")
        self.title: str = document.get("title", "")
        self.status: int = document.get("status", 0)
        self.detail: str = document.get("detail", "")
        self.field: str | None = document.get("field")
        self.remedy: str | None = document.get("remedy")
        self.document: dict[str, Any] = dict(document)
        self.retry_after = retry_after
        super().__init__(document)

    def __str__(self) -> str:
        place = f" ({self.field})" if self.field else ""
        return " ".join(part for part in (f"{self.detail or self.title}{place}", self.remedy) if part)


class Unauthorized(Problem):
    """A valid API key is needed."""

    slug = "unauthorized"


class Forbidden(Problem):
    """The key does not allow this; `detail` names the scope that would."""

    slug = "forbidden"


class NotFound(Problem):
    """There is nothing at this address."""

    slug = "not-found"


class JobNotFound(NotFound):
    """There is no such job, or it is kept no more."""

    slug = "job-not-found"


class InvalidRequest(Problem):
    """A value is not acceptable; `field` says which."""

    slug = "invalid-request"


class TooLarge(Problem):
    """The request, or a value in it, is too large."""

    slug = "too-large"


class Conflict(Problem):
    """The state of things does not allow it; see the subclasses."""


class NotUnique(Conflict):
    """Another job has the unique key, and `on_conflict` is `reject`."""

    slug = "not-unique"


class ExecutionIdTaken(Conflict):
    """Another job has this execution id."""

    slug = "execution-id-taken"


class IdempotencyKeyReused(Conflict):
    """The idempotency key was used with another body."""

    slug = "idempotency-key-reused"


class QueueDraining(Conflict):
    """The queue takes no new jobs."""

    slug = "queue-draining"


class JobRunning(Conflict):
    """The job runs."""

    slug = "job-running"


class JobFinished(Conflict):
    """The job has ended."""

    slug = "job-finished"


class KindNotRemote(Conflict):
    """A command, a URL or Rust runs the kind, and has its rules."""

    slug = "kind-not-remote"


class NoStorage(Conflict):
    """The server has no object storage, which files of jobs need."""

    slug = "no-storage"


class LeaseLost(Conflict):
    """The lease no longer holds the job: another worker may run it."""

    slug = "lease-lost"


class QueueFull(Problem):
    """As many jobs of the queue wait as may; `retry_after` says when there may be space, in seconds."""

    slug = "queue-full"


class Unavailable(Problem):
    """The server cannot do this now; `retry_after` says when to ask again, in seconds."""

    slug = "unavailable"


def _all(of: type[Problem]) -> list[type[Problem]]:
    return [of, *(found for sub in of.__subclasses__() for found in _all(sub))]


_BY_SLUG = {cls.slug: cls for cls in _all(Problem) if cls.slug}
_BY_STATUS = {401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict, 413: TooLarge, 503: Unavailable}


def problem_of(document: Mapping[str, Any], retry_after: float | None = None) -> Problem:
    """The exception for a problem document; of an unknown `type` by its status, else `Problem`."""
    slug = str(document.get("type", "")).removeprefix(TYPE_BASE)
    cls = _BY_SLUG.get(slug) or _BY_STATUS.get(document.get("status", 0), Problem)
    return cls(document, retry_after)


class JobUnsuccessful(TidemillError):
    """A job ended, and not with a result; `job` is how it stands, `error` its last failure."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.error: Mapping[str, Any] = job.error or {}
        super().__init__(job)

    def __str__(self) -> str:
        why = f": {self.error['message']}" if self.error.get("message") else ""
        return f"The job {self.job.id} ({self.job.kind}) is {self.job.state}{why}"


class JobFailed(JobUnsuccessful):
    """The job's last attempt failed, and no further one follows."""


class JobCancelled(JobUnsuccessful):
    """The job was cancelled, or expired."""
