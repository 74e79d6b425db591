"""The client for threads: enqueues jobs, follows them and acts on them. All threads of a process can share one client,
and it still works after a fork. Errors are those of `tidemill.errors`.
"""

from __future__ import annotations

import builtins
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from . import calls
from .calls import groups as group_calls
from .calls.call import Call, path
from .duration import Duration, seconds
from .errors import ConnectionFailed, JobCancelled, JobFailed, WaitTimeout
from .files import download
from .files.download import PathLike
from .models import Activity, AttemptRecord, BatchItem, Event, Explanation, Job, JobFile, SignalRecord, StepRecord
from .resources.groups import Queues, Schedules, StatsGroup, Workers, Workflows
from .resources.operations import Operations
from .settings import settings
from .transport import Transport
from .transport.stream import Position, follow

if TYPE_CHECKING:
    from datetime import datetime

    from typing_extensions import Self, Unpack

    from .documents import Kind
    from .kind_rules import KindRules
    from .request import JobOptions

T = TypeVar("T")


class Client:
    """Speaks to a server. `url` and `key` come from TIDEMILL_URL and TIDEMILL_KEY if they are not given.

    A job is named by its id, or as `execution:NAME` by the execution id that it was given. `timeout` bounds one request
    (s). Requests that may be repeated are, up to five times, while the server cannot be reached.
    """

    def __init__(self, url: str | None = None, key: str | None = None, *, timeout: float = 30.0) -> None:
        self._transport = Transport(settings(url, key, timeout))
        self.queues = Queues(self.send)
        self.schedules = Schedules(self.send)
        self.workflows = Workflows(self.send)
        self.workers = Workers(self.send)
        self.stats = StatsGroup(self.send)
        self.operations = Operations(self.send)

    def send(self, call: Call[T]) -> T:
        """Sends a call of `tidemill.calls`, for what has no method here."""
        return self._transport.send(call)

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def enqueue(
        self,
        kind: str,
        args: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Stores a job durably and answers it; `options` are those of `JobOptions`.

        With `unique`, the answer may be a job that was there (`existing`). An `idempotency_key` of your own makes the same
        call in another process, or later, answer the same job, for 24 hours.
        """
        return self.send(calls.enqueue(kind, args, options, idempotency_key))

    def enqueue_many(
        self, jobs: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None, documents: bool = False
    ) -> builtins.list[BatchItem]:
        """Stores up to 10,000 jobs in one transaction, each a mapping of `kind`, `args` and options.

        Answers in order; what the server refuses is `refused`, and does not keep the others out. With `documents`
        each new job comes whole, which takes several times as long as its id.
        """
        return self.send(calls.enqueue_many(jobs, idempotency_key, documents))

    def set_kind(self, name: str, **rules: Unpack[KindRules]) -> Kind:
        """Sets the rules of a kind that remote workers run, for jobs from everywhere; what is left out has its default.

        A worker does so for its tasks when it starts. Raises KindNotRemote for a kind of a command, a URL or Rust.
        """
        return self.send(group_calls.set_kind(name, rules))

    def get(self, job: str) -> Job:
        """The job as it is now. Raises JobNotFound."""
        return self.send(calls.get(job))

    def get_many(self, jobs: Sequence[str]) -> builtins.list[Job | None]:
        """The jobs as they are now, in order, 200 with each request; None for those that are not there."""
        parts = [jobs[begin : begin + calls.MOST_AT_ONCE] for begin in range(0, len(jobs), calls.MOST_AT_ONCE)]
        return [job for part in parts for job in self.send(calls.get_many(part))]

    def wait(self, job: str, timeout: Duration | None = None) -> Job:
        """The job once it has ended. Raises WaitTimeout after `timeout`; the job goes on then."""
        until, found = None if timeout is None else time.monotonic() + seconds(timeout), None
        while True:
            left = calls.LONGEST_WAIT if until is None else until - time.monotonic()
            try:
                found = self.send(calls.end(job, left))
            except ConnectionFailed:
                # A server that answered before comes back; one that never did may not be there at all.
                if found is None:
                    raise
                time.sleep(1.0)
            else:
                if found.is_final:
                    return found
            if until is not None and time.monotonic() >= until:
                raise WaitTimeout(f"the job {job} is {found.status} after {timeout}; it continues")

    def result(self, job: str, timeout: Duration | None = None) -> Any:
        """What the job brought, once it has. Raises JobFailed, JobCancelled or WaitTimeout."""
        return self.whole(result_of(self.wait(job, timeout)))

    def whole(self, value: Any) -> Any:
        """The args or the result of a job, also where it is so large that its document only says where it is."""
        call = calls.stored(value)
        return value if call is None else self.send(call)

    def cancel(self, job: str, reason: str | None = None) -> Job:
        """Cancels a job: at once where it waits, and by asking its worker where it runs."""
        return self.send(calls.cancel(job, reason))

    def retry(self, job: str) -> Job:
        """Makes a finished job live again."""
        return self.send(calls.retry(job))

    def run_now(self, job: str) -> Job:
        """Makes a job due that is scheduled, or waits for its next attempt."""
        return self.send(calls.run_now(job))

    def snooze(self, job: str, delay: Duration) -> Job:
        """Puts off a job that does not run."""
        return self.send(calls.snooze(job, delay))

    def change(self, job: str, **fields: Any) -> Job:
        """Gives a job that does not run another priority, queue, run_at, max_attempts, tags or metadata."""
        return self.send(calls.change(job, fields))

    def delete(self, job: str) -> None:
        """Removes a job that does not run, with its events."""
        self.send(calls.delete(job))

    def signal(self, job: str, name: str, payload: Any = None) -> bool:
        """Sends a job a named message; False if one of that name came before, which counts."""
        return self.send(calls.signal(job, name, payload))

    def create_token(
        self,
        scopes: Sequence[str],
        *,
        job: str | None = None,
        owner: str | None = None,
        kinds: Sequence[str] | None = None,
        expires_in: Duration | None = None,
    ) -> str:
        """A token for a browser, for one job, or for the jobs of an owner, of kinds, or of both."""
        return self.send(calls.create_token(scopes, job, owner, kinds, expires_in))

    def fork(self, job: str, from_step: str | None = None) -> Job:
        """Enqueues the same work again, from a step on."""
        return self.send(calls.fork(job, from_step))

    def activity(
        self, *, owner: str | None = None, since: str | datetime | None = None, limit: int | None = None
    ) -> Activity:
        """What changed of an owner's jobs since the `cursor` of the call before, or since a time; the newest change first.

        A token says itself whose jobs it means; with a key, name the owner.
        """
        return self.send(calls.activity(owner, since, limit))

    def list(self, *, most: int | None = None, **filters: Any) -> Iterator[Job]:
        """The jobs that fit, newest first, page by page as they are asked for; at most that many.

        Filters: state, queue, kind, tag, priority, created_after, created_before, finished_after, finished_before, error,
        workflow.
        """
        return _pages(lambda cursor, limit: self.send(calls.jobs(filters, cursor, limit)), most, 200)

    def attempts(self, job: str) -> builtins.list[AttemptRecord]:
        """The tries that are on record, oldest first."""
        return self.send(calls.attempts(job))

    def steps(self, job: str) -> builtins.list[StepRecord]:
        """The checkpoints, in their order."""
        return self.send(calls.steps(job))

    def signals(self, job: str) -> builtins.list[SignalRecord]:
        """The signals, oldest first."""
        return self.send(calls.signals(job))

    def files(self, job: str) -> builtins.list[JobFile]:
        """The files that it keeps, in the order in which they were stored."""
        return self.send(calls.files(job))

    def read_file(self, job: str, name: str) -> bytes:
        """The bytes of one of its files. Raises NotFound."""
        return b"".join(self.iter_file(job, name))

    def iter_file(self, job: str, name: str) -> Iterator[bytes]:
        """The bytes of one of its files, piece by piece; ConnectionFailed is raised where the file ends too early."""
        return download.pieces(self._transport, job, name)

    def download(self, job: str, name: str, to: PathLike = ".") -> Path:
        """Writes one of its files to a path, or into a folder under its own name; whole, or not at all."""
        return download.download(self._transport, job, name, to)

    def explain(self, job: str) -> Explanation:
        """Why it does not run, and when it may."""
        return self.send(calls.explain(job))

    def history(self, job: str, types: str | None = None) -> Iterator[Event]:
        """The events of its log until now; `types` names some, separated by commas."""
        return _pages(lambda cursor, limit: self.send(calls.history(job, types, cursor, limit)), None, 1000)

    def events(self, job: str, *, types: str | None = None, after: str | None = None) -> Iterator[Event]:
        """Follows a job live to its end: a `snapshot`, its events, `completed`, `failed` or `cancelled`.

        Comes back by itself where the connection ends. `after` is the `id` of the last event that was seen.
        """
        params = {"types": types} if types else {}
        return follow(self._transport, Position(path("jobs", job, "events", "stream"), params, after, True))

    def follow(
        self,
        *,
        jobs: Iterable[str] = (),
        kinds: Iterable[str] = (),
        queues: Iterable[str] = (),
        all: bool = False,
        types: str | None = None,
        after: str | None = None,
    ) -> Iterator[Event]:
        """Follows many jobs in one stream: up to 200 by id to their ends, or those of kinds and queues, without an end."""
        params = follow_params(jobs, kinds, queues, all, types)
        return follow(self._transport, Position("/api/v1/events", params, after, False))


def follow_params(
    jobs: Iterable[str], kinds: Iterable[str], queues: Iterable[str], all: bool, types: str | None
) -> dict[str, Any]:
    """The parameters of a stream of many jobs."""
    params: dict[str, Any] = {"job": [*jobs], "kind": [*kinds], "queue": [*queues]}
    if all:
        params["all"] = "true"
    if types:
        params["types"] = types
    return params


def result_of(job: Job) -> Any:
    """What a finished job brought. Raises JobFailed or JobCancelled."""
    if job.state == "completed":
        return job.result
    raise JobFailed(job) if job.state == "failed" else JobCancelled(job)


def _pages(page: Any, most: int | None, size: int) -> Iterator[Any]:
    cursor, left = None, most
    while left is None or left > 0:
        items, cursor = page(cursor, size if left is None else min(size, left))
        yield from items
        left = None if left is None else left - len(items)
        if cursor is None:
            return
