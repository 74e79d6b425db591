"""A function that runs as a job: its kind, its settings, and the ways to enqueue it. A call of the task calls the
function directly.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

from . import sql
from .backoff import AnyBackoff
from .duration import Duration, optional_seconds
from .handle import AsyncHandle, Handle
from .kind_rules import Breaker
from .local import call_here
from .request import check_options, job_body
from .signature import Signature

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .app import App
    from .request import JobOptions

P = ParamSpec("P")
R = TypeVar("R")

KIND = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
POOLS = ("threads", "processes", "asyncio")


@dataclass(frozen=True)
class TaskSettings:
    """How the worker runs a task; see `App.task`. `error_type` names the class of an exception, by default its last name."""

    pool: str = "threads"
    backoff: AnyBackoff | None = None
    permanent: tuple[type[BaseException], ...] = ()
    soft_timeout: float | None = None
    hard_timeout: float | None = None
    stop_grace: float = 10.0
    memory: int | None = None
    error_type: Callable[[BaseException], str] | None = None
    breaker: Breaker | None = None


@dataclass(eq=False)
class Task(Generic[P, R]):
    """A function with a kind. `options` are given to each of its jobs, and may be changed by `with_options`."""

    app: App = field(repr=False)
    function: Callable[P, R]
    kind: str
    settings: TaskSettings
    options: Mapping[str, Any]

    def __post_init__(self) -> None:
        functools.update_wrapper(cast(Any, self), self.function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return cast(R, call_here(self, args, kwargs))

    @functools.cached_property
    def signature(self) -> Signature:
        """The function's parameters."""
        return Signature(self.function)

    @property
    def is_async(self) -> bool:
        """True for an `async def`."""
        return inspect.iscoroutinefunction(self.function)

    def with_options(self, **options: Unpack[JobOptions]) -> Task[P, R]:
        """The same task, whose jobs get these options as well: `resize.with_options(priority="high").delay(7)`."""
        check_options(options)
        return dataclasses.replace(self, options={**self.options, **options})

    def job(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        """The job of a call, for `enqueue_many`, `sql.enqueue_many` and workflows."""
        return {"kind": self.kind, "args": self.signature.to_object(args, kwargs), **self.options}

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> Handle:
        """Enqueues a call over REST."""
        return self.enqueue(self.signature.to_object(args, kwargs))

    async def submit(self, *args: P.args, **kwargs: P.kwargs) -> AsyncHandle:
        """Enqueues a call over REST, from asyncio."""
        client = self.app.async_client
        return AsyncHandle(
            await client.enqueue(self.kind, self.signature.to_object(args, kwargs), **self._options({})), client
        )

    def enqueue(self, args: Mapping[str, Any] | None = None, **options: Unpack[JobOptions]) -> Handle:
        """Enqueues a job with these args by name, and options of its own, over REST."""
        client = self.app.client
        return Handle(client.enqueue(self.kind, args, **self._options(options)), client)

    def enqueue_in(self, connection: Any, args: Mapping[str, Any] | None = None, **options: Unpack[JobOptions]) -> str:
        """Enqueues a job in the open transaction of your connection (`tidemill.sql.enqueue`); answers its id."""
        return sql.enqueue(connection, self.kind, args, schema=self.app.schema, **self._options(options))

    async def enqueue_in_async(
        self, connection: Any, args: Mapping[str, Any] | None = None, **options: Unpack[JobOptions]
    ) -> str:
        """As `enqueue_in`, on a connection for asyncio."""
        return await sql.enqueue_async(connection, self.kind, args, schema=self.app.schema, **self._options(options))

    def _options(self, options: Mapping[str, Any]) -> Any:
        return {**self.options, **options}


def default_kind(function: Callable[..., Any]) -> str:
    """The kind of a task that has no name: its module and its name, as in `shop.tasks.send_mail`."""
    module = function.__module__
    if module == "__main__":
        # The same name as where a worker imports the file.
        module = Path(function.__code__.co_filename).stem
    return f"{module}.{function.__qualname__.rpartition('<locals>.')[2]}"


def make_task(app: App, function: Callable[P, R], kind: str | None, given: Mapping[str, Any]) -> Task[P, R]:
    """The task of a function. Raises TypeError or ValueError for settings that cannot be kept."""
    kind = kind or default_kind(function)
    if not KIND.fullmatch(kind):
        raise ValueError(
            f"{kind!r} is no kind: use 1 to 63 letters, digits, '.', '_' and '-'; name it, as in @task('shop.mail')"
        )
    is_async = inspect.iscoroutinefunction(function)
    pool = given["pool"] or ("asyncio" if is_async else "threads")
    if pool not in POOLS:
        raise ValueError(f"{kind}: there is no pool {pool}; there are {', '.join(POOLS)}")
    if is_async != (pool == "asyncio"):
        raise TypeError(f"{kind}: async functions run in the pool asyncio, and no others do")
    soft, hard = optional_seconds(given["soft_timeout"]), optional_seconds(given["hard_timeout"])
    if soft is not None and hard is not None and hard <= soft:
        raise ValueError(f"{kind}: hard_timeout must be longer than soft_timeout")
    if given["memory"] is not None and pool != "processes":
        raise ValueError(f"{kind}: a memory ceiling needs pool='processes'")
    settings = TaskSettings(
        pool, given["backoff"], tuple(given["permanent"]), soft, hard, _grace(given["stop_grace"]), given["memory"],
        given["error_type"], given["breaker"],
    )  # fmt: skip
    options = {name: value for name, value in given["options"].items() if value is not None}
    options.update({name: value for name, value in (("soft_timeout", soft), ("hard_timeout", hard)) if value is not None})
    # What cannot be written is said where the task stands, not at its first job.
    job_body(kind, {}, options)
    return Task(app, function, kind, settings, options)


def _grace(value: Duration) -> float:
    return optional_seconds(value) or 0.0
