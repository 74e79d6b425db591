"""The job as its running function sees it: `tidemill.current()`. It reports, checkpoints, waits, and tells the function
whether it has to stop. The same in threads, in asyncio and in a process of its own; only the `Link` to the worker
differs.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from . import codec
from .duration import Duration, optional_seconds, seconds
from .files.kept import Content, KeptFile
from .request import job_body
from .stops import Snooze, StopReason, Suspend

if TYPE_CHECKING:
    from .context_async import AsyncContext
    from .task import Task

T = TypeVar("T")

REDACTED = "[redacted]"
# Below it a slot is held; the way through the server takes about as long.
_SHORT_SLEEP = 1.0

_current: ContextVar[Context | None] = ContextVar("tidemill_context", default=None)


class Link(Protocol):
    """The way to the worker."""

    def report(self, verb: str, body: dict[str, Any]) -> None:
        """Sends a report, in order; does not wait for the server."""

    def ask(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        """Asks for something and waits for the answer. Raises Cancelled where the lease is lost."""

    def look(self, what: str) -> list[dict[str, Any]]:
        """The job's `steps` or `signals`."""

    def keep(self, file: KeptFile) -> dict[str, Any]:
        """Sends a file and waits until it is stored. Raises Cancelled where the lease is lost."""


class NoContext(RuntimeError):
    """There is no job here: this is not called from a function that a worker runs."""


def current() -> Context:
    """The job that runs here. Raises NoContext outside of one, and in threads that the function started itself."""
    context = _current.get()
    if context is None:
        raise NoContext("no job runs here: call it from a task that a worker runs")
    return context


