"""A task of the task manager: its priority, its status and its progress."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from ..models import Job


class TaskPriority(Enum):
    """What runs first."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"

    @staticmethod
    def of(number: int) -> TaskPriority:
        """The name nearest to a job's priority, 1 (first) to 9."""
        names = {1: TaskPriority.CRITICAL, 3: TaskPriority.HIGH, 5: TaskPriority.NORMAL, 7: TaskPriority.LOW}
        return names[min(names, key=lambda each: abs(each - number))]


class TaskStatus(Enum):
    """How a task stands."""

    PENDING = "pending"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


def status_of(job: Job) -> TaskStatus:
    """The status of a job."""
    return TaskStatus.PENDING if job.status in ("available", "waiting") else TaskStatus(job.status)


@dataclass(frozen=True)
class BackgroundTask:
    """A task as it was when it was asked for; times have a zone, `progress` is 0 to 100."""

    id: str
    name: str
    status: TaskStatus
    priority: TaskPriority
    result: Any
    error: str | None
    retry_count: int
    max_retries: int
    progress: float | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None

    @property
    def execution_time(self) -> float | None:
        """How long its last attempt took, in seconds."""
        if self.started_at is None or self.completed_at is None:
            return None
        return (self.completed_at - self.started_at).total_seconds()


def task_of(job: Job, result: Any) -> BackgroundTask:
    """The task that a job is."""
    return BackgroundTask(
        id=job.id,
        name=job.kind,
        status=status_of(job),
        priority=TaskPriority.of(job.priority),
        result=result,
        error=(job.error or {}).get("message"),
        retry_count=max(0, job.attempt - 1),
        max_retries=job.max_attempts - 1,
        progress=job.progress.percent if job.progress else None,
        created_at=job.created_at,
        started_at=job.started_at,
        completed_at=job.finished_at,
    )
