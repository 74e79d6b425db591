"""Runs async functions in one event loop, in a thread of its own. A soft timeout is raised at an `await` of the
function; a cancel is asyncio's own.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine, Generator
from typing import Any

from .. import codec
from ..context import Context, enter
from ..stops import SoftTimeout, StopReason
from .attempt import Attempt
from .capture import flush_lines
from .endings import Ending, of_error, of_value
from .outbox import Outbox
from .pool import DirectLink, Finish

log = logging.getLogger("tidemill.worker")


class Interruptible:
    """Awaits a coroutine; a cancellation of the task may be made another exception on its way in."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine
        self.instead: type[BaseException] | None = None

    def __await__(self) -> Generator[Any, Any, Any]:
        inner, thrown = self._coroutine.__await__(), None
        while True:
            try:
                yielded = inner.send(None) if thrown is None else inner.throw(thrown)
            except StopIteration as stop:
                return stop.value
            thrown = None
            try:
                yield yielded
            except asyncio.CancelledError as cancelled:
                thrown = self._turned(cancelled)
            except BaseException as error:
                thrown = error

    def _turned(self, cancelled: BaseException) -> BaseException:
        instead, self.instead = self.instead, None
        if instead is None:
            return cancelled
        task = asyncio.current_task()
        if task is not None and hasattr(task, "uncancel"):
            task.uncancel()
        return instead()


class LoopPool:
    """One event loop for all async functions; what blocks it holds up all of them."""

    def __init__(self, outbox: Outbox, finish: Finish) -> None:
        self._outbox = outbox
        self._finish = finish
        self._running: dict[str, tuple[asyncio.Task[Any], Interruptible]] = {}
        # The loop itself only keeps weak references.
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tidemill-asyncio", daemon=True)
        self._thread.start()

    def run(self, attempt: Attempt) -> None:
        """Begins the coroutine."""
        attempt.context = Context(attempt.job, DirectLink(attempt, self._outbox, False), True)
        self._loop.call_soon_threadsafe(self._begin, attempt)

    def stop(self, attempt: Attempt) -> None:
        """Notifies the context, and raises SoftTimeout or CancelledError where the function awaits."""
        if attempt.context is not None and attempt.stop is not None:
            attempt.context.stop(attempt.stop)
            self._loop.call_soon_threadsafe(self._interrupt, attempt)

    def force(self, attempt: Attempt) -> None:
        """Cancels it once more."""
        self._loop.call_soon_threadsafe(self._interrupt, attempt)

    def close(self) -> None:
        """Ends the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(2.0)

    def _begin(self, attempt: Attempt) -> None:
        try:
            args, kwargs = attempt.task.signature.to_call(codec.decode(attempt.job["args"]))
            interruptible = Interruptible(attempt.task.function(*args, **kwargs))
        except BaseException as error:
            self._ended(attempt, self._of_error(attempt, error))
            return
        task = self._loop.create_task(self._attend(attempt, interruptible))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attend(self, attempt: Attempt, interruptible: Interruptible) -> None:
        context = attempt.context
        assert context is not None
        # A task has a context of variables of its own, so nothing is to be left.
        enter(context)
        # From here on it may be cancelled: one that did not begin would end without a word.
        task = asyncio.current_task()
        assert task is not None
        self._running[attempt.lease_id] = (task, interruptible)
        if attempt.stop is not None:
            self._interrupt(attempt)
        try:
            ending = of_value(await interruptible, context, attempt.task.settings)
        except BaseException as error:
            ending = self._of_error(attempt, error)
        flush_lines(context)
        self._running.pop(attempt.lease_id, None)
        self._ended(attempt, ending)

    def _interrupt(self, attempt: Attempt) -> None:
        running = self._running.get(attempt.lease_id)
        if running is None:
            return
        task, interruptible = running
        interruptible.instead = SoftTimeout if attempt.stop is StopReason.SOFT_TIMEOUT else None
        if attempt.context is not None and attempt.stop is not StopReason.SOFT_TIMEOUT:
            attempt.context.looked = True
        task.cancel()

    def _of_error(self, attempt: Attempt, error: BaseException) -> Ending:
        assert attempt.context is not None
        return of_error(error, attempt.context, attempt.task.settings)

    def _ended(self, attempt: Attempt, ending: Ending) -> None:
        try:
            self._finish(attempt, ending)
        except BaseException:
            log.exception("the end of the job %s could not be reported; its lease will expire", attempt.id)
        attempt.queue_slots.released(attempt)
