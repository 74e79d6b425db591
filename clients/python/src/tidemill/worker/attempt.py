"""One attempt whose lease this worker holds: its deadlines, the reason why it has to stop, and its reports to the
server. Plain data; the comment at each field says which part of the worker changes it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..context import Context
from ..stops import StopReason
from ..task import Task
from .mail import Mail

if TYPE_CHECKING:
    from .queue_slots import QueueSlots

DEFAULT_HARD_TIMEOUT = 86_400.0
# This part of a lease is trusted; the rest is for the way to the server.
TRUSTED = 0.8


class Attempt:
    """Times are of the monotonic clock, in seconds."""

    def __init__(self, job: Mapping[str, Any], task: Task[..., Any], queue_slots: QueueSlots, lease_seconds: float) -> None:
        now = time.monotonic()
        self.job = job
        self.id: str = job["id"]
        self.lease_id: str = job["lease_id"]
        self.task = task
        self.queue_slots = queue_slots
        self.claimed_at = now
        self.started_at: float | None = None  # by its queue
        self.lease_seconds = lease_seconds
        self.trusted_until = now + TRUSTED * lease_seconds  # by the heartbeat
        self.soft_at, self.hard_at = _deadlines(job, task, now)
        self.force_at: float | None = None  # by the worker, from the first stop on
        self.forced = False
        self.stop: StopReason | None = None  # by the worker
        self.context: Context | None = None  # by the pool that runs it
        self.lock = threading.Lock()
        self.is_finished = False  # by the worker, under the lock
        self.mail = Mail()  # by the outbox

    def extended(self, by: float) -> None:
        """The server gave it more time."""
        self.soft_at = None if self.soft_at is None else self.soft_at + by
        self.hard_at += by


def _deadlines(job: Mapping[str, Any], task: Task[..., Any], now: float) -> tuple[float | None, float]:
    """Its soft and hard deadline: what the job says, else what the task does, for the server may not have its rules."""
    soft, hard = job.get("soft_timeout_seconds"), float(job["hard_timeout_seconds"])
    if hard == DEFAULT_HARD_TIMEOUT and task.settings.hard_timeout is not None:
        hard = min(hard, task.settings.hard_timeout)
    if soft is None:
        soft = task.settings.soft_timeout
    return (None if soft is None or soft >= hard else now + soft), now + hard
