"""Declares the settings of the worker's tasks to the server, so that they apply to all jobs of the kind, and also after
a worker dies. If a server does not accept them, the worker reports that once, applies the settings itself, and works.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from ..backoff import declared_backoff
from ..errors import ConnectionFailed, Forbidden, Problem, Unauthorized
from ..kind_rules import kind_body
from ..task import Task
from .api import WorkerApi

log = logging.getLogger("tidemill.worker")

# Between looks for what is not declared yet.
EVERY = 1.0
# What the task gives each of its jobs, and the kind to those that others enqueue.
_OF_THE_JOB = (
    "queue", "priority", "max_attempts", "soft_timeout", "hard_timeout", "unique", "concurrency_key", "fair_key",
    "expires_in", "retain",
)  # fmt: skip
_WITHOUT = "jobs that SQL, REST and schedules enqueue without settings have the server's defaults"


class Kinds:
    """`declared` are the kinds whose rules the server has. With `is_growing`, `tasks` may get more."""

    def __init__(self, api: WorkerApi, tasks: Mapping[str, Task[..., Any]], is_growing: bool) -> None:
        self._api = api
        self._tasks = tasks
        self._is_growing = is_growing
        self.declared: set[str] = set()
        self._refused: set[str] = set()
        self._is_unknown = False
        self._said: set[type[Problem]] = set()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._keep_on, name="tidemill-kinds", daemon=True)

    def start(self) -> None:
        """Declares what there is, before the first claim; what fails for now is tried again beside the work."""
        self._declare()
        self._thread.start()

    def close(self) -> None:
        """Ends."""
        self._closed.set()
        self._thread.join(1.0)

    def _keep_on(self) -> None:
        while (self._is_growing or self._left()) and not self._is_unknown and not self._closed.wait(EVERY):
            try:
                self._declare()
            except Exception:
                log.exception("the settings of tasks could not be declared")

    def _left(self) -> list[Task[..., Any]]:
        return [task for kind, task in list(self._tasks.items()) if kind not in self.declared | self._refused]

    def _declare(self) -> None:
        """Declares until the server is away, or takes none."""
        for task in self._left():
            try:
                self._api.set_kind(task.kind, kind_body(rules_of(task)))
                self.declared.add(task.kind)
            except ConnectionFailed:
                # The claims say so.
                return
            except Problem as problem:
                if not self._goes_on(task.kind, problem):
                    return

    def _goes_on(self, kind: str, problem: Problem) -> bool:
        """Says what to do about a refusal, once; answers whether the server may take the next kind."""
        if problem.status in (404, 405):
            self._is_unknown = True
            log.warning("the server is older than this worker: update it, and restart the worker. Until then %s", _WITHOUT)
            return False
        if problem.status in (408, 429) or problem.status >= 500 or isinstance(problem, (Unauthorized, Forbidden)):
            if type(problem) not in self._said:
                self._said.add(type(problem))
                log.warning("the settings of tasks cannot be declared yet: %s Until then %s", problem, _WITHOUT)
            return False
        self._refused.add(kind)
        log.warning("the server does not accept the settings of the task %s: %s", kind, problem)
        return True


def rules_of(task: Task[..., Any]) -> dict[str, Any]:
    """What can be declared of a task; a backoff that is a function of the attempt stays with the worker."""
    settings = task.settings
    rules = {name: task.options[name] for name in _OF_THE_JOB if name in task.options}
    rules.update(stop_grace=settings.stop_grace, breaker=settings.breaker)
    if declared_backoff(settings.backoff) is not None:
        rules["backoff"] = settings.backoff
    # Under names of their own, the classes are only known by their exceptions; the worker knows them.
    if settings.permanent and settings.error_type is None:
        rules["permanent_errors"] = settings.permanent
    return rules
