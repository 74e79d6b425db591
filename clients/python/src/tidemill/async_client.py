"""The client for asyncio: enqueues jobs, follows them and acts on them. One client serves one event loop at a time; in
another loop it opens new connections. Errors are those of `tidemill.errors`.
"""

from __future__ import annotations

import asyncio
import builtins
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from . import calls
from .calls import groups as group_calls
from .calls.call import Call, path
from .client import follow_params, result_of
from .duration import Duration, seconds
from .errors import ConnectionFailed, WaitTimeout
from .files import download
from .files.download import PathLike
from .models import Activity, AttemptRecord, BatchItem, Event, Explanation, Job, JobFile, SignalRecord, StepRecord
from .resources.async_groups import AsyncQueues, AsyncSchedules, AsyncStatsGroup, AsyncWorkers, AsyncWorkflows
from .resources.async_operations import AsyncOperations
from .settings import settings
from .transport import AsyncTransport
from .transport.stream import Position, follow_async

if TYPE_CHECKING:
    from datetime import datetime

    from typing_extensions import Self, Unpack

    from .documents import Kind
    from .kind_rules import KindRules
    from .request import JobOptions

T = TypeVar("T")


class AsyncClient:
    """Speaks to a server. `url` and `key` come from TIDEMILL_URL and TIDEMILL_KEY if they are not given.

    A job is named by its id, or as `execution:NAME` by the execution id that it was given. `timeout` bounds one request
    (s). Requests that may be repeated are, up to five times, while the server cannot be reached.
    """

    def __init__(self, url: str | None = None, key: str | None = None, *, timeout: float = 30.0) -> None:
        self._transport = AsyncTransport(settings(url, key, timeout))
        self.queues = AsyncQueues(self.send)
        self.schedules = AsyncSchedules(self.send)
        self.workflows = AsyncWorkflows(self.send)
        self.workers = AsyncWorkers(self.send)
        self.operations = AsyncOperations(self.send)
        self.stats = AsyncStatsGroup(self.send)

    async def send(self, call: Call[T]) -> T:
        """Sends a call of `tidemill.calls`, for what has no method here."""
        return await self._transport.send(call)

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def enqueue(
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
        return await self.send(calls.enqueue(kind, args, options, idempotency_key))

    async def enqueue_many(
        self, jobs: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None, documents: bool = False
    ) -> builtins.list[BatchItem]:
        """Stores up to 10,000 jobs in one transaction, each a mapping of `kind`, `args` and options.

        Answers in order; what the server refuses is `refused`, and does not keep the others out. With `documents`
        each new job comes whole, which takes several times as long as its id.
        """
        return await self.send(calls.enqueue_many(jobs, idempotency_key, documents))

    async def set_kind(self, name: str, **rules: Unpack[KindRules]) -> Kind:
        """Sets the rules of a kind that remote workers run, for jobs from everywhere; what is left out has its default.

        A worker does so for its tasks when it starts. Raises KindNotRemote for a kind of a command, a URL or Rust.
        """
        return await self.send(group_calls.set_kind(name, rules))

    async def get(self, job: str) -> Job:
        """The job as it is now. Raises JobNotFound."""
        return await self.send(calls.get(job))

    async def get_many(self, jobs: Sequence[str]) -> builtins.list[Job | None]:
        """The jobs as they are now, in order, 200 with each request; None for those that are not there."""
        parts = [jobs[begin : begin + calls.MOST_AT_ONCE] for begin in range(0, len(jobs), calls.MOST_AT_ONCE)]
        return [job for part in parts for job in await self.send(calls.get_many(part))]

    async def wait(self, job: str, timeout: Duration | None = None) -> Job:
        """The job once it has ended. Raises WaitTimeout after `timeout`; the job goes on then."""
        until, found = None if timeout is None else time.monotonic() + seconds(timeout), None
        while True:
            left = calls.LONGEST_WAIT if until is None else until - time.monotonic()
            try:
                found = await self.send(calls.end(job, left))
            except ConnectionFailed:
                # A server that answered before comes back; one that never did may not be there at all.
                if found is None:
                    raise
                await asyncio.sleep(1.0)
            else:
                if found.is_final:
                    return found
            if until is not None and time.monotonic() >= until:
                raise WaitTimeout(f"the job {job} is {found.status} after {timeout}; it continues")

    async def result(self, job: str, timeout: Duration | None = None) -> Any:
        """What the job brought, once it has. Raises JobFailed, JobCancelled or WaitTimeout."""
        return await self.whole(result_of(await self.wait(job, timeout)))

    async def whole(self, value: Any) -> Any:
        """The args or the result of a job, also where it is so large that its document only says where it is."""
        call = calls.stored(value)
        return value if call is None else await self.send(call)

    async def cancel(self, job: str, reason: str | None = None) -> Job:
        """Cancels a job: at once where it waits, and by asking its worker where it runs."""
        return await self.send(calls.cancel(job, reason))

    async def retry(self, job: str) -> Job:
        """Makes a finished job live again."""
        return await self.send(calls.retry(job))

    async def run_now(self, job: str) -> Job:
        """Makes a job due that is scheduled, or waits for its next attempt."""
        return await self.send(calls.run_now(job))

    async def snooze(self, job: str, delay: Duration) -> Job:
        """Puts off a job that does not run."""
        return await self.send(calls.snooze(job, delay))

    async def change(self, job: str, **fields: Any) -> Job:
        """Gives a job that does not run another priority, queue, run_at, max_attempts, tags or metadata."""
        return await self.send(calls.change(job, fields))

    async def delete(self, job: str) -> None:
        """Removes a job that does not run, with its events."""
        await self.send(calls.delete(job))

    async def signal(self, job: str, name: str, payload: Any = None) -> bool:
        """Sends a job a named message; False if one of that name came before, which counts."""
        return await self.send(calls.signal(job, name, payload))

    async def create_token(
        self,
        scopes: Sequence[str],
        *,
        job: str | None = None,
        owner: str | None = None,
        kinds: Sequence[str] | None = None,
        expires_in: Duration | None = None,
    ) -> str:
        """A token for a browser, for one job, or for the jobs of an owner, of kinds, or of both."""
        return await self.send(calls.create_token(scopes, job, owner, kinds, expires_in))

    async def fork(self, job: str, from_step: str | None = None) -> Job:
        """Enqueues the same work again, from a step on."""
        return await self.send(calls.fork(job, from_step))

    async def activity(
        self, *, owner: str | None = None, since: str | datetime | None = None, limit: int | None = None
    ) -> Activity:
        """What changed of an owner's jobs since the `cursor` of the call before, or since a time; the newest change first.

        A token says itself whose jobs it means; with a key, name the owner.
        """
        return await self.send(calls.activity(owner, since, limit))

    def list(self, *, most: int | None = None, **filters: Any) -> AsyncIterator[Job]:
        """The jobs that fit, newest first, page by page as they are asked for; at most that many.

        Filters: state, queue, kind, tag, priority, created_after, created_before, finished_after, finished_before, error,
        workflow.
        """
        return _pages(lambda cursor, limit: self.send(calls.jobs(filters, cursor, limit)), most, 200)

    async def attempts(self, job: str) -> builtins.list[AttemptRecord]:
        """The tries that are on record, oldest first."""
        return await self.send(calls.attempts(job))

    async def steps(self, job: str) -> builtins.list[StepRecord]:
        """The checkpoints, in their order."""
        return await self.send(calls.steps(job))

    async def signals(self, job: str) -> builtins.list[SignalRecord]:
        """The signals, oldest first."""
        return await self.send(calls.signals(job))

    async def files(self, job: str) -> builtins.list[JobFile]:
        """The files that it keeps, in the order in which they were stored."""
        return await self.send(calls.files(job))

    async def read_file(self, job: str, name: str) -> bytes:
        """The bytes of one of its files. Raises NotFound."""
        return b"".join([piece async for piece in self.iter_file(job, name)])

    def iter_file(self, job: str, name: str) -> AsyncIterator[bytes]:
        """The bytes of one of its files, piece by piece; ConnectionFailed is raised where the file ends too early."""
        return download.pieces_async(self._transport, job, name)

    async def download(self, job: str, name: str, to: PathLike = ".") -> Path:
        """Writes one of its files to a path, or into a folder under its own name; whole, or not at all."""
        return await download.download_async(self._transport, job, name, to)

    async def explain(self, job: str) -> Explanation:
        """Why it does not run, and when it may."""
        return await self.send(calls.explain(job))

    def history(self, job: str, types: str | None = None) -> AsyncIterator[Event]:
        """The events of its log until now; `types` names some, separated by commas."""
        return _pages(lambda cursor, limit: self.send(calls.history(job, types, cursor, limit)), None, 1000)

    def events(self, job: str, *, types: str | None = None, after: str | None = None) -> AsyncIterator[Event]:
        """Follows a job live to its end: a `snapshot`, its events, `completed`, `failed` or `cancelled`.

        Comes back by itself where the connection ends. `after` is the `id` of the last event that was seen.
        """
        params = {"types": types} if types else {}
        return follow_async(self._transport, Position(path("jobs", job, "events", "stream"), params, after, True))

    def follow(
        self,
        *,
        jobs: Iterable[str] = (),
        kinds: Iterable[str] = (),
        queues: Iterable[str] = (),
        all: bool = False,
        types: str | None = None,
        after: str | None = None,
    ) -> AsyncIterator[Event]:
        """Follows many jobs in one stream: up to 200 by id to their ends, or those of kinds and queues, without an end."""
        params = follow_params(jobs, kinds, queues, all, types)
        return follow_async(self._transport, Position("/api/v1/events", params, after, False))


async def _pages(page: Any, most: int | None, size: int) -> AsyncIterator[Any]:
    cursor, left = None, most
    while left is None or left > 0:
        items, cursor = await page(cursor, size if left is None else min(size, left))
        for item in items:
            yield item
        left = None if left is None else left - len(items)
        if cursor is None:
            return
