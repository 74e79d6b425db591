"""The methods of the client by resource: `client.queues.pause("mails")`. Each sends one call."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping
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

    def __call__(self, call: Call[T], /) -> T: ...


class Group:
    """What all groups have: how they send."""

    def __init__(self, send: Send) -> None:
        self._send = send


class Queues(Group):
    """Queues. Every name is one; its verbs work before its first job."""

    def list(self) -> builtins.list[Queue]:
        """All queues that have jobs, settings, a kind or a worker."""
        return self._send(calls.queues())

    def get(self, name: str) -> Queue:
        """One queue. Raises NotFound where nothing is known of it."""
        return self._send(calls.queue(name))

    def pause(self, name: str) -> Queue:
        """Nothing is claimed from it until it is resumed."""
        return self._send(calls.queue_verb(name, "pause"))

    def resume(self, name: str) -> Queue:
        """Ends a pause or a drain."""
        return self._send(calls.queue_verb(name, "resume"))

    def drain(self, name: str) -> Queue:
        """It takes no new jobs until it is resumed."""
        return self._send(calls.queue_verb(name, "drain"))

    def purge(self, name: str) -> int:
        """Cancels all its jobs that do not run; answers how many."""
        return self._send(calls.purge(name))

    def change(self, name: str, **fields: Any) -> Queue:
        """Sets slots, max_queued, max_running, rate, per, burst or priority_ageing; None takes one away."""
        return self._send(calls.change_queue(name, fields))


class Schedules(Group):
    """What makes jobs by the clock."""

    def list(self) -> Iterator[Schedule]:
        """All schedules, by name."""
        cursor: str | None = None
        while True:
            items, cursor = self._send(calls.schedules(cursor))
            yield from items
            if cursor is None:
                return

    def get(self, name: str) -> Schedule:
        """One schedule. Raises NotFound."""
        return self._send(calls.schedule(name))

    def slots(self, name: str) -> builtins.list[Slot]:
        """Its last due times, and what became of them."""
        return self._send(calls.slots(name))

    def set(
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
        return self._send(calls.set_schedule(name, kind, args, options, rule))

    def pause(self, name: str) -> Schedule:
        """It fires no more until it is resumed."""
        return self._send(calls.schedule_verb(name, "pause"))

    def resume(self, name: str) -> Schedule:
        """It fires again."""
        return self._send(calls.schedule_verb(name, "resume"))

    def run(self, name: str) -> str:
        """Makes its job now; answers the job's id."""
        return self._send(calls.run_schedule(name))

    def delete(self, name: str) -> None:
        """Removes it; jobs that it made stay."""
        self._send(calls.delete_schedule(name))

    def preview(self, count: int = 5, **rule: Any) -> builtins.list[datetime]:
        """When a rule (cron, every or at, and timezone) would fire next."""
        return self._send(calls.preview(rule, count))


class Workflows(Group):
    """Graphs of jobs."""

    def create(self, *, idempotency_key: str | None = None, **fields: Any) -> Job:
        """Stores a workflow: `name`, and `jobs`, `chain` or `group` as docs/workflows.md has them; answers its job."""
        return self._send(calls.create_workflow(fields, idempotency_key))

    def list(self) -> Iterator[WorkflowSummary]:
        """All workflows, newest first."""
        cursor: str | None = None
        while True:
            items, cursor = self._send(calls.workflows(cursor))
            yield from items
            if cursor is None:
                return

    def get(self, id: str) -> Workflow:
        """A workflow with its jobs."""
        return self._send(calls.workflow(id))

    def cancel(self, id: str, reason: str | None = None) -> Job:
        """Cancels it with all its jobs."""
        return self._send(calls.cancel_workflow(id, reason))

    def retry(self, id: str) -> Job:
        """Runs what failed of it again."""
        return self._send(calls.retry_workflow(id))


class Workers(Group):
    """Workers and kinds, as the server knows them."""

    def list(self) -> builtins.list[WorkerInfo]:
        """All workers."""
        return self._send(calls.workers())

    def kinds(self) -> builtins.list[Kind]:
        """All kinds that were ever served."""
        return self._send(calls.kinds())

    def drain(self, id: str) -> None:
        """Lets a worker claim no more."""
        self._send(calls.drain_worker(id))


class StatsGroup(Group):
    """Numbers."""

    def now(self) -> Stats:
        """How the system stands."""
        return self._send(calls.stats())

    def summary(self, since: Duration | None = None) -> Summary:
        """The last time of that length, by default the last hour."""
        return self._send(calls.summary(since))

    def kinds(self, hours: int | None = None) -> builtins.list[KindCounts]:
        """By kind."""
        return self._send(calls.kind_stats(hours))

    def trends(self, hours: int | None = None, kind: str | None = None, queue: str | None = None) -> builtins.list[Point]:
        """Over time."""
        return self._send(calls.trends(hours, kind, queue))
