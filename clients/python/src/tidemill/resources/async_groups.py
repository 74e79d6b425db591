"""The methods of the asynchronous client by resource: `await client.queues.pause("mails")`. Each sends one call."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Awaitable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..calls import groups as calls
from ..calls.call import Call
from ..documents import (
    Kind,
    KindCounts,
    Point,
    Queue,
    Schedule,
    Slot,
    Stats,
    Summary,
    WorkerInfo,
    Workflow,
    WorkflowSummary,
)
from ..duration import Duration
from ..models import Job

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..request import JobOptions

T = TypeVar("T")


class Send(Protocol):
    """Sends a call."""

    def __call__(self, call: Call[T], /) -> Awaitable[T]: ...


class AsyncGroup:
    """What all groups have: how they send."""

    def __init__(self, send: Send) -> None:
        self._send = send


class AsyncQueues(AsyncGroup):
    """Queues. Every name is one; its verbs work before its first job."""

    async def list(self) -> builtins.list[Queue]:
        """All queues that have jobs, settings, a kind or a worker."""
        return await self._send(calls.queues())

    async def get(self, name: str) -> Queue:
        """One queue. Raises NotFound where nothing is known of it."""
        return await self._send(calls.queue(name))

    async def pause(self, name: str) -> Queue:
        """Nothing is claimed from it until it is resumed."""
        return await self._send(calls.queue_verb(name, "pause"))

    async def resume(self, name: str) -> Queue:
        """Ends a pause or a drain."""
        return await self._send(calls.queue_verb(name, "resume"))

    async def drain(self, name: str) -> Queue:
        """It takes no new jobs until it is resumed."""
        return await self._send(calls.queue_verb(name, "drain"))

    async def purge(self, name: str) -> int:
        """Cancels all its jobs that do not run; answers how many."""
        return await self._send(calls.purge(name))

    async def change(self, name: str, **fields: Any) -> Queue:
        """Sets slots, max_queued, max_running, rate, per, burst or priority_ageing; None takes one away."""
        return await self._send(calls.change_queue(name, fields))


class AsyncSchedules(AsyncGroup):
    """What makes jobs by the clock."""

    async def list(self) -> AsyncIterator[Schedule]:
        """All schedules, by name."""
        cursor: str | None = None
        while True:
            items, cursor = await self._send(calls.schedules(cursor))
            for item in items:
                yield item
            if cursor is None:
                return

    async def get(self, name: str) -> Schedule:
        """One schedule. Raises NotFound."""
        return await self._send(calls.schedule(name))

    async def slots(self, name: str) -> builtins.list[Slot]:
        """Its last due times, and what became of them."""
        return await self._send(calls.slots(name))

    async def set(
        self,
        name: str,
        kind: str,
        args: Mapping[str, Any] | None = None,
        *,
        cron: str | None = None,
        every: Duration | None = None,
        at: datetime | str | None = None,
        timezone: str | None = None,
        missed: str | None = None,
        overlap: str | None = None,
        jitter: Duration | None = None,
        **options: Unpack[JobOptions],
    ) -> Schedule:
        """Makes or replaces a schedule: exactly one of `cron`, `every` and `at`, and the job with its options."""
        rule = {
            "cron": cron,
            "every": every,
            "at": at,
            "timezone": timezone,
            "missed": missed,
            "overlap": overlap,
            "jitter": jitter,
        }
        return await self._send(calls.set_schedule(name, kind, args, options, rule))

    async def pause(self, name: str) -> Schedule:
        """It fires no more until it is resumed."""
        return await self._send(calls.schedule_verb(name, "pause"))

    async def resume(self, name: str) -> Schedule:
        """It fires again."""
        return await self._send(calls.schedule_verb(name, "resume"))

    async def run(self, name: str) -> str:
        """Makes its job now; answers the job's id."""
        return await self._send(calls.run_schedule(name))

    async def delete(self, name: str) -> None:
        """Removes it; jobs that it made stay."""
        await self._send(calls.delete_schedule(name))

    async def preview(self, count: int = 5, **rule: Any) -> builtins.list[datetime]:
        """When a rule (cron, every or at, and timezone) would fire next."""
        return await self._send(calls.preview(rule, count))


class AsyncWorkflows(AsyncGroup):
    """Graphs of jobs."""

    async def create(self, *, idempotency_key: str | None = None, **fields: Any) -> Job:
        """Stores a workflow: `name`, and `jobs`, `chain` or `group` as docs/workflows.md has them; answers its job."""
        return await self._send(calls.create_workflow(fields, idempotency_key))

    async def list(self) -> AsyncIterator[WorkflowSummary]:
        """All workflows, newest first."""
        cursor: str | None = None
        while True:
            items, cursor = await self._send(calls.workflows(cursor))
            for item in items:
                yield item
            if cursor is None:
                return

    async def get(self, id: str) -> Workflow:
        """A workflow with its jobs."""
        return await self._send(calls.workflow(id))

    async def cancel(self, id: str, reason: str | None = None) -> Job:
        """Cancels it with all its jobs."""
        return await self._send(calls.cancel_workflow(id, reason))

    async def retry(self, id: str) -> Job:
        """Runs what failed of it again."""
        return await self._send(calls.retry_workflow(id))


class AsyncWorkers(AsyncGroup):
    """Workers and kinds, as the server knows them."""

    async def list(self) -> builtins.list[WorkerInfo]:
        """All workers."""
        return await self._send(calls.workers())

    async def kinds(self) -> builtins.list[Kind]:
        """All kinds that were ever served."""
        return await self._send(calls.kinds())

    async def drain(self, id: str) -> None:
        """Lets a worker claim no more."""
        await self._send(calls.drain_worker(id))


class AsyncStatsGroup(AsyncGroup):
    """Numbers."""

    async def now(self) -> Stats:
        """How the system stands."""
        return await self._send(calls.stats())

    async def summary(self, since: Duration | None = None) -> Summary:
        """The last time of that length, by default the last hour."""
        return await self._send(calls.summary(since))

    async def kinds(self, hours: int | None = None) -> builtins.list[KindCounts]:
        """By kind."""
        return await self._send(calls.kind_stats(hours))

    async def trends(
        self, hours: int | None = None, kind: str | None = None, queue: str | None = None
    ) -> builtins.list[Point]:
        """Over time."""
        return await self._send(calls.trends(hours, kind, queue))
