"""The documents of the API about jobs, as frozen dataclasses. `tests/test_models.py` compares them with the OpenAPI
description of a live server. Args, results and outputs are decoded (`codec`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from .codec import decode

FINAL = frozenset({"completed", "failed", "cancelled"})


# Values that may hold Python's types.
Decoded = Annotated[Any, decode]
DecodedObject = Annotated[dict[str, Any], decode]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is. `percent` is 0 to 100; `seq` is the number of the job's last event."""

    percent: float | None
    step: str | None
    data: Decoded
    seq: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Links:
    """Routes of one job."""

    self: str
    events: str
    result: str
    cancel: str


@dataclass(frozen=True, slots=True)
class Job:
    """One job. `state` is stored, `status` is shown: as `state`, or `scheduled`, or `retrying`.

    `existing` is true in the answer to an enqueue that stored nothing, because this job has its unique key.
    """

    id: str
    kind: str
    queue: str
    state: str
    status: str
    priority: int
    args: DecodedObject
    result: Decoded
    error: dict[str, Any] | None
    attempt: int
    max_attempts: int
    run_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    execution_id: str | None
    tags: list[str]
    metadata: Any
    progress: Progress | None
    worker_id: str | None
    cancel_requested_at: datetime | None
    concurrency_keys: list[str]
    fair_key: str | None
    owner: str | None
    expires_at: datetime | None
    workflow_id: str | None
    links: Links
    existing: bool = False

    @property
    def is_final(self) -> bool:
        """True once it is completed, failed or cancelled."""
        return self.state in FINAL


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """A try that is on record: failed, or of which an exit code or the use of memory is known."""

    attempt: int
    outcome: str
    worker_id: str
    started_at: datetime | None
    finished_at: datetime
    error: Any
    fingerprint: str | None
    exit_code: int | None
    signal: int | None
    out_of_memory: bool
    peak_memory_bytes: int | None
    log_tail: str | None


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A checkpoint of a job."""

    name: str
    attempt: int
    output: Decoded
    spawned_id: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class SignalRecord:
    """A signal that a job got, or whose wait timed out."""

    name: str
    payload: Decoded
    timed_out: bool
    sent_by: str | None
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class JobFile:
    """A file that a job keeps. `bytes` is its size."""

    name: str
    content_type: str
    bytes: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Activity:
    """The jobs of an owner that changed, the newest change first. `cursor` is the next call's `since`; `more` says that
    further jobs changed, earlier than the last one."""

    items: list[Job]
    cursor: str
    more: bool


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason why a job does not run."""

    code: str
    message: str
    details: dict[str, Any]
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a job does not run, and when it may."""

    job_id: str
    reasons: list[Reason]
    expected_start_at: datetime | None
    based_on: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a job: one frame of a stream, or one item of the list.

    `id` is the position to come back with (None in a list), `seq` the number in its job, `data` the fields of its type.
    """

    type: str
    id: str | None
    job_id: str | None
    seq: int | None
    attempt: int | None
    at: datetime | None
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BatchItem:
    """What became of one job of `enqueue_many`: `created`, `existing` or `refused`.

    `id` is the job's, `problem` says why it was refused, `job` is the document of a new one if `documents` asked for it.
    """

    status: str
    id: str | None
    job: Job | None
    problem: Exception | None
