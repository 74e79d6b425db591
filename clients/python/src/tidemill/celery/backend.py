"""The result backend `tidemill://`. The result of a task is the result of its job: it is stored with the job's end,
read by a long poll, and shown on the job's page. Groups, and results of tasks without a job, are jobs that no worker
runs and that are cancelled when they expire.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from celery import states
from celery.backends.base import BaseBackend
from celery.exceptions import TaskRevokedError, TimeoutError
from kombu.utils.url import parse_url

from ..errors import ExecutionIdTaken, Forbidden, Problem
from . import names
from .api import LONGEST_WAIT, Api, api_of
from .chords import Chords
from .deliveries import IGNORED, RESULT_STEP, shown
from .exact import pack, unpack
from .progress import progress_of
from .runs import Run, has_ended, run_of

log = logging.getLogger("tidemill.celery")

STORE_QUEUE = "celery.store"
# As many jobs may bear a task's id, one after the other.
_MOST_JOBS = 1000
_FINAL = {"completed", "failed", "cancelled"}
_KEPT = states.READY_STATES | {states.RETRY}
# What progress may hold, with space for what is around it.
_MOST_TOLD = 50_000
# A task that is not there yet is looked for after so long (s), and then less often.
_FIRST_LOOK = 0.02
_LONGEST_LOOK = 0.3
# How often a parent's failure is looked for while the result is waited for (s), as with Celery's own backends.
_TICK = 1.0


class TidemillBackend(BaseBackend):  # type: ignore[misc]
    """Results of tasks in Tidemill."""

    supports_autoexpire = True
    persistent = True

    def __init__(self, app: Any = None, url: str | None = None, **options: Any) -> None:
        super().__init__(app=app, url=url, **options)
        self.url = url
        parts = parse_url(url) if url and "://" in url else {}
        secure = bool(url) and str(url).startswith("tidemills")
        self.api: Api = api_of(parts.get("hostname"), parts.get("port"), parts.get("password"), secure)
        self.chords = Chords(self)

    def __reduce__(self, args: Any = (), kwargs: Any = None) -> Any:
        return super().__reduce__(args, {**(kwargs or {}), "url": self.url, "expires": self.expires})

    # Results

    def _store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **_: Any
    ) -> None:
        meta = self._get_result_meta(result=result, state=state, traceback=traceback, request=request)
        meta["task_id"] = task_id
        run = run_of(task_id)
        if run is None:
            self._store_outside(task_id, state, meta)
        elif state in _KEPT:
            run.keep(state, self.encode(meta))
            if state == states.FAILURE and getattr(request, "chord", None):
                self._tell_now(run, self.encode(meta))
        else:
            run.api.verb(run.ticket.job_id, "progress", run.ticket.lease, **progress_of(state, meta, self.encode(meta)))

    def _tell_now(self, run: Run, meta: str | bytes) -> None:
        """A part of a chord failed: this is known before the body's failure, as with Celery's own backends."""
        told = shown(states.FAILURE, meta)
        if len(meta) > _MOST_TOLD:
            return
        try:
            run.api.verb(run.ticket.job_id, "progress", run.ticket.lease, step=states.FAILURE, data={"celery": told})
        except (OSError, Problem) as error:
            log.debug("the failure of %s is reported with its end: %s", run.ticket.task_id, error)

    def _store_outside(self, task_id: str, state: str, meta: dict[str, Any]) -> None:
        """Of a task without a run in this process, as with Celery's own consumer: it is kept beside the task's job."""
        if has_ended(task_id):
            return
        for number in range(_MOST_JOBS):
            name = names.again(task_id, number)
            found = self.api.find(name)
            if found is not None and (found["kind"] != names.STORE_KIND or _is_replaced(found)):
                continue
            if number and state not in states.READY_STATES:
                return
            if found is not None and not self._remove(name):
                continue
            if self.put(name, {"result": shown(state, self.encode(meta))}, self.expires):
                return

    def _remove(self, execution_id: str) -> bool:
        """Takes away what is kept under a name. A key without the scope `admin` may not delete jobs: what only keeps
        something is cancelled then, and False says that the name is not free yet.
        """
        try:
            self.api.delete(execution_id)
            return True
        except Forbidden:
            found = self.api.find(execution_id)
            if found is not None and found["kind"] == names.STORE_KIND and found["state"] not in _FINAL:
                self.api.cancel(found["id"], "replaced or forgotten")
            return False

    def put(self, execution_id: str, args: Mapping[str, Any], seconds: float | None) -> bool:
        """Keeps something under a name; False if there is something."""
        lasts = seconds or 365 * 86_400
        # It is due long after it is gone.
        job = {"kind": names.STORE_KIND, "queue": STORE_QUEUE, "args": dict(args), "execution_id": execution_id}
        try:
            self.api.enqueue({**job, "delay": lasts + 86_400, "expires_in": lasts, "retain": 60})
        except ExecutionIdTaken:
            return False
        return True

    def _job(self, task_id: str, wait: float = 0.0) -> dict[str, Any] | None:
        """The job of a task, the last one if it was replaced."""
        number, found = 0, None
        while True:
            job = self.api.find(names.again(task_id, number), wait)
            if job is None:
                # A job that Celery did not make is known by its own id.
                if number:
                    return found if found and found["kind"] != names.STORE_KIND else None
                return self.api.get(task_id) if _is_uuid7(task_id) else None
            found, number = job, number + 1
            if not _is_replaced(job):
                return job

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        return self._own(task_id) or self._meta(task_id, self._job(task_id))

    def _own(self, task_id: str) -> dict[str, Any] | None:
        """What a task that ends in this very process left: a chord that it completes asks for it before the server knows."""
        run = run_of(task_id)
        if run is None or run.left.meta is None or run.left.state not in states.READY_STATES:
            return None
        found: dict[str, Any] = self.meta_from_decoded(self.decode(run.left.meta))
        return found

    def _meta(self, task_id: str, job: Mapping[str, Any] | None) -> dict[str, Any]:
        pending = {"status": states.PENDING, "result": None, "task_id": task_id}
        if job is None:
            return pending
        if job["kind"] == names.STORE_KIND:
            return self._read(job["args"]["result"])
        result = job["result"]
        if job["state"] == "completed" and isinstance(result, dict) and "status" in result:
            return pending if result["status"] == IGNORED else self._read(result)
        if job["state"] in ("failed", "cancelled"):
            stored = self.api.steps(job["id"]).get(RESULT_STEP)
            if stored is not None:
                return self._read(stored)
            return {**pending, **self._of_tidemill(job)}
        said = (job["progress"] or {}).get("data")
        if isinstance(said, dict) and isinstance(said.get("celery"), dict):
            return self._read(said["celery"])
        if job["status"] in ("scheduled", "retrying", "available") and job["progress"]:
            meta = (self.api.steps(job["id"]).get("celery.message") or {}).get("meta")
            return self._read(meta) if meta else pending
        return pending

    def _of_tidemill(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """The meta of an end that Celery did not see: a cancel, an expiry, a lost worker."""
        error = job["error"] or {}
        if job["state"] == "cancelled":
            reason = "expired" if error.get("type") == "expired" or "expire" in str(error.get("message")) else "revoked"
            return {"status": states.REVOKED, "result": TaskRevokedError(reason), "date_done": job["finished_at"]}
        words = {"exc_type": error.get("type") or "WorkerLostError", "exc_message": [str(error.get("message") or "")]}
        words["exc_module"] = (
            "billiard.exceptions" if "exc_type" in words and words["exc_type"] == "lease_expired" else "celery"
        )
        if error.get("type") in (None, "lease_expired", "crash"):
            words.update(exc_type="WorkerLostError", exc_module="billiard.exceptions")
        return {
            "status": states.FAILURE,
            "result": self.exception_to_python(words),
            "traceback": error.get("backtrace"),
            "date_done": job["finished_at"],
        }

    def _read(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """A meta as Celery has it."""
        import json

        text = unpack(stored["packed"]) if stored.keys() >= {"packed"} else json.dumps(stored)
        found: dict[str, Any] = self.meta_from_decoded(self.decode(text)) if "packed" in stored else self.decode_json(text)
        return found

    def decode_json(self, text: str | bytes) -> dict[str, Any]:
        """A meta that was shown as JSON."""
        from kombu.serialization import loads

        found: dict[str, Any] = self.meta_from_decoded(loads(text, "application/json", "utf-8", accept=["application/json"]))
        return found

    def wait_for(
        self, task_id: str, timeout: float | None = None, interval: float = 0.5, no_ack: bool = True, on_interval: Any = None
    ) -> dict[str, Any] | None:
        """The meta of a task once it has ended. Raises Celery's TimeoutError."""
        self._ensure_not_eager()
        if own := self._own(task_id):
            return own
        now, pause = time.monotonic(), _FIRST_LOOK
        until = None if timeout is None else now + timeout
        tick = now + _TICK
        while True:
            left = LONGEST_WAIT if until is None else until - now
            wait = max(0.001, min(left, tick - now) if on_interval else left)
            job = self._job(task_id, wait)
            meta = self._meta(task_id, job)
            if meta["status"] in states.READY_STATES:
                if on_interval:
                    # A parent's failure comes first.
                    on_interval()
                return meta
            if job is None or job["state"] in _FINAL or job["kind"] == names.STORE_KIND:
                # Nothing can be waited for yet: a chain publishes its last task at its end.
                time.sleep(min(pause, wait))
                pause = min(2 * pause, interval or _LONGEST_LOOK, _LONGEST_LOOK)
            now = time.monotonic()
            if on_interval and now >= tick:
                tick = now + _TICK
                on_interval()
            if until is not None and now >= until:
                raise TimeoutError("The operation timed out.")

    def get_many(
        self,
        task_ids: Iterable[str],
        timeout: float | None = None,
        interval: float | None = 0.5,
        no_ack: bool = True,
        on_message: Any = None,
        on_interval: Any = None,
        max_iterations: int | None = None,
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """The metas of tasks as they end, with their ids; a timeout of 0 looks once. Raises Celery's TimeoutError."""
        until = None if timeout is None else time.monotonic() + timeout
        left, rounds = list(task_ids), 0
        while left:
            waits = []
            for task_id, meta in self._metas(left):
                if meta["status"] not in states.READY_STATES:
                    waits.append(task_id)
                    continue
                if on_message is not None:
                    on_message(meta)
                yield task_id, meta
            left, rounds = waits, rounds + 1
            if not left or (max_iterations and rounds >= max_iterations):
                return
            rest = _TICK if until is None else until - time.monotonic()
            if rest <= 0:
                raise TimeoutError(f"Operation timed out ({timeout})")
            if on_interval:
                on_interval()
            # The next round begins when the first of them has ended.
            began, wait = time.monotonic(), min(rest, interval or 0.5)
            job = self._job(left[0], wait)
            if job is None or job["state"] in _FINAL:
                time.sleep(max(0.0, min(wait, _LONGEST_LOOK) - (time.monotonic() - began)))

    def _metas(self, task_ids: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """The metas of many tasks, whose jobs are read together."""
        jobs = self.api.get_many([f"execution:{names.execution_id(task_id)}" for task_id in task_ids])
        for task_id, job in zip(task_ids, jobs, strict=True):
            # Those that were replaced, or were enqueued by hand, take a second look.
            is_known = job is not None and not _is_replaced(job)
            own = self._own(task_id)
            yield task_id, own or (self._meta(task_id, job) if is_known else self._get_task_meta_for(task_id))

    def task_result_exists(self, task_id: str) -> bool:
        """Whether something is known of a task."""
        return bool(self._get_task_meta_for(task_id)["status"] != states.PENDING)

    def _forget(self, task_id: str) -> None:
        if not self._remove(names.execution_id(task_id)):
            log.debug("the key may not delete the job of %s, which its retention ends", task_id)

    # Groups and chords

    def _save_group(self, group_id: str, result: Any) -> Any:
        text = self.encode({"result": result.as_tuple()})
        name = names.execution_id(f"group:{group_id}")
        args = {"group": pack(text)}
        # A group that is saved again has the same tasks.
        if not self.put(name, args, self.expires) and self._remove(name):
            self.put(name, args, self.expires)
        return result

    def _restore_group(self, group_id: str) -> Any:
        job = self.api.find(names.execution_id(f"group:{group_id}"))
        if job is None or job["state"] in _FINAL:
            return None
        from celery.result import result_from_tuple

        meta = self.decode(unpack(job["args"]["group"]))
        return {**meta, "result": result_from_tuple(meta["result"], self.app)}

    def _delete_group(self, group_id: str) -> None:
        self._remove(names.execution_id(f"group:{group_id}"))

    def apply_chord(self, header_result_args: Any, body: Any, **options: Any) -> None:
        """Before the parts of a chord are published."""
        self.ensure_chords_allowed()
        self.chords.begin(header_result_args)

    def set_chord_size(self, group_id: str, chord_size: int) -> None:
        """How many parts a chord has."""
        self.chords.set_size(group_id, chord_size)

    def add_to_chord(self, group_id: str, result: Any) -> None:
        """A part more."""
        self.chords.add(group_id)

    def on_chord_part_return(self, request: Any, state: str, result: Any, **options: Any) -> None:
        """A part has ended."""
        self.chords.part_ended(request, state, result)


def _is_replaced(job: Mapping[str, Any]) -> bool:
    """Whether another job says what became of the task."""
    if job["kind"] == names.STORE_KIND:
        # One that expired has an error that says so.
        return job["state"] == "cancelled" and job["error"] is None
    result = job["result"]
    return job["state"] == "completed" and isinstance(result, dict) and bool(result.get("replaced"))


def _is_uuid7(task_id: str) -> bool:
    return len(task_id) == 36 and task_id[14] == "7"


__all__ = ["Problem", "TidemillBackend"]
