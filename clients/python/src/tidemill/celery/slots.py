"""Passes tasks from Tidemill's consumer to Celery's pool, one by one as slots become free. A task that waits here for
too long is returned to the server, for another worker. Each delivery is informed of the end of its task and of the
outcome. Celery manages the pool itself, its limits and its lost processes.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from celery.worker.state import task_ready

from .deliveries import Delivery
from .runs import Leavings, traced

# Tasks that are shorter than this (s) are sent to the pool ahead, so that no process waits for the next.
_SHORT = 0.05
# So long (s) may the last of those that are claimed ahead wait, as far as can be known; what waits longer goes back.
_PATIENCE = 1.0
_STALE = 2.0
_MOST_AHEAD = 100
# The part that the newest task has in the mean.
_WEIGHT = 0.1


class Call:
    """One task for the pool; also what Celery holds as its result."""

    def __init__(self, request: Any, delivery: Delivery, apply: Callable[[], Any]) -> None:
        self.request = request
        self.delivery = delivery
        self.apply = apply
        self.waits_since = time.monotonic()
        self.result: Any = None

    def terminate(self, signum: int) -> None:
        """Ends the process that runs it, or takes note for the moment that one does."""
        if self.result is not None and hasattr(self.result, "terminate"):
            self.result.terminate(signum)

    def get(self, timeout: float | None = None) -> Any:
        """The outcome, as Celery's pool gives it."""
        return self.result.get(timeout) if self.result is not None else None


class Slots:
    """A pool with as many tasks in it as it has slots; everything else is the pool's own."""

    def __init__(self, pool: Any, prefetch: int) -> None:
        self._pool = pool
        self._prefetch = prefetch
        self._waiting: deque[Call] = deque()
        self._running = 0
        self._mean = 0.0
        self._lock = threading.RLock()
        self._is_closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    @property
    def _slots(self) -> int:
        return max(1, self._pool.num_processes or 1)

    def ahead(self) -> int:
        """How many tasks may be claimed beyond the slots."""
        if self._prefetch and self._prefetch <= self._slots:
            return 0
        bearable = int(_PATIENCE * self._slots / self._mean) if self._mean else self._prefetch
        return min(_MOST_AHEAD, bearable)

    def most(self) -> int:
        """How many tasks this worker may hold."""
        return self._slots + self.ahead()

    def apply_async(self, target: Any, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Runs a request's task when there is a slot."""
        request = getattr(options.get("callback"), "__self__", None)
        delivery: Delivery | None = getattr(getattr(request, "message", None), "delivery", None)
        if delivery is None or args is None:
            return self._pool.apply_async(target, args, kwargs, **options)
        delivery.is_in_pool = True
        heard = {**options, **self._callbacks(delivery, options)}
        work = (target, delivery.run.ticket, *args)
        call = Call(request, delivery, lambda: self._pool.apply_async(traced, work, kwargs, **heard))
        with self._lock:
            self._waiting.append(call)
        self._fill()
        return call

    def _callbacks(self, delivery: Delivery, options: dict[str, Any]) -> dict[str, Any]:
        """Those of the request, and what Tidemill makes of the same."""
        callback, over = options["callback"], self._once(delivery)

        def accepted(pid: int, at: float) -> None:
            delivery.accepted_at = time.monotonic()
            options["accept_callback"](pid, at)
            delivery.leases.begun(delivery)

        def succeeded(outcome: Any) -> None:
            leave(delivery, outcome)
            if not isinstance(outcome, tuple) or outcome[0]:
                try:
                    callback(outcome[:3] if isinstance(outcome, tuple) else outcome)
                finally:
                    over()
                return
            # Celery has the result of a task stored before anybody hears that it is over.
            delivery.is_acked = True
            with delivery.lock:
                is_told = delivery.is_finished
                if not is_told:
                    delivery.on_told = lambda: callback(outcome[:3])
            over()
            if is_told:
                callback(outcome[:3])

        def errored(einfo: Any) -> None:
            try:
                delivery.failure = cause(einfo)
                options["error_callback"](einfo)
            finally:
                over()

        return {"accept_callback": accepted, "callback": succeeded, "error_callback": errored}

    def _once(self, delivery: Delivery) -> Callable[[], None]:
        """What is done when a task is over, once."""
        done = threading.Lock()

        def over() -> None:
            if not done.acquire(blocking=False):
                return
            if delivery.accepted_at is not None:
                ran = time.monotonic() - delivery.accepted_at
                self._mean += _WEIGHT * (ran - self._mean)
                delivery.leases.ran(delivery, ran)
            with self._lock:
                self._running -= 1
            delivery.finish()
            self._fill()

        return over

    def _fill(self) -> None:
        while call := self._next():
            if call.request.revoked():
                with self._lock:
                    self._running -= 1
                call.delivery.finish()
                continue
            try:
                call.result = call.apply()
            except BaseException as error:
                with self._lock:
                    self._running -= 1
                call.delivery.failure = error
                call.delivery.finish()
                raise

    def _next(self) -> Call | None:
        with self._lock:
            most = self._slots * (2 if self._mean < _SHORT else 1)
            if not self._waiting or self._is_closed or self._running >= most:
                return None
            self._running += 1
            return self._waiting.popleft()

    def hand_back(self, older_than: float = _STALE) -> None:
        """Gives back what waits here for too long."""
        before = time.monotonic() - older_than
        with self._lock:
            stale = [call for call in self._waiting if call.waits_since <= before]
            for call in stale:
                self._waiting.remove(call)
        for call in stale:
            task_ready(call.request)
            call.delivery.hand_back()

    def close_for_good(self) -> None:
        """Takes nothing more in, and gives back what waits."""
        self._is_closed = True
        self.hand_back(0.0)


def leave(delivery: Delivery, outcome: Any) -> None:
    """Takes what the task left from the pool's outcome."""
    if not isinstance(outcome, tuple):
        return
    failed, value = outcome[0], outcome[1]
    if len(outcome) > 3 and isinstance(outcome[3], Leavings):
        delivery.run.take(outcome[3])
    if failed:
        delivery.failure = cause(value)


def cause(einfo: Any) -> BaseException:
    """The exception of a failure as billiard gives it."""
    error = getattr(einfo, "exception", einfo)
    error = getattr(error, "exc", error) if type(error).__name__ == "ExceptionWithTraceback" else error
    return error if isinstance(error, BaseException) else RuntimeError(str(error))
