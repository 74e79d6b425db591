"""Renews the leases in a thread of its own, which a function can block only while it holds Python's lock (the GIL), and
finds the attempts that have to stop. An attempt whose end is not reported yet still holds its lease.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ..errors import ConnectionFailed, Problem
from ..stops import StopReason
from .api import MOST_LEASES, WorkerApi
from .attempt import TRUSTED, Attempt

log = logging.getLogger("tidemill.worker")

# A cancel is to reach a function within a second or so; a lease alone would do with a third of its time.
EVERY = 0.7


class Heartbeat:
    """`held` answers the attempts, `stop` is called with one that has to stop and why."""

    def __init__(
        self, api: WorkerApi, held: Callable[[], list[Attempt]], stop: Callable[[Attempt, StopReason], None]
    ) -> None:
        self._api = api
        self._held = held
        self._stop = stop
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="tidemill-heartbeat", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def close(self) -> None:
        """Ends; leases run out from now on."""
        self._closed.set()
        self._thread.join(1.0)

    def _beat(self) -> None:
        while not self._closed.wait(EVERY):
            attempts = self._held()
            for begin in range(0, len(attempts), MOST_LEASES):
                try:
                    self._renew(attempts[begin : begin + MOST_LEASES])
                except (ConnectionFailed, Problem) as error:
                    log.debug("a heartbeat was not answered: %s", error)
                except Exception:
                    log.exception("a heartbeat failed")

    def _renew(self, attempts: list[Attempt]) -> None:
        sent_at = time.monotonic()
        answer = self._api.heartbeat([attempt.lease_id for attempt in attempts])
        by_lease = {attempt.lease_id: attempt for attempt in attempts}
        for lease in answer["held"]:
            attempt = by_lease[lease]
            attempt.trusted_until = sent_at + TRUSTED * attempt.lease_seconds
        for reason, name in (
            (StopReason.LOST, "lost"),
            (StopReason.CANCEL, "cancel"),
            (StopReason.SOFT_TIMEOUT, "soft_timeout"),
        ):
            for lease in answer[name]:
                # Of one whose end is on its way the server may know more than its answer here says.
                if by_lease[lease].mail.ending is None:
                    self._stop(by_lease[lease], reason)
