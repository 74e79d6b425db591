"""Sends the reports of attempts, each attempt's in order, and then their ends. Ends are sent in batches of all that
gathered during the previous request. While the server is unavailable nothing is dropped, until the lease is lost or the
worker gives up at shutdown.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from ..calls.call import growing_pause, retry_after_of
from ..errors import ConnectionFailed, LeaseLost, Problem
from ..files.kept import KeptFile
from .api import MOST_ENDS, WorkerApi, new_key
from .attempt import Attempt
from .endings import Ending, failure

log = logging.getLogger("tidemill.worker")

T = TypeVar("T")

REPORTERS = 4
# How an attempt ends that may go with others; the rest goes alone.
BATCHED = ("complete", "fail")
_LONGEST_PAUSE = 2.0
# The lease must not end during the pause that the server asks for (s).
_LONGEST_RETRY_AFTER = 10.0
# A storage that fails so often is for the task to know.
_FILE_TRIES = 10


class GaveUp(Exception):
    """It is not sent any more: the lease is lost, or the worker ends."""


class Outbox:
    """`lost` is called with an attempt whose lease is lost, `sent` with one whose end is reported."""

    def __init__(self, api: WorkerApi, lost: Callable[[Attempt], None], sent: Callable[[Attempt], None]) -> None:
        self._api = api
        self._lost = lost
        self._sent = sent
        self._ready: SimpleQueue[Attempt | None] = SimpleQueue()
        self._ends: list[Attempt] = []
        self._has_ends = threading.Condition()
        self._closed = False
        names = [f"tidemill-reports-{number}" for number in range(REPORTERS)]
        self._threads = [threading.Thread(target=self._report_all, name=name, daemon=True) for name in names]
        self._threads.append(threading.Thread(target=self._settle_all, name="tidemill-settle", daemon=True))

    def start(self) -> None:
        """Begins to send."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Ends; what is left is not sent."""
        self._closed = True
        for _ in range(REPORTERS):
            self._ready.put(None)
        with self._has_ends:
            self._has_ends.notify_all()

    def report(self, attempt: Attempt, verb: str, body: dict[str, Any], *, may_wait: bool) -> None:
        """Takes a report. Where an attempt has too many on the way, the caller waits if it may."""
        mail = attempt.mail
        with mail.changed:
            while may_wait and mail.is_full and mail.ending is None and not self._closed:
                mail.changed.wait(1.0)
            if mail.ending is None:
                mail.add(verb, body)
                self._wake(attempt)

    def end(self, attempt: Attempt, ending: Ending) -> None:
        """Takes the end of an attempt, which is sent after its reports."""
        with attempt.mail.changed:
            attempt.mail.ending = ending
            if attempt.mail.is_on_its_way:
                return
            if ending.verb not in BATCHED:
                self._wake(attempt)
                return
        self._settle(attempt)

    def drain(self, attempt: Attempt) -> None:
        """Waits until the reports of an attempt are sent, so that what is asked next comes after them."""
        with attempt.mail.changed:
            while attempt.mail.is_on_its_way and not self._closed:
                attempt.mail.changed.wait(1.0)

    def ask(self, attempt: Attempt, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        """Sends one thing and waits for the answer. Raises Problem, GaveUp."""
        key = new_key()
        return self._persist(attempt, lambda: self._api.verb(attempt.id, attempt.lease_id, verb, body, key))

    def look(self, attempt: Attempt, what: str) -> list[dict[str, Any]]:
        """The job's steps or signals. Raises Problem, GaveUp."""
        return self._persist(attempt, lambda: self._api.look(attempt.id, what))

    def keep(self, attempt: Attempt, file: KeptFile) -> dict[str, Any]:
        """Sends a file and waits until it is stored. Raises Problem, GaveUp, and OSError for one that cannot be read."""
        return self._persist(attempt, lambda: self._api.keep(attempt.id, attempt.lease_id, file), _FILE_TRIES)

    def _wake(self, attempt: Attempt) -> None:
        if not attempt.mail.is_on_its_way:
            attempt.mail.is_on_its_way = True
            self._ready.put(attempt)

    def _report_all(self) -> None:
        while (attempt := self._ready.get()) is not None and not self._closed:
            self._deliver(attempt)

    def _deliver(self, attempt: Attempt) -> None:
        """Sends an attempt's reports until there are none, and then its end if it has one."""
        mail = attempt.mail
        while True:
            with mail.changed:
                mail.changed.notify_all()
                report = mail.next()
                if report is None:
                    ending = mail.ending
                    mail.is_on_its_way = ending is not None
                    break
            try:
                self.ask(attempt, *report)
            except Problem as problem:
                log.warning("a report of the job %s was refused: %s", attempt.id, problem)
            except GaveUp:
                with mail.changed:
                    mail.clear()
        if ending is not None and ending.verb in BATCHED:
            self._settle(attempt)
        elif ending is not None:
            self._end_alone(attempt, ending)

    def _end_alone(self, attempt: Attempt, ending: Ending) -> None:
        try:
            if ending.verb != "drop":
                self._persist(attempt, lambda: self._api.verb(attempt.id, attempt.lease_id, ending.verb, ending.body))
        except Problem as problem:
            if ending.verb in BATCHED:
                self._refused(attempt, ending, problem)
                return
            log.warning("%s of the job %s was refused: %s", ending.verb, attempt.id, problem)
            attempt.mail.ending = failure("bad_wait", f"{ending.verb} was refused: {problem}", permanent=True)
            self._settle(attempt)
            return
        except GaveUp:
            pass
        self._sent(attempt)

    def _settle(self, attempt: Attempt) -> None:
        with self._has_ends:
            self._ends.append(attempt)
            if len(self._ends) == 1:
                self._has_ends.notify()

    def _settle_all(self) -> None:
        while True:
            with self._has_ends:
                while not self._ends and not self._closed:
                    self._has_ends.wait()
                if self._closed:
                    return
                batch, self._ends = self._ends[:MOST_ENDS], self._ends[MOST_ENDS:]
            try:
                self._settle_batch(batch)
            except Exception:
                log.exception("a batch of ends could not be sent; their leases will expire")

    def _settle_batch(self, batch: list[Attempt]) -> None:
        endings = [attempt.mail.ending or Ending("drop") for attempt in batch]
        ends = [{"job_id": one.id, "lease_id": one.lease_id, **end.body} for one, end in zip(batch, endings, strict=True)]
        try:
            results = self._persist(None, lambda: self._api.settle(ends))
        except Problem:
            # The request as a whole: one bad end must not take the others with it.
            for attempt, ending in zip(batch, endings, strict=True):
                self._end_alone(attempt, ending)
            return
        except GaveUp:
            return
        for attempt, ending, result in zip(batch, endings, results, strict=True):
            problem = result.get("problem")
            if problem is None:
                self._sent(attempt)
            elif problem["status"] >= 500:
                self._settle(attempt)
            elif problem["type"].endswith("/lease-lost"):
                self._lost(attempt)
                self._sent(attempt)
            else:
                self._refused(attempt, ending, Problem(problem))

    def _refused(self, attempt: Attempt, ending: Ending, problem: Problem) -> None:
        """The server does not take an end as it is: the attempt failed then, and the reason is reported."""
        log.warning("the end of the job %s was refused: %s", attempt.id, problem)
        if ending.verb == "fail":
            # Nothing that could be refused is left of it.
            refusal = failure("error", "it failed, and the server refused to store why", permanent=ending.body["permanent"])
        else:
            refusal = failure("bad_result", f"the result was refused: {problem}", permanent=True)
        if ending.body == refusal.body:
            self._sent(attempt)
            return
        attempt.mail.ending = refusal
        self._settle(attempt)

    def _persist(self, attempt: Attempt | None, send: Callable[[], T], most: int | None = None) -> T:
        """Sends until there is an answer. Raises Problem for a refusal, and where the server said `most` times that it
        cannot do it now; GaveUp for a lost lease or at the end.
        """
        tries = 0
        while not self._closed:
            try:
                return send()
            except LeaseLost as problem:
                if attempt is None:
                    raise
                self._lost(attempt)
                raise GaveUp from problem
            except Problem as problem:
                if problem.status < 500 and problem.status not in (408, 429):
                    raise
                most = None if most is None else most - 1
                if most == 0:
                    raise
                pause = max(retry_after_of(problem), min(problem.retry_after or 0.0, _LONGEST_PAUSE))
            except ConnectionFailed:
                pause = None
            tries += 1
            time.sleep(max(min(pause or 0.0, _LONGEST_RETRY_AFTER), growing_pause(tries, 0.05, _LONGEST_PAUSE)))
        raise GaveUp
