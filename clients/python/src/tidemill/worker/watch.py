"""Checks the times of all attempts: soft and hard timeouts, leases that could not be renewed, functions that do not
stop, and jobs that were claimed ahead and wait too long. Runs in a thread of its own, because requests can be slow.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

from ..stops import StopReason
from .attempt import Attempt

log = logging.getLogger("tidemill.worker")

EVERY = 0.1


class Watch:
    """`stop` and `force` are the worker's; `tick` is called each time."""

    def __init__(
        self,
        running: Callable[[], Iterable[Attempt]],
        stop: Callable[[Attempt, StopReason], None],
        force: Callable[[Attempt], None],
        tick: Callable[[], None],
    ) -> None:
        self._running = running
        self._stop = stop
        self._force = force
        self._tick = tick
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="tidemill-watch", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def close(self) -> None:
        """Ends."""
        self._closed.set()
        self._thread.join(1.0)

    def _watch(self) -> None:
        while not self._closed.wait(EVERY):
            try:
                for attempt in self._running():
                    self._look(attempt, time.monotonic())
                self._tick()
            except Exception:
                log.exception("the check of timeouts failed")

    def _look(self, attempt: Attempt, now: float) -> None:
        if attempt.mail.ending is not None:
            return
        if now >= attempt.trusted_until:
            self._stop(attempt, StopReason.CONTACT)
        if now >= attempt.hard_at:
            self._stop(attempt, StopReason.HARD_TIMEOUT)
        elif attempt.soft_at is not None and now >= attempt.soft_at:
            self._stop(attempt, StopReason.SOFT_TIMEOUT)
        if attempt.force_at is not None and now >= attempt.force_at and not attempt.forced:
            attempt.forced = True
            self._force(attempt)
