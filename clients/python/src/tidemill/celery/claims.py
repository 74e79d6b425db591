"""Claims the jobs of one queue: a long poll in a thread, which pauses while there is no capacity. Claimed jobs are put
into the inbox of the connection, complete: with the message of a retry, and whether they were delivered before.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..calls.call import growing_pause, retry_after_of
from ..errors import Forbidden, Problem, Unauthorized
from . import names
from .api import Api
from .deliveries import MESSAGE_STEP, Delivery
from .envelope import MESSAGE_KIND, message_of
from .leases import Leases, shared_leases

if TYPE_CHECKING:
    from .transport import Channel

log = logging.getLogger("tidemill.celery")

WAIT_SECONDS = 20.0
MOST_KINDS = 1_000
MOST_JOBS = 100
# Celery's limits are Celery's: the server's own bound is as far away as it can be.
HARD_TIMEOUT = "30d"
_LONGEST_PAUSE = 5.0
# A server that asks for more than this (s) is asked again all the same.
_LONGEST_RETRY_AFTER = 60.0


class Claims:
    """The claims of one queue for a channel."""

    def __init__(self, channel: Channel, queue: str, exchanges: Iterable[str] = ()) -> None:
        self.channel = channel
        self.queue = queue
        self.exchanges = [*exchanges]
        self.api = channel.api
        client = channel.connection.client
        key = client.password or os.environ.get("TIDEMILL_KEY")
        # A wire of its own, that can be cut while a claim waits.
        self._wire = Api(self.api.url, key)
        self.leases = self.make_leases(key)
        self._closed = threading.Event()
        self._threads: list[threading.Thread] = []
        self._is_away = False

    def make_leases(self, key: str | None) -> Leases:
        """Where the leases are held; a name of its own, since a listener is found by its queue."""
        # A process that waits for replies must not fill the list of workers.
        is_reply = "reply." in self.queue
        place = f"{socket.gethostname()}-replies" if is_reply else f"{socket.gethostname()}-{os.getpid()}-{self.queue}"
        return shared_leases(self.api, key, names.name(place))

    def tasks(self) -> Mapping[str, str]:
        """The tasks that may be claimed, by their kinds."""
        from celery import current_app

        return {names.name(task): task for task in current_app.tasks}

    def kinds(self) -> list[str]:
        """The kinds that are asked for: broadcasts where the queue hears them, else tasks and other messages."""
        broadcasts = [names.name(f"kombu.{exchange}") for exchange in self.exchanges if self._is_broadcast(exchange)]
        if broadcasts or self.queue.endswith(".pidbox"):
            return broadcasts or [MESSAGE_KIND]
        return [MESSAGE_KIND, *sorted(self.tasks())]

    def _is_broadcast(self, exchange: str) -> bool:
        return exchange == "celeryev" or getattr(self.channel.typeof(exchange), "type", "") == "fanout"

    def room(self) -> int:
        """How many jobs may come."""
        return self.channel.room()

    def start(self) -> None:
        """Begins to claim; one thread for as many kinds as a claim may name."""
        kinds = self.kinds()
        parts = [kinds[begin : begin + MOST_KINDS] for begin in range(0, len(kinds), MOST_KINDS)]
        for part in parts:
            thread = threading.Thread(target=self._claim_all, args=[part], name=f"tidemill-claims-{self.queue}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def once(self) -> Delivery | None:
        """One job, if there is one now."""
        for delivery in self._claim(self.kinds()[:MOST_KINDS], 1, 0.0):
            return delivery
        return None

    def close(self, grace: float = 0.0) -> None:
        """Claims no more, and cuts a claim that waits still after `grace` seconds. The server hands back what it took for
        that one; what a cut answer had already brought waits for the end of its lease.
        """
        self._closed.set()
        until = time.monotonic() + grace
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._wire.abort()

    def is_open(self) -> bool:
        """Whether it claims."""
        return not self._closed.is_set()

    def _claim_all(self, kinds: list[str]) -> None:
        failures = 0
        while not self._closed.is_set():
            room = self.room()
            if room <= 0 or self.leases.is_drained:
                self._closed.wait(0.005 if room <= 0 else 1.0)
                continue
            try:
                deliveries = self._claim(kinds, room, WAIT_SECONDS)
            except (OSError, Problem, ValueError) as error:
                if self._closed.is_set():
                    return
                failures += 1
                self._trouble(error)
                retry_after = min(retry_after_of(error), _LONGEST_RETRY_AFTER)
                self._closed.wait(max(retry_after, growing_pause(failures, 0.1, _LONGEST_PAUSE)))
                continue
            if self._is_away:
                log.info("the server answers again")
            failures, self._is_away = 0, False
            for delivery in deliveries:
                if self._closed.is_set():
                    delivery.hand_back()
                else:
                    self.channel.inbox.put(delivery)

    def _claim(self, kinds: list[str], most: int, wait: float) -> list[Delivery]:
        body = {
            "worker": self.leases.worker,
            "kinds": kinds,
            "queues": [names.name(self.queue)],
            "max": max(1, min(most, MOST_JOBS)),
            "wait_seconds": wait,
            "hard_timeout": HARD_TIMEOUT,
        }
        answer = self._wire.send("POST", "/api/v1/worker/claim", body, wait + 30.0)
        self.leases.is_drained = bool(answer["drain"])
        tasks = self.tasks() if answer["jobs"] else {}
        return [self._delivery(job, tasks) for job in answer["jobs"]]

    def _delivery(self, job: dict[str, Any], tasks: Mapping[str, str]) -> Delivery:
        steps: dict[str, Any] = {}
        if job["attempt"] > 1 or job["progress"]:
            steps = self._wire.steps(job["id"])
        args = (steps.get(MESSAGE_STEP) or {}).get("args")
        delivery = Delivery(self.leases, self.queue, job, message_of(job, tasks, args), steps)
        self.leases.hold(delivery)
        return delivery

    def _trouble(self, error: Exception) -> None:
        """Says it once, until it is over; a key that is refused each time."""
        if isinstance(error, (Unauthorized, Forbidden)):
            log.error("the server refuses this worker: %s", error)
        elif not self._is_away:
            log.warning("no jobs can be claimed at %s (%s); trying again", self.api.url, error or type(error).__name__)
        self._is_away = True
