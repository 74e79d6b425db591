"""Runs plain functions in threads of the worker, for functions that mostly wait. A thread cannot be killed: if its
function does not end, the thread keeps its slot, and the worker logs that.
"""

from __future__ import annotations

import logging
import threading
from queue import Empty, SimpleQueue

from ..context import Context
from ..stops import Cancelled, SoftTimeout, StopReason
from .attempt import Attempt
from .interrupt import ThreadInterrupt
from .outbox import Outbox
from .pool import DirectLink, Finish
from .run import run

log = logging.getLogger("tidemill.worker")

_IDLE_SECONDS = 30.0


class ThreadPool:
    """As many threads as attempts run; the slots of the queues bound those."""

    def __init__(self, outbox: Outbox, finish: Finish) -> None:
        self._outbox = outbox
        self._finish = finish
        self._work: SimpleQueue[Attempt | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._interrupts: dict[str, ThreadInterrupt] = {}

    def run(self, attempt: Attempt) -> None:
        """Runs it in a thread that is idle, else in a new one."""
        attempt.context = Context(attempt.job, DirectLink(attempt, self._outbox, True), False)
        self._interrupts[attempt.lease_id] = ThreadInterrupt()
        with self._lock:
            is_new = self._idle == 0
            self._idle -= 0 if is_new else 1
        self._work.put(attempt)
        if is_new:
            threading.Thread(target=self._loop, name="tidemill-task", daemon=True).start()

    def stop(self, attempt: Attempt) -> None:
        """Notifies the context; a soft timeout is raised in the function as well."""
        if attempt.context is None or attempt.stop is None:
            return
        attempt.context.stop(attempt.stop)
        interrupt = self._interrupts.get(attempt.lease_id)
        if attempt.stop is StopReason.SOFT_TIMEOUT and interrupt is not None:
            interrupt.throw(SoftTimeout)

    def force(self, attempt: Attempt) -> None:
        """Raises Cancelled in the function."""
        interrupt = self._interrupts.get(attempt.lease_id)
        if interrupt is not None and interrupt.throw(Cancelled):
            log.warning("the job %s did not stop by itself; Cancelled is raised in its thread", attempt.id)

    def close(self) -> None:
        """Threads are daemons: they end with the process."""

    def _loop(self) -> None:
        while True:
            try:
                attempt = self._work.get(timeout=_IDLE_SECONDS)
            except Empty:
                with self._lock:
                    # Somebody may just be counting on this one.
                    if self._idle > 0:
                        self._idle -= 1
                        return
                continue
            if attempt is not None:
                self._run_one(attempt)
            with self._lock:
                self._idle += 1
            if attempt is not None:
                attempt.queue_slots.released(attempt)

    def _run_one(self, attempt: Attempt) -> None:
        context, interrupt = attempt.context, self._interrupts[attempt.lease_id]
        assert context is not None
        try:
            self._finish(attempt, run(attempt.task, context, interrupt.run))
        except BaseException:
            log.exception("the end of the job %s could not be reported; its lease will expire", attempt.id)
        finally:
            del self._interrupts[attempt.lease_id]
