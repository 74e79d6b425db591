"""The worker as a whole: its parts, and the path of an attempt through them. An attempt is declared by `kinds`, claimed
by `claims`, held in `queue_slots`, run by a pool, kept alive by `heartbeat`, limited by `watch`, and reported by the
`outbox`.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any

from ..app import App, default_app
from ..duration import Duration, seconds
from ..settings import settings
from ..stops import StopReason
from ..task import Task
from .api import WorkerApi
from .attempt import Attempt
from .claims import Claims
from .endings import HAND_BACK, Ending, stopped
from .heartbeat import Heartbeat
from .kinds import Kinds
from .loop import LoopPool
from .outbox import Outbox
from .pool import Pool
from .processes import ProcessPool
from .queue_slots import QueueSlots
from .threads import ThreadPool
from .watch import Watch

log = logging.getLogger("tidemill.worker")

# What was claimed ahead and did not begin by then is somebody else's.
_STALE = 2.0
# After a function was ended by force, the time until it is given up.
_AFTER_FORCE = 2.0
_LAST_MAIL = 10.0
_GRACE_AT_SHUTDOWN = 5.0
# Before the rest of the lease is over.
_GRACE_WITHOUT_CONTACT = 2.0


class Worker:
    """Serves the tasks of an app. `queues` are slots by name; `name` is unique among workers that run.

    `grace` is how long running functions may go on at shutdown before they are asked to stop. `app_path` is `module:name`
    of the app, for processes; the default app needs none. `is_growing` is for an app that gets further tasks, not for
    processes, while the worker runs. Call `start` and `stop`.
    """

    def __init__(
        self,
        app: App = default_app,
        queues: Mapping[str, int] | None = None,
        *,
        url: str | None = None,
        key: str | None = None,
        name: str | None = None,
        grace: Duration = 20.0,
        app_path: str | None = None,
        max_tasks_per_child: int | None = None,
        is_growing: bool = False,
    ) -> None:
        if not app.tasks:
            raise ValueError("there are no tasks to serve: import the modules that define them first")
        self.name = name or f"{socket.gethostname()}-{os.getpid()}"[-63:].lstrip("-._")
        self.grace = seconds(grace)
        self._settings = settings(url or app.url, key or app.key)
        self._api = WorkerApi(self._settings, self.name)
        self._outbox = Outbox(self._api, lambda attempt: self.stop_attempt(attempt, StopReason.LOST), self._sent)
        self._queues = [QueueSlots(queue, slots, self._start) for queue, slots in (queues or {"default": 4}).items()]
        self._kinds = Kinds(self._api, app.tasks, is_growing)
        declared = self._kinds.declared
        self._claims = Claims(self._settings, self.name, app.tasks, self._queues, self._claimed, is_growing, declared)
        self._heartbeat = Heartbeat(self._api, self._held, self.stop_attempt)
        self._watch = Watch(self._held, self.stop_attempt, self._force, self._tick)
        self._pools: dict[str, Pool] = self._make_pools(app.tasks, app_path, max_tasks_per_child, is_growing)
        # By lease: all that this worker holds and whose end is not reported.
        self._attempts: dict[str, Attempt] = {}
        self._lock = threading.Lock()
        self._is_empty = threading.Condition(self._lock)
        self._is_stopping = False

    def _make_pools(
        self, tasks: Mapping[str, Task[..., Any]], app_path: str | None, most_runs: int | None, is_growing: bool
    ) -> dict[str, Pool]:
        wanted = {task.settings.pool for task in tasks.values()} | ({"asyncio"} if is_growing else set())
        pools: dict[str, Pool] = {"threads": ThreadPool(self._outbox, self._finish)}
        if "asyncio" in wanted:
            pools["asyncio"] = LoopPool(self._outbox, self._finish)
        if "processes" in wanted:
            for task in tasks.values():
                if task.settings.pool == "processes":
                    _check_importable(task)
            pools["processes"] = ProcessPool(self._outbox, self._finish, app_path, most_runs)
        return pools

    def start(self) -> None:
        """Begins to claim and run jobs, in threads."""
        log.info(
            "worker %s claims %s",
            self.name,
            ", ".join(f"{queue_slots.queue} ({queue_slots.slots})" for queue_slots in self._queues),
        )
        for part in (self._kinds, self._outbox, self._heartbeat, self._watch, self._claims):
            part.start()

    def stop(self, hurry: threading.Event | None = None) -> None:
        """Claims no more, lets what runs finish within `grace`, hands back the rest at no cost, and ends.

        `hurry` cuts the grace short when it is set.
        """
        self._is_stopping = True
        for queue_slots in self._queues:
            self._hand_back(queue_slots.close())
        self._kinds.close()
        self._claims.close()
        self._wait_empty(self.grace, hurry)
        running = self._held()
        if running:
            log.info("%d jobs are still running; they are asked to stop and handed back", len(running))
        for attempt in running:
            self.stop_attempt(attempt, StopReason.SHUTDOWN)
        self._wait_empty(max((_stop_grace(one) for one in running), default=0.0) + _AFTER_FORCE)
        for attempt in self._held():
            if attempt.mail.ending is None:
                self._finish(attempt, HAND_BACK)
        self._wait_empty(_LAST_MAIL)
        self._heartbeat.close()
        self._watch.close()
        for pool in self._pools.values():
            pool.close()
        self._outbox.close()
        self._api.close()
        if left := self._held():
            log.warning("the ends of %d jobs could not be reported; their leases will expire", len(left))

    def _wait_empty(self, most: float, hurry: threading.Event | None = None) -> None:
        until = time.monotonic() + most
        with self._is_empty:
            while self._attempts and time.monotonic() < until and not (hurry is not None and hurry.is_set()):
                self._is_empty.wait(0.1)

    def _held(self) -> list[Attempt]:
        with self._lock:
            return list(self._attempts.values())

    def _claimed(self, queue_slots: QueueSlots, attempts: list[Attempt]) -> None:
        with self._lock:
            self._attempts.update((attempt.lease_id, attempt) for attempt in attempts)
        self._hand_back(queue_slots.add(attempts))

    def _start(self, attempt: Attempt) -> None:
        self._pools[attempt.task.settings.pool].run(attempt)

    def _hand_back(self, attempts: list[Attempt]) -> None:
        for attempt in attempts:
            self._finish(attempt, HAND_BACK)

    def _finish(self, attempt: Attempt, ending: Ending) -> None:
        """An attempt's end is known; only the first one counts."""
        with attempt.lock:
            if attempt.is_finished:
                return
            attempt.is_finished = True
        self._outbox.end(attempt, ending)

    def _sent(self, attempt: Attempt) -> None:
        with self._is_empty:
            self._attempts.pop(attempt.lease_id, None)
            if not self._attempts and self._is_stopping:
                self._is_empty.notify_all()

    def stop_attempt(self, attempt: Attempt, reason: StopReason) -> None:
        """Asks an attempt to stop; a reason that is no stronger than the one before changes nothing."""
        with attempt.lock:
            if attempt.is_finished or (attempt.stop is not None and attempt.stop >= reason):
                return
            attempt.stop = reason
            if reason is not StopReason.SOFT_TIMEOUT and attempt.force_at is None:
                attempt.force_at = time.monotonic() + _stop_grace(attempt)
        if attempt.queue_slots.forget(attempt):
            self._finish(attempt, stopped(reason, attempt.task.settings, attempt.job["attempt"]))
            return
        self._pools[attempt.task.settings.pool].stop(attempt)
        if reason in (StopReason.HARD_TIMEOUT, StopReason.LOST):
            self._force(attempt)
        if reason is StopReason.HARD_TIMEOUT and attempt.task.settings.pool == "threads":
            log.warning("the job %s is past its hard timeout; a thread cannot be killed, and keeps its slot", attempt.id)
            self._finish(attempt, stopped(reason, attempt.task.settings, attempt.job["attempt"]))

    def _force(self, attempt: Attempt) -> None:
        self._pools[attempt.task.settings.pool].force(attempt)

    def _tick(self) -> None:
        for queue_slots in self._queues:
            self._hand_back(queue_slots.stale(_STALE))


def _stop_grace(attempt: Attempt) -> float:
    most = {StopReason.SHUTDOWN: _GRACE_AT_SHUTDOWN, StopReason.CONTACT: _GRACE_WITHOUT_CONTACT}
    grace = attempt.task.settings.stop_grace
    return grace if attempt.stop is None else min(grace, most.get(attempt.stop, grace))


def _check_importable(task: Task[..., Any]) -> None:
    function = task.function
    if function.__module__ == "__main__" or "<locals>" in function.__qualname__:
        raise ValueError(
            f"{task.kind}: a task with pool='processes' is to stand in a module, outside of functions, so that processes "
            "can import it"
        )
