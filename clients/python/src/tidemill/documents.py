"""The documents of the API about everything except single jobs: queues, schedules, workflows, workers, kinds and
statistics. `tests/test_models.py` compares them with the OpenAPI description of a live server.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue and how it stands; `slots` and the limits are None where nothing is set. `waiting` and `available` are
    counted to `counted_to`: that number means that or more.
    """

    name: str
    waiting: int
    available: int
    counted_to: int
    running: int
    oldest_due_at: datetime | None
    slots: int | None
    worker_slots: int | None
    max_queued: int | None
    max_running: int | None
    rate: int | None
    per_seconds: float | None
    burst: int | None
    priority_ageing_seconds: float | None
    paused_at: datetime | None
    paused_by: str | None
    draining_at: datetime | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """What makes a job by the clock: `cron`, `every_seconds` or `at`."""

    name: str
    cron: str | None
    every_seconds: float | None
    at: datetime | None
    timezone: str
    job: Any
    missed: str
    missed_limit: int
    overlap: str
    jitter_seconds: float
    paused_at: datetime | None
    paused_by: str | None
    last_slot_at: datetime | None
    upcoming: list[datetime]
    overdue_since: datetime | None
    problem: str | None
    source: str
    owner: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Slot:
    """One due time of a schedule, and what became of it."""

    slot: datetime
    fired_at: datetime
    outcome: str
    job_id: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class WorkflowSummary:
    """A workflow and how far it is: `done` of its `members`."""

    id: str
    name: str
    status: str
    members: int
    done: int
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class WorkflowMember:
    """A job of a workflow; `after` names those that it waits for."""

    id: str
    name: str
    kind: str
    status: str
    percent: float | None
    error: str | None
    after: list[str]
    run_if: str


@dataclass(frozen=True, slots=True)
class Workflow(WorkflowSummary):
    """A workflow with its jobs."""

    jobs: list[WorkflowMember]


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker as the server knows it."""

    id: str
    name: str
    host: str
    pid: int | None
    version: str
    state: str
    queues: Any
    kinds: list[str]
    running: int
    started_at: datetime
    seen_at: datetime
    shedding: bool
    containment: str | None
    memory_bytes: int | None
    cpu_seconds: float | None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind: what runs it (`source`), and its rules; `Client.set_kind` sets those of a `remote` one."""

    name: str
    source: str
    queue: str
    priority: int
    max_attempts: int
    soft_timeout_seconds: float | None
    hard_timeout_seconds: float
    permanent_errors: list[str]
    breaker_after: int | None
    breaker_crashes: int
    breaker_open_until: datetime | None
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of a time; shares are 0 to 1, None where nothing ran."""

    enqueued: int
    executions: int
    completed: int
    failed: int
    retried: int
    cancelled: int
    success_rate: float | None
    error_rate: float | None
    average_wait_seconds: float | None
    average_run_seconds: float | None
    least_run_seconds: float | None
    most_run_seconds: float | None


@dataclass(frozen=True, slots=True)
class KindCounts(Counts):
    """Numbers of one kind."""

    kind: str


@dataclass(frozen=True, slots=True)
class Point(Counts):
    """Numbers of the time that begins at `at`."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Summary(Counts):
    """Numbers of the last `seconds`, and those of each kind."""

    seconds: float
    executions_per_minute: float
    kinds: list[KindCounts]


@dataclass(frozen=True, slots=True)
class SystemNumbers:
    """The whole system now; `utilisation` is the share of the slots that are taken."""

    queued: int
    active: int
    workers: int
    slots: int
    utilisation: float | None
    memory_bytes: int
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Stats:
    """How the system stands."""

    system: SystemNumbers
    queues: list[Queue]
    last_hour: Counts
    last_day: Counts


@dataclass(frozen=True, slots=True)
class OperationPreview:
    """What an operation would do: the jobs that it acts on, and those that it leaves, by reason."""

    matched: int
    skipped: Any
    sample: list[str]
    complete: bool
    looked_to: str | None


@dataclass(frozen=True, slots=True)
class Operation:
    """An act on all jobs that match a filter; `state` is running, done or cancelled."""

    id: str
    action: str
    filter: Any
    queue: str | None
    priority: int | None
    rate: str | None
    who: str
    state: str
    created_at: datetime
    ended_at: datetime | None
    expected: int | None
    done: int
    skipped: Any
    failed: int
    problem: str | None
    undoes: str | None
    undone_by: str | None
    can_be_undone: bool


@dataclass(frozen=True, slots=True)
class LeftJob:
    """A job that an operation left as it was, and why."""

    job_id: str
    outcome: str
    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class OperationReport:
    """An operation with the first jobs that it left as they were."""

    id: str
    action: str
    filter: Any
    queue: str | None
    priority: int | None
    rate: str | None
    who: str
    state: str
    created_at: datetime
    ended_at: datetime | None
    expected: int | None
    done: int
    skipped: Any
    failed: int
    problem: str | None
    undoes: str | None
    undone_by: str | None
    can_be_undone: bool
    left: list[LeftJob]
