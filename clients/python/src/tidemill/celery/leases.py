"""The leases that this process holds, which a thread renews, and the ends of its jobs, which are sent in batches of all
that gathered during the previous request. Ends that need another request first are sent by two further threads. While
the server is unavailable nothing is given up, until the lease is lost or the process ends.
"""

from __future__ import annotations

import functools
import logging
import os
import queue as queues
import threading
import time
from collections.abc import Callable
from typing import Any

from ..calls.call import growing_pause, retry_after_of
from ..errors import LeaseLost, Problem
from .api import Api
from .deliveries import ACKED_STEP, Delivery, Ending, failed, step

log = logging.getLogger("tidemill.celery")

BEAT_EVERY = 0.7
MOST = 1_000
ERRAND_THREADS = 2
# An early acknowledgement is written down once its task has run for so long (s): one that is over sooner needs none. Of
# tasks that last longer it is written down as they begin.
ACK_AFTER = 0.1
_LOOK_EVERY = 0.05
# The part that the newest run of a kind has in its mean length.
_WEIGHT = 0.2
_LAST_WORDS = 15.0
_LONGEST_RETRY_AFTER = 10.0


@functools.lru_cache(maxsize=1_000)
def _leases_of(api: Api, key: str | None, worker: str, process: int) -> Leases:
    return Leases(api, key, worker)


def shared_leases(api: Api, key: str | None, worker: str) -> Leases:
    """The leases of one worker name in this process, whose threads last as long as the process."""
    return _leases_of(api, key, worker, os.getpid())


