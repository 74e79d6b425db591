"""The tasks of a program, and the server at which they are enqueued. `tidemill.task` belongs to the default app; a
program that uses two servers makes two apps.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, ParamSpec, TypeVar, overload

from .async_client import AsyncClient
from .backoff import AnyBackoff
from .client import Client
from .duration import Duration
from .kind_rules import Breaker
from .task import Task, make_task

P = ParamSpec("P")
R = TypeVar("R")


class App:
    """Tasks by kind. `url` and `key` come from TIDEMILL_URL and TIDEMILL_KEY when the first job is enqueued.

    `schema` is where Tidemill's tables are, for jobs that are enqueued in your own transaction.
    """

    def __init__(self, url: str | None = None, key: str | None = None, *, schema: str = "tidemill") -> None:
        self.url = url
        self.key = key
        self.schema = schema
        self.tasks: dict[str, Task[..., Any]] = {}
        # What a worker serves beside the queues of its tasks, for integrations.
        self.queues: tuple[str, ...] = ()
        self._lock = threading.Lock()

    @cached_property
    def client(self) -> Client:
        """The client that `delay` uses."""
        return Client(self.url, self.key)

    @cached_property
    def async_client(self) -> AsyncClient:
        """The client that `submit` uses."""
        return AsyncClient(self.url, self.key)

    @overload
    def task(self, name: Callable[P, R], /) -> Task[P, R]: ...

    @overload
    def task(
        self,
        name: str | None = None,
        /,
        *,
        queue: str | None = None,
        priority: int | str | None = None,
        max_attempts: int | None = None,
        backoff: AnyBackoff | None = None,
        permanent: Iterable[type[BaseException]] = (),
        breaker: Breaker | None = None,
        soft_timeout: Duration | None = None,
        hard_timeout: Duration | None = None,
        stop_grace: Duration = 10.0,
        unique: bool | str | Mapping[str, Any] | None = None,
        concurrency_key: str | Sequence[str] | None = None,
        fair_key: str | None = None,
        expires_in: Duration | None = None,
        retain: Duration | None = None,
        tags: Sequence[str] | None = None,
        pool: str | None = None,
        memory: int | None = None,
    ) -> Callable[[Callable[P, R]], Task[P, R]]: ...

    def task(self, name: Any = None, /, **given: Any) -> Any:
        """Makes a function a task: `@task`, or `@task("shop.mail", queue="mails", …)`; its kind is the name.

        What each of its jobs gets: `queue`, `priority`, `max_attempts`, `soft_timeout`, `hard_timeout`, `unique`,
        `concurrency_key`, `fair_key`, `expires_in`, `retain`, `tags` (see `JobOptions`). What the worker does:

        - `backoff`: a `Backoff`, a duration, or a function of the attempt; else the server's.
        - `permanent`: exceptions after which no further attempt is made.
        - `breaker`: a `Breaker`, by which the server starts no jobs for a while after their workers died in a row.
        - `pool`: `threads` (plain functions, the default), `processes` (work for the CPU), `asyncio` (async functions).
        - `memory`: the most bytes that its process may allocate (`processes` on Linux).
        - `stop_grace`: the time that a plain function has to stop by itself after a cancel; then `Cancelled` is raised in
          it, or its process killed.

        A worker that starts declares all of it to the server, but `tags`, `pool` and `memory`: it holds for jobs that SQL,
        REST and schedules enqueue as well.
        """
        if callable(name):
            return self.add(name, None, given)
        return lambda function: self.add(function, name, given)

    def add(self, function: Callable[..., Any], kind: str | None, given: Mapping[str, Any]) -> Task[..., Any]:
        """What `task` does, without a decorator, for integrations."""
        given = dict(given)
        worker_side = {
            "pool": None, "backoff": None, "permanent": (), "breaker": None, "soft_timeout": None, "hard_timeout": None,
            "stop_grace": 10.0, "memory": None, "error_type": None,
        }  # fmt: skip
        settings = {name: given.pop(name, default) for name, default in worker_side.items()}
        task = make_task(self, function, kind, {**settings, "options": given})
        with self._lock:
            other = self.tasks.get(task.kind)
            if other is not None and (other.function.__module__, other.function.__qualname__) != (
                function.__module__, function.__qualname__,
            ):  # fmt: skip
                where = f"{other.function.__module__}.{other.function.__qualname__}"
                raise ValueError(f"the kind {task.kind} is taken by {where}: give one of them another name")
            self.tasks[task.kind] = task
        return task


default_app = App()
task = default_app.task
