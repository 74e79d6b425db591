"""One queue in this worker: how many of its jobs run at once, and which jobs were claimed ahead and wait here. More
jobs are claimed ahead only while they run for less time than a round trip to the server.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from .attempt import Attempt

MOST_CLAIMED = 100
_MOST_AHEAD = 300
# So much work lies here at most.
_AHEAD_SECONDS = 0.2
_SHORT_RUN = 0.02


class QueueSlots:
    """`start` runs an attempt; `has_room` is called when a claim makes sense again."""

    def __init__(self, queue: str, slots: int, start: Callable[[Attempt], None]) -> None:
        self.queue = queue
        self.slots = slots
        self.has_room: Callable[[], None] = lambda: None
        self._start = start
        self._lock = threading.Lock()
        self._waiting: deque[Attempt] = deque()
        self._running = 0
        self._run_seconds: float | None = None
        self._is_closed = False

    def wanted(self) -> int:
        """How many to claim now; 0 if none, or if so few that it makes no sense yet."""
        with self._lock:
            return self._wanted()

    def _wanted(self) -> int:
        if self._is_closed:
            return 0
        ahead = self._ahead()
        room = self.slots + ahead - self._running - len(self._waiting)
        if room <= 0 or (ahead and self._waiting and room < (self.slots + ahead) // 2):
            return 0
        return min(room, MOST_CLAIMED)

    def _ahead(self) -> int:
        seconds = self._run_seconds
        if seconds is None or seconds > _SHORT_RUN:
            return 0
        return min(_MOST_AHEAD, int(self.slots * _AHEAD_SECONDS / max(seconds, 1e-5)))

    def add(self, attempts: list[Attempt]) -> list[Attempt]:
        """Takes what was claimed and runs what may run; answers what comes too late, to be handed back."""
        with self._lock:
            if self._is_closed:
                return attempts
            self._waiting.extend(attempts)
            ready = self._ready()
        self._run(ready)
        return []

    def released(self, attempt: Attempt) -> None:
        """A slot is free again: the attempt's function has ended."""
        with self._lock:
            self._running -= 1
            if attempt.started_at is not None:
                took = time.monotonic() - attempt.started_at
                known = self._run_seconds
                self._run_seconds = took if known is None else 0.9 * known + 0.1 * took
            ready = self._ready()
            wanted = self._wanted()
        self._run(ready)
        if wanted:
            self.has_room()

    def _ready(self) -> list[Attempt]:
        ready = []
        while self._waiting and self._running < self.slots:
            ready.append(self._waiting.popleft())
            self._running += 1
        return ready

    def _run(self, ready: list[Attempt]) -> None:
        for attempt in ready:
            attempt.started_at = time.monotonic()
            self._start(attempt)

    def stale(self, seconds: float) -> list[Attempt]:
        """Jobs that were claimed ahead too long ago; they are handed back, and this forgets them."""
        with self._lock:
            if not self._waiting or time.monotonic() - self._waiting[0].claimed_at < seconds:
                return []
            # It was no short work after all.
            self._run_seconds = None
            return self._all_waiting()

    def close(self) -> list[Attempt]:
        """Starts nothing more; answers what waited."""
        with self._lock:
            self._is_closed = True
            return self._all_waiting()

    def forget(self, attempt: Attempt) -> bool:
        """Takes out one that waits; False if it runs."""
        with self._lock:
            if attempt not in self._waiting:
                return False
            self._waiting.remove(attempt)
            return True

    def _all_waiting(self) -> list[Attempt]:
        waiting = list(self._waiting)
        self._waiting.clear()
        return waiting