class Leases:
    """Leases and ends of one server in this process, under the name of one worker."""

    def __init__(self, api: Api, key: str | None, worker: str) -> None:
        self.api = api
        self.server = (api.url, key)
        self.worker = worker
        # Called with a delivery that somebody asked to cancel, and with one whose lease is lost.
        self.on_cancel: Callable[[Delivery], None] = lambda delivery: None
        self.on_lost: Callable[[Delivery], None] = lambda delivery: None
        self.is_drained = False
        self.ack_after = ACK_AFTER
        self._lengths: dict[str, float] = {}
        self._has_begun = threading.Event()
        self._held: dict[str, Delivery] = {}
        self._lock = threading.Lock()
        self._ends: list[tuple[Delivery, dict[str, Any]]] = []
        self._has_ends = threading.Condition()
        self._errands: queues.SimpleQueue[tuple[Delivery, Ending] | None] = queues.SimpleQueue()
        self._closed = threading.Event()
        self._is_started = False
        self._process = os.getpid()

    def _start(self) -> None:
        self._is_started = True
        targets = [("beat", self._beat), ("settle", self._settle_all), ("marks", self._mark_all)]
        targets += [(f"errand-{number}", self._run_errands) for number in range(ERRAND_THREADS)]
        for name, target in targets:
            threading.Thread(target=target, name=f"tidemill-{name}", daemon=True).start()

    def hold(self, delivery: Delivery) -> None:
        """Keeps the lease of a delivery from now on."""
        with self._lock:
            if not self._is_started:
                self._start()
            self._held[delivery.lease] = delivery

    @property
    def held(self) -> list[Delivery]:
        """The deliveries whose end is not reported yet."""
        with self._lock:
            return list(self._held.values())

    def end(self, delivery: Delivery, ending: Ending | None) -> None:
        """Reports the end of a delivery; None forgets it."""
        if os.getpid() != self._process:
            return
        if ending is None:
            self._forget(delivery)
        elif ending.cancel:
            self._errands.put((delivery, ending))
        else:
            self._settle(delivery, ending.body())

    def close(self) -> None:
        """Waits until the ends are reported, at most a while."""
        until = time.monotonic() + _LAST_WORDS
        while self._is_started and time.monotonic() < until and any(one.is_finished for one in self.held):
            time.sleep(0.02)

    def _forget(self, delivery: Delivery) -> None:
        with self._lock:
            self._held.pop(delivery.lease, None)
        told, delivery.on_told = delivery.on_told, None
        if told is not None:
            try:
                told()
            except Exception:
                log.exception("the follow-up of the task %s failed", delivery.task_id)

    def _persist(self, send: Callable[[], Any]) -> Any:
        """Sends until there is an answer."""
        tries = 0
        while True:
            retry_after = 0.0
            try:
                return send()
            except Problem as problem:
                if problem.status < 500 and problem.status not in (408, 429):
                    raise
                retry_after = min(retry_after_of(problem), _LONGEST_RETRY_AFTER)
            except OSError as error:
                log.debug("the server gives no answer: %s", error)
            tries += 1
            self._closed.wait(max(retry_after, growing_pause(tries, 0.05, 2.0)))

    def _run_errands(self) -> None:
        while (errand := self._errands.get()) is not None:
            delivery, ending = errand
            try:
                self._run_errand(delivery, ending)
            except LeaseLost:
                self._lost(delivery)
            except Exception:
                log.exception("the end of the task %s could not be reported; its lease will expire", delivery.task_id)
                self._forget(delivery)

    def _run_errand(self, delivery: Delivery, ending: Ending) -> None:
        self._persist(lambda: self.api.cancel(delivery.id, ending.cancel or ""))
        self._settle(delivery, ending.body())

    def _settle(self, delivery: Delivery, end: dict[str, Any]) -> None:
        with self._has_ends:
            self._ends.append((delivery, end))
            if len(self._ends) == 1:
                self._has_ends.notify()

    def _settle_all(self) -> None:
        while True:
            with self._has_ends:
                while not self._ends:
                    self._has_ends.wait()
                batch, self._ends = self._ends[:MOST], self._ends[MOST:]
            try:
                self._settle_batch(batch)
            except Exception:
                log.exception("ends could not be reported; their leases will expire")

    def _settle_batch(self, batch: list[tuple[Delivery, dict[str, Any]]]) -> None:
        ends = [{"job_id": one.id, "lease_id": one.lease, **end} for one, end in batch]
        try:
            answer = self._persist(lambda: self.api.send("POST", "/api/v1/worker/settle", {"ends": ends}))
        except Problem as problem:
            if len(batch) == 1:
                self._refused(*batch[0], problem)
                return
            # One bad end must not take the others with it.
            for one in batch:
                self._settle_batch([one])
            return
        for (delivery, end), result in zip(batch, answer["results"], strict=True):
            document = result.get("problem")
            if document is None:
                self._forget(delivery)
            elif document["status"] >= 500:
                self._settle(delivery, end)
            elif document["type"].endswith("/lease-lost"):
                self._lost(delivery)
            else:
                self._refused(delivery, end, Problem(document))

    def _refused(self, delivery: Delivery, end: dict[str, Any], problem: Problem) -> None:
        log.warning("the end of the task %s was refused: %s", delivery.task_id, problem)
        bare = {name: value for name, value in end.items() if name not in ("steps", "progress")}
        if bare != end:
            self._settle(delivery, bare)
            return
        if end.get("error", {}).get("type") == "bad_result":
            self._forget(delivery)
        else:
            self._settle(delivery, failed("bad_result", f"the result was refused: {problem}"))

    def _lost(self, delivery: Delivery) -> None:
        self._forget(delivery)
        log.warning("the lease of the task %s is lost: its outcome is not stored", delivery.task_id)

    def _beat(self) -> None:
        while not self._closed.wait(BEAT_EVERY):
            held = self.held
            for begin in range(0, len(held), MOST):
                try:
                    self._renew(held[begin : begin + MOST])
                except (OSError, Problem) as error:
                    log.debug("a heartbeat was not answered: %s", error)
                except Exception:
                    log.exception("a heartbeat failed")

    def _renew(self, held: list[Delivery]) -> None:
        body = {"worker": self.worker, "leases": [delivery.lease for delivery in held]}
        answer = self.api.send("POST", "/api/v1/worker/heartbeat", body, 10.0)
        by_lease = {delivery.lease: delivery for delivery in held}
        self.is_drained = answer["drain"]
        for name, tell in (("lost", self.on_lost), ("cancel", self.on_cancel)):
            for lease in answer[name]:
                if not by_lease[lease].is_finished:
                    tell(by_lease[lease])

    def begun(self, delivery: Delivery) -> None:
        """A task runs: if it is known to be long, or not known yet, its early acknowledgement cannot wait."""
        if delivery.is_to_be_marked and self._marked_after(delivery) == 0:
            self._has_begun.set()

    def ran(self, delivery: Delivery, seconds: float) -> None:
        """A task has run for so long."""
        kind = delivery.job["kind"]
        known = self._lengths.get(kind, seconds)
        self._lengths[kind] = known + _WEIGHT * (seconds - known)

    def _marked_after(self, delivery: Delivery) -> float:
        return self.ack_after if self._lengths.get(delivery.job["kind"], self.ack_after) < self.ack_after else 0.0

    def _mark_all(self) -> None:
        """Writes down which tasks that run were acknowledged early."""
        while not self._closed.is_set():
            self._has_begun.wait(_LOOK_EVERY)
            self._has_begun.clear()
            now = time.monotonic()
            for delivery in self.held:
                begun = delivery.accepted_at
                if delivery.is_to_be_marked and begun is not None and begun + self._marked_after(delivery) <= now:
                    delivery.is_marked = True
                    self._mark(delivery)

    def _mark(self, delivery: Delivery) -> None:
        try:
            self.api.verb(delivery.id, "step", delivery.lease, **step(ACKED_STEP, {"lease": delivery.lease}))
        except OSError:
            delivery.is_marked = False
        except Problem as problem:
            log.debug("the acknowledgement of %s was not stored: %s", delivery.task_id, problem)
