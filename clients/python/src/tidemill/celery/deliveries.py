"""One claimed job on its way through Celery: when it was acknowledged or refused, its stored state, and how it ends.
Only the first end counts. Must never end a task that Celery acknowledged early before the task has run.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from celery import states
from celery.exceptions import Ignore, Reject

from .envelope import PART
from .exact import is_exact, pack
from .runs import Run, Ticket, begin, end

if TYPE_CHECKING:
    from .leases import Leases

IGNORED = "IGNORED"
RESULT_STEP, MESSAGE_STEP, ACKED_STEP, AGAIN_STEP = "celery.result", "celery.message", "celery.acked", "celery.redelivered"
_BACKTRACE = 16_000


@dataclass
class Ending:
    """How an attempt ends: with a result or an error (`settle`), or to go on later (`snooze`), after checkpoints and
    progress; and whether its job is cancelled before.
    """

    steps: list[dict[str, Any]] = field(default_factory=list)
    progress: dict[str, Any] | None = None
    settle: dict[str, Any] | None = None
    snooze: float | None = None
    cancel: str | None = None

    def body(self) -> dict[str, Any]:
        """The end as `settle` takes it."""
        body: dict[str, Any] = {"delay": self.snooze} if self.snooze is not None else dict(self.settle or {})
        if self.steps:
            body["steps"] = self.steps
        if self.progress is not None:
            body["progress"] = self.progress
        return body


class Delivery:
    """A job that this process holds the lease of."""

    def __init__(
        self, leases: Leases, queue: str, job: Mapping[str, Any], message: dict[str, Any], steps: Mapping[str, Any]
    ) -> None:
        self.leases = leases
        self.queue = queue
        self.job = job
        self.id: str = job["id"]
        self.lease: str = job["lease_id"]
        self.message = message
        self.steps = steps
        headers = message["headers"]
        self.task_id: str = headers.get("id") or job["id"]
        ticket = Ticket(self.task_id, job["kind"], job["queue"], self.id, self.lease, *leases.server)
        self.run = Run(ticket)
        self.is_in_pool = False  # by the pool, from the moment that it may run
        self.accepted_at: float | None = None
        self.claimed_at = time.monotonic()
        self.is_acked = False
        self.requeue: bool | None = None
        self.failure: BaseException | None = None
        self.is_marked = False
        self.is_finished = False
        # Called once the server knows the end.
        self.on_told: Callable[[], None] | None = None
        self.lock = threading.Lock()
        properties = message["properties"]
        properties["delivery_tag"] = self.lease
        properties.setdefault("delivery_info", {})
        properties["delivery_info"]["redelivered"] = job["attempt"] > 1 or AGAIN_STEP in steps

    def requested(self, message: Any) -> None:
        """It becomes a message: from now on what is said of the task in this process is said of this attempt."""
        message.delivery = self
        if "task" in self.message["headers"]:
            begin(self.run)

    @property
    def was_lost_when_acked(self) -> bool:
        """Whether an attempt before was acknowledged early and then lost: Celery does not run such a task again."""
        acked = self.steps.get(ACKED_STEP)
        return acked is not None and acked["lease"] not in self._ended

    @property
    def _ended(self) -> list[str]:
        """The leases of the attempts after which it went on as a retry."""
        return list((self.steps.get(MESSAGE_STEP) or {}).get("after") or [])

    @property
    def is_to_be_marked(self) -> bool:
        """Whether it runs, was acknowledged early, and nobody has written that down."""
        is_early = self.is_acked and self.is_in_pool and self.accepted_at is not None
        return is_early and not self.is_marked and not self.is_finished

    def acknowledge(self) -> None:
        """Celery acknowledges it: the end, if it is not in the pool."""
        self.is_acked = True
        if not self.is_in_pool:
            self.finish()

    def reject(self, requeue: bool) -> None:
        """Celery refuses it."""
        self.requeue = requeue
        if not self.is_in_pool:
            self.finish()

    def orphan(self) -> None:
        """Its channel is closed."""
        if not self.is_in_pool:
            self.hand_back()

    def hand_back(self) -> None:
        """Somebody else may run it, at no cost of an attempt."""
        self._finish(Ending(snooze=0.0))

    def finish(self) -> None:
        """It is over, in whichever way Celery said."""
        self._finish(self.ending())

    def lose(self) -> None:
        """Its lease is lost: nothing that is said of it counts any more."""
        self._finish(None)

    def _finish(self, ending: Ending | None) -> None:
        with self.lock:
            if self.is_finished:
                return
            self.is_finished = True
        end(self.run)
        self.leases.end(self, ending)

    def ending(self) -> Ending:
        """How it ends, by what it left and what Celery said."""
        left = self.run.left
        if left.message is not None:
            return self._goes_on(left.message)
        if self.requeue:
            return self._again()
        if left.state == states.FAILURE or (left.state is None and _is_failure(self.failure)):
            return self._failed(left.meta)
        if left.state == states.REVOKED:
            return Ending([step(RESULT_STEP, shown(states.REVOKED, left.meta))], cancel="revoked")
        if left.state is not None:
            return Ending(settle={"result": shown(left.state, left.meta)})
        if self.is_acked:
            # With Celery's own consumer it is only acknowledged: its result is stored beside it.
            goes_on = isinstance(self.failure, Ignore) or not self.is_in_pool
            return Ending(settle={"result": {"status": IGNORED, "replaced": goes_on}})
        if self.requeue is False:
            return Ending(settle=failed("Reject", "the message was refused"))
        return Ending(settle=failed("Unacknowledged", "it ended and was not acknowledged", retry_after=0))

    def _goes_on(self, job: dict[str, Any]) -> Ending:
        """The same task goes on, later, with another message: a retry."""
        left, delay = self.run.left, seconds_until(job.get("run_at"))
        # One that was lost, and goes on all the same, is not lost once more.
        lost = [self.steps[ACKED_STEP]["lease"]] if self.was_lost_when_acked else []
        output = {"args": job["args"], "after": [*self._ended, *lost, self.lease]}
        if left.meta is not None:
            output["meta"] = shown(left.state or states.RETRY, left.meta)
        retries = job["args"][PART]["headers"]
        retries = retries.get("retries", 0) if isinstance(retries, dict) else 0
        progress = {"step": f"retry {retries}" if retries else "again"}
        return Ending([step(MESSAGE_STEP, output)], progress, snooze=delay)

    def _again(self) -> Ending:
        if isinstance(self.failure, Reject) or self.failure is None:
            return Ending([step(AGAIN_STEP, True)], {"step": "redelivered"}, snooze=0.0)
        # What takes its process along counts, so that it does not come back for ever.
        return Ending(settle=failed(type(self.failure).__name__, str(self.failure), retry_after=0))

    def _failed(self, meta: str | bytes | None) -> Ending:
        error, trace = self.failure, None
        steps = []
        if meta is not None:
            output = shown(states.FAILURE, meta)
            steps.append(step(RESULT_STEP, output))
            trace = output.get("traceback")
        kind, text = (type(error).__name__, str(error)) if error is not None else _named(meta)
        return Ending(steps, settle=failed(kind, text, trace=trace))


def _is_failure(error: BaseException | None) -> bool:
    return error is not None and not isinstance(error, Ignore)


def _named(meta: str | bytes | None) -> tuple[str, str]:
    """The exception of an encoded meta that a person can read."""
    try:
        result = json.loads(meta or "")["result"]
        words = result["exc_message"]
        return result["exc_type"], words if isinstance(words, str) else ", ".join(map(str, words))
    except (ValueError, KeyError, TypeError):
        return "FAILURE", "the task failed"


def step(name: str, output: Any) -> dict[str, Any]:
    """A checkpoint as it is sent."""
    return {"name": name, "output": output, "replace": True}


def failed(kind: str, text: str, *, trace: Any = None, retry_after: float | None = None) -> dict[str, Any]:
    """A failure as an end; for good, unless it is tried again."""
    error: dict[str, Any] = {"type": kind, "message": text or kind}
    if isinstance(trace, str) and trace:
        error["backtrace"] = trace[-_BACKTRACE:]
    if retry_after is None:
        return {"error": error, "permanent": True}
    return {"error": error, "retry_after": retry_after}


def shown(state: str, meta: str | bytes | None) -> dict[str, Any]:
    """The meta of a result as JSON: itself where it comes back exactly, else packed beside its state."""
    if isinstance(meta, str) and len(meta) < 900_000:
        try:
            value = json.loads(meta)
        except ValueError:
            value = None
        if isinstance(value, dict):
            order = sorted(value, key=lambda key: (len(key), key))
            # Nobody asks for the order in which an exception is described.
            if is_exact({key: value[key] for key in order}, in_order=state not in states.EXCEPTION_STATES):
                return value
    return {"status": state, "packed": pack(meta or "")}


def seconds_until(moment: str | None) -> float:
    """Seconds from now; 0 for the past and for none."""
    if moment is None:
        return 0.0
    from datetime import datetime, timezone

    return max(0.0, (datetime.fromisoformat(moment) - datetime.now(timezone.utc)).total_seconds())
