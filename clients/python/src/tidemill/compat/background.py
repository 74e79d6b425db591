"""The task manager: functions are submitted and run in this process or in workers elsewhere. Their tasks are stored in
Postgres, so they remain after the process ends. With `worker_type="threaded"` threads of this process run them; any
other type only enqueues, for workers that are started with `tidemill-worker MODULE:MANAGER.app`.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from .. import codec, errors
from ..app import App
from ..backoff import Backoff
from ..client import Client
from ..task import Task
from ..worker import Worker
from .background_task import BackgroundTask, TaskPriority, TaskStatus, status_of, task_of
from .config import auto_load_config
from .functions import Functions

__all__ = [
    "BackgroundTask",
    "BackgroundTaskManager",
    "TaskPriority",
    "TaskStatus",
    "get_task_manager",
    "submit_background_task",
]

log = logging.getLogger("tidemill.compat")

QUEUE = "background"
# After a timeout asked a function to stop, the time until its task is given up.
_AFTER_TIMEOUT = 10.0


class BackgroundTaskManager:
    """Submits functions as tasks. `max_workers` run at once here; `queue_size` tasks may wait, over all processes.

    The server and the key come from TIDEMILL_URL and TIDEMILL_KEY; a threaded manager's key may enqueue, read and work, and
    one with a `queue_size` may change queues. A task is tried again up to `max_retries` times.
    """

    def __init__(
        self,
        worker_type: str = "threaded",
        max_workers: int = 4,
        queue_size: int | None = None,
        *,
        monitor_enabled: bool = True,
        queue: str = QUEUE,
        max_retries: int = 3,
        retry_delay: float = 1.0,
        shutdown_timeout: float = 30.0,
        url: str | None = None,
        key: str | None = None,
    ) -> None:
        self.worker_type = worker_type
        self.max_workers = max_workers
        # The server always counts; there is nothing to turn off.
        self.monitor_enabled = monitor_enabled
        self.queue = queue
        self.max_retries = max_retries
        self.app = App(url, key)
        self._backoff = Backoff(first=retry_delay, factor=2, max="10m")
        self._functions = Functions(self.app, queue)
        self._shutdown_timeout = shutdown_timeout
        self._worker: Worker | None = None
        self._lock = threading.Lock()
        self._is_shut = False
        self._process = os.getpid()
        if queue_size is not None:
            self._bound(queue_size)

    @property
    def client(self) -> Client:
        """The server."""
        return self.app.client

    def register(self, func: Callable[..., Any], name: str | None = None) -> Callable[..., Any]:
        """Makes a function known before it is submitted: tasks of an earlier process then go on. Also as a decorator."""
        self._task(func, name)
        return func

    def submit_task(
        self,
        func: Callable[..., Any],
        *args: Any,
        name: str | None = None,
        priority: TaskPriority | str | int = TaskPriority.NORMAL,
        max_retries: int | None = None,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> str:
        """Submits `func(*args, **kwargs)`; answers the task's id. `timeout` is in seconds.

        Raises QueueFull where as many tasks wait as may, ValueError for a function that another process could not run, and
        TypeError for args that do not fit it or that are no JSON.
        """
        return self._submit(func, args, kwargs, name, priority, max_retries, timeout)

    def job(self, func: Callable[..., Any], *args: Any, name: str | None = None, **kwargs: Any) -> dict[str, Any]:
        """The job of a call, for workflows."""
        return self._task(func, name).job(*args, **kwargs)

    def schedule_task_once(self, func: Callable[..., Any], run_at: datetime, *args: Any, **kwargs: Any) -> str:
        """Submits a call for later; a time without a zone is local. Takes what `submit_task` takes."""
        return self._submit(func, args, kwargs, run_at=run_at.astimezone())

    def schedule_task_interval(self, func: Callable[..., Any], interval: timedelta, *args: Any, **kwargs: Any) -> str:
        """Submits a call each `interval`; answers the schedule's id, which is the same for the same call.

        It goes on after this process ended, until `cancel_task` ends it.
        """
        name, options = kwargs.pop("name", None), self._options(kwargs)
        task = self._task(func, name)
        given = task.signature.to_object(args, kwargs)
        mark = hashlib.sha256(codec.dumps([given, interval]).encode()).hexdigest()[:12]
        id = f"{task.kind}-{mark}"
        self.client.schedules.set(id, task.kind, given, every=interval, **{**task.options, **options})
        return id

    def get_task_status(self, task_id: str) -> TaskStatus:
        """How a task or a schedule stands. Raises JobNotFound, or NotFound for a schedule."""
        if not _is_job(task_id):
            self.client.schedules.get(task_id)
            return TaskStatus.SCHEDULED
        return status_of(self.client.get(task_id))

    def get_task(self, task_id: str) -> BackgroundTask | None:
        """The task, of a schedule the one that it made last; None if there is none."""
        try:
            if not _is_job(task_id):
                made = [slot.job_id for slot in self.client.schedules.slots(task_id) if slot.job_id]
                if not made:
                    return None
                task_id = made[0]
            job = self.client.get(task_id)
        except errors.NotFound:
            return None
        return task_of(job, self.client.whole(job.result))

    def cancel_task(self, task_id: str) -> bool:
        """Cancels a task, or ends a schedule; False if there is nothing to cancel any more."""
        try:
            if _is_job(task_id):
                return self.client.cancel(task_id).cancel_requested_at is not None
            self.client.schedules.delete(task_id)
        except (errors.NotFound, errors.Conflict):
            return False
        return True

    def get_stats(self) -> dict[str, Any]:
        """How the system stands, over all processes, and the last day."""
        stats = self.client.stats.now()
        queue = next((each for each in stats.queues if each.name == self.queue), None)
        return {
            "worker_type": self.worker_type,
            "max_workers": self.max_workers,
            "queue_size": queue.available + queue.waiting if queue else 0,
            "active_tasks": queue.running if queue else 0,
            "workers": stats.system.workers,
            "submitted": stats.last_day.enqueued,
            "completed": stats.last_day.completed,
            "failed": stats.last_day.failed,
            "retried": stats.last_day.retried,
            "cancelled": stats.last_day.cancelled,
            "success_rate": stats.last_day.success_rate,
        }

    def shutdown(self, wait: bool = True) -> None:
        """Takes no more tasks here, lets what runs finish, and hands the rest back; what waits stays in the queue."""
        with self._lock:
            # A parent's worker is the parent's to stop.
            worker = self._worker if self._process == os.getpid() else None
            self._is_shut, self._worker = True, None
        atexit.unregister(self.shutdown)
        if worker is not None:
            hurry = threading.Event()
            if not wait:
                hurry.set()
            worker.stop(hurry)

    def _bound(self, queue_size: int) -> None:
        try:
            self.client.queues.change(self.queue, max_queued=queue_size)
        except errors.Forbidden as error:
            words = "the number of waiting tasks in the queue %s is not limited, because the queue cannot be changed: %s"
            log.warning(words, self.queue, error)

    def _submit(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None = None,
        priority: Any = None,
        max_retries: int | None = None,
        timeout: float | None = None,
        run_at: datetime | None = None,
    ) -> str:
        kwargs = dict(kwargs)
        given = {"name": name, "priority": priority, "max_retries": max_retries, "timeout": timeout}
        kwargs.update({key: value for key, value in given.items() if value is not None})
        task = self._task(func, kwargs.pop("name", None))
        options = self._options(kwargs)
        if run_at is not None:
            options["run_at"] = run_at
        return task.enqueue(task.signature.to_object(args, kwargs), **options).id

    def _options(self, kwargs: dict[str, Any]) -> Any:
        """Takes what is ours out of the keywords."""
        priority, timeout = kwargs.pop("priority", TaskPriority.NORMAL), kwargs.pop("timeout", None)
        retries = kwargs.pop("max_retries", None)
        options: dict[str, Any] = {
            "priority": priority.value if isinstance(priority, TaskPriority) else priority,
            "max_attempts": 1 + (self.max_retries if retries is None else retries),
        }
        if timeout is not None:
            options.update(soft_timeout=timeout, hard_timeout=timeout + _AFTER_TIMEOUT)
        return options

    def _task(self, func: Callable[..., Any], name: str | None) -> Task[..., Any]:
        task = self._functions.register(func, name, backoff=self._backoff)
        if self.worker_type == "threaded":
            self._start_worker()
        return task

    def _start_worker(self) -> None:
        """Starts the worker of this process with its first function."""
        if self._process != os.getpid():
            # Threads do not come along in a fork, and one of the parent's may have held the lock.
            self._lock, self._worker, self._process = threading.Lock(), None, os.getpid()
        with self._lock:
            if self._is_shut:
                raise RuntimeError("this task manager is shut down: make another one")
            if self._worker is None:
                slots = {self.queue: self.max_workers}
                self._worker = Worker(self.app, slots, grace=self._shutdown_timeout, is_growing=True)
                self._worker.start()
                # What runs at the end of the program finishes, or is handed back at no cost.
                atexit.register(self.shutdown)


def _is_job(id: str) -> bool:
    # Schedules have names of ours, which are no UUIDs.
    return len(id) == 36 and id.count("-") == 4


_manager: BackgroundTaskManager | None = None
_manager_lock = threading.Lock()


def get_task_manager() -> BackgroundTaskManager:
    """The one manager of this process, made as the configuration says (`tidemill.compat.config`)."""
    global _manager
    with _manager_lock:
        if _manager is None:
            config = auto_load_config()
            _manager = BackgroundTaskManager(
                config.worker_type,
                config.threaded_worker.max_workers,
                config.threaded_worker.queue_size,
                monitor_enabled=config.monitoring.enabled,
                shutdown_timeout=config.shutdown_timeout_seconds,
            )
        return _manager


def submit_background_task(func: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """`submit_task` of the one manager of this process."""
    return get_task_manager().submit_task(func, *args, **kwargs)
