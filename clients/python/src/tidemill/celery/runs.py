"""The tasks that run in this process, by id, and their last state and the message that continues them (a retry, a
replacement). Both are sent to the server with the outcome, in one write that requires the lease.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from .api import Api, _api


class Ticket(NamedTuple):
    """What a process needs to speak of an attempt; it goes to the pool's processes."""

    task_id: str
    kind: str
    queue: str
    job_id: str
    lease: str
    url: str
    key: str | None


class Leavings(NamedTuple):
    """What a run left: `state` and its encoded meta; the job that goes on with it."""

    state: str | None = None
    meta: str | bytes | None = None
    message: dict[str, Any] | None = None


class Run:
    """One attempt in this process."""

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket
        self.left = Leavings()

    @property
    def api(self) -> Api:
        """The server of the attempt."""
        return _api(self.ticket.url, self.ticket.key)

    def keep(self, state: str, meta: str | bytes) -> None:
        """Keeps the state that the attempt ends with."""
        self.left = self.left._replace(state=state, meta=meta)

    def take(self, left: Leavings) -> None:
        """Takes what the task left in its process; what this process said itself (that it was ended) counts more."""
        own = self.left
        said = own if own.state is not None else left
        self.left = Leavings(said.state, said.meta, own.message or left.message)

    def go_on(self, job: dict[str, Any]) -> bool:
        """Keeps the message by which the same task goes on; False where it is for another queue or task."""
        if (job["kind"], job["queue"]) != (self.ticket.kind, self.ticket.queue) or self.left.message is not None:
            return False
        self.left = self.left._replace(message=job)
        return True


_runs: dict[str, Run] = {}
_ended: deque[str] = deque(maxlen=1000)
_lock = threading.Lock()


def _forget_all() -> None:
    global _lock
    _lock = threading.Lock()
    _runs.clear()
    _ended.clear()


# What runs in the parent does not run here.
os.register_at_fork(after_in_child=_forget_all)


def run_of(task_id: str) -> Run | None:
    """The run of a task in this process."""
    return _runs.get(task_id)


def begin(run: Run) -> None:
    """From now on what is said of the task is said of this run."""
    with _lock:
        _runs[run.ticket.task_id] = run


def end(run: Run) -> None:
    """The run is over."""
    with _lock:
        if _runs.get(run.ticket.task_id) is run:
            del _runs[run.ticket.task_id]
        _ended.append(run.ticket.task_id)


def has_ended(task_id: str) -> bool:
    """Whether a run of the task ended here a short while ago: what is said of it now comes too late."""
    return task_id in _ended


@contextmanager
def running(ticket: Ticket) -> Iterator[Run]:
    """A run in a process of the pool; in threads of the worker itself, one within that of the delivery."""
    outer, run = _runs.get(ticket.task_id), Run(ticket)
    begin(run)
    try:
        yield run
    finally:
        end(run)
        if outer is not None:
            begin(outer)


def traced(trace: Any, ticket: Ticket, *args: Any) -> tuple[Any, ...]:
    """Celery's trace of a task, and what the task left: (failed, value, runtime, leavings)."""
    with running(ticket) as run:
        failed, value, runtime = trace(*args)
    return failed, value, runtime, run.left