class Context:
    """The job that runs. `job` is its document as the worker got it."""

    def __init__(self, job: Mapping[str, Any], link: Link, is_async: bool) -> None:
        self.job = job
        self.id: str = job["id"]
        self.kind: str = job["kind"]
        self.queue: str = job["queue"]
        self.attempt: int = job["attempt"]
        self.max_attempts: int = job["max_attempts"]
        self.traceparent: str | None = job.get("traceparent")
        self._link = link
        self._is_async = is_async
        self._steps: dict[str, Any] | None = None
        self._stop: StopReason | None = None
        self._stopping = threading.Event()
        self.looked = False

    def __repr__(self) -> str:
        return f"<job {self.id} of {self.kind}, attempt {self.attempt}>"

    @property
    def aio(self) -> AsyncContext:
        """The calls that wait, for async functions: `await current().aio.step(…)`."""
        from .context_async import AsyncContext

        return AsyncContext(self)

    def progress(self, percent: float | None = None, step: str | None = None, data: Any = None) -> None:
        """Reports progress: 0 to 100, the current step, and data of your own (64 KiB). None leaves the present value."""
        body = {"percent": percent, "step": step, "data": None if data is None else codec.encode(data)}
        if percent is not None and not 0 <= percent <= 100:
            raise ValueError(f"percent is {percent}; it must be 0 to 100")
        self._link.report("progress", {name: value for name, value in body.items() if value is not None})

    def log(self, text: str, stream: str = "log") -> None:
        """Writes lines into the job's log; `stream` names where they come from."""
        self._link.report("log", {"stream": stream, "lines": text.split("\n")})

    @property
    def stop_reason(self) -> StopReason | None:
        """Why it has to stop; None while it has not."""
        self.looked = True
        return self._stop

    def cancelled(self) -> bool:
        """True once it has to stop: cancelled, timed out, shut down, or its lease is lost. Tidy up and return then."""
        return self.stop_reason is not None

    def wait_stopped(self, timeout: Duration | None = None) -> bool:
        """Waits until it has to stop, at most so long; answers whether it has."""
        self.looked = True
        return self._stopping.wait(optional_seconds(timeout))

    def stop(self, reason: StopReason) -> None:
        """What the worker calls: it has to stop."""
        self._stop = reason if self._stop is None else max(self._stop, reason)
        self._stopping.set()

    @property
    def asked_to_stop(self) -> StopReason | None:
        """As `stop_reason`, for the worker: it is not the function that looks."""
        return self._stop

    def step(self, name: str, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """What `work` brings, done once for the job: later attempts get the stored output (JSON, 1 MiB)."""
        self._may_wait("step")
        is_known, output = self.known_step(name)
        return cast(T, output if is_known else self.store_step(name, work(*args, **kwargs)))

    def cursor(self, name: str, default: Any = None) -> Any:
        """What was saved last under that name."""
        self._may_wait("cursor")
        is_known, output = self.known_step(name, cursor=True)
        return output if is_known else default

    def save_cursor(self, name: str, value: Any) -> None:
        """Saves how far it is; the last value counts."""
        self._may_wait("save_cursor")
        self.store_step(name, value, replace=True)

    def sleep(self, name: str, duration: Duration) -> None:
        """Sleeps once for the job, over restarts; above a second it holds no slot, and then the function begins again."""
        self._may_wait("sleep")
        left = self.time_left(name, duration)
        if left > _SHORT_SLEEP:
            raise Snooze(left)
        time.sleep(max(0.0, left))

    def time_left(self, name: str, duration: Duration) -> float:
        """Seconds until the sleep of that name ends, which the first call fixed."""
        is_known, wake_at = self.known_step(f"sleep:{name}")
        now = datetime.now(timezone.utc)
        if not is_known:
            wake_at = self.store_step(f"sleep:{name}", now + timedelta(seconds=seconds(duration)))
        return float((wake_at - now).total_seconds())

    def signal(self, name: str, timeout: Duration | None = None) -> Any:
        """The payload of a signal to the job; None if it did not come within `timeout`.

        While it waits it holds no slot, and the function begins again when it comes: put what is not to be done twice
        into steps.
        """
        self._may_wait("signal")
        for found in self._link.look("signals"):
            if found["name"] == name:
                return None if found["timed_out"] else codec.decode(found["payload"])
        limit = optional_seconds(timeout)
        raise Suspend("wait", {"signal": name, **({} if limit is None else {"timeout": limit})})

    def extend(self, by: Duration) -> None:
        """Asks for more time: its soft and hard timeouts come so much later."""
        self._may_wait("extend")
        self._link.ask("extend", {"by": seconds(by)})

    def spawn(self, name: str, kind: str | Task[..., Any], args: Mapping[str, Any] | None = None, **options: Any) -> str:
        """Enqueues a child, once for each name however often the job is tried; answers its id."""
        self._may_wait("spawn")
        if not isinstance(kind, str):
            options = {**kind.options, **options}
            kind = kind.kind
        answer = self._link.ask("children", {"name": name, "job": job_body(kind, args, options)})
        return str(answer["job_id"])

    def keep(self, content: Content, name: str | None = None, content_type: str | None = None) -> str:
        """Keeps a file with the job: the one at a path, or bytes, which need a `name`. Answers the path under which the API
        serves it. A later file of the same name takes its place.

        The name is by default that of the path, and the content type the one that the name's ending stands for. Raises
        OSError for a file that cannot be read, and TooLarge, InvalidRequest or NoStorage where the server refuses it.
        """
        self._may_wait("keep")
        return str(self._link.keep(KeptFile.of(content, name, content_type))["href"])

    def known_step(self, name: str, cursor: bool = False) -> tuple[bool, Any]:
        """Whether a checkpoint is stored, and its output."""
        if self._steps is None:
            self._steps = {step["name"]: step["output"] for step in self._link.look("steps")}
        if name not in self._steps:
            return False, None
        output = self._steps[name]
        if REDACTED in codec.dumps(output) and not cursor:
            # What people may see hides values; the answer to a checkpoint that is there already does not.
            output = self._steps[name] = self._link.ask("step", {"name": name, "output": None})["output"]
        return True, codec.decode(output)

    def store_step(self, name: str, output: Any, replace: bool = False) -> Any:
        """Stores a checkpoint; answers the output that counts."""
        body = {"name": name, "output": codec.encode(output), "replace": replace}
        kept = self._link.ask("step", body)["output"]
        if self._steps is not None:
            self._steps[name] = kept
        return codec.decode(kept)

    def _may_wait(self, call: str) -> None:
        if not self._is_async:
            return
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        raise RuntimeError(f"{call} would hold up the event loop: await current().aio.{call}(…)")


def enter(context: Context | None) -> Any:
    """Makes it the current one; answers the token for `leave`."""
    return _current.set(context)


def leave(token: Any) -> None:
    """Ends what `enter` began."""
    _current.reset(token)


def here() -> Context | None:
    """The job that runs here, or None."""
    return _current.get()
