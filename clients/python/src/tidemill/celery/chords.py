"""Counts the tasks of chords, durably and each task once. A chord is a job that no worker runs. Each task that ends
sends it a signal named after itself, with its result; the task that sees all signals publishes the body. A task that
runs twice sends the same signal, which counts once.
"""

from __future__ import annotations

import logging
import uuid
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from celery import states
from celery.backends.base import _create_chord_error_with_cause
from celery.canvas import maybe_signature
from celery.exceptions import ChordError
from celery.result import GroupResult, allow_join_result
from celery.utils.functional import _regen

from ..errors import JobFinished, JobNotFound, Problem
from . import names
from .exact import pack, unpack
from .publish import once

if TYPE_CHECKING:
    from .backend import TidemillBackend

log = logging.getLogger("tidemill.celery")

# A process that announced the body and has not published it within this time (s) is dead.
_CLAIM_LASTS = 60.0
_MOST_PAYLOAD = 60_000
# So often may the same chord be applied.
_MOST_COUNTS = 100


class Chords:
    """The chords of a result backend."""

    def __init__(self, backend: TidemillBackend) -> None:
        self._backend = backend

    @property
    def _api(self) -> Any:
        return self._backend.api

    def _name(self, group_id: str, number: int) -> str:
        return names.again(f"chord:{group_id}", number)

    def begin(self, header_result_args: Any) -> None:
        """Makes the job that counts, and keeps the shape of a header whose results are groups themselves."""
        self._create(header_result_args[0], 0)
        if isinstance(header_result_args[1], _regen):
            return
        header = self._backend.app.GroupResult(*header_result_args)
        if any(isinstance(result, GroupResult) for result in header.results):
            header.save(backend=self._backend)

    def _create(self, group_id: str, number: int) -> None:
        lasts = self._backend.expires or 7 * 86_400
        self._backend.put(self._name(group_id, number), {"chord": group_id}, lasts)

    def _tell(self, group_id: str, name: str, payload: Any) -> tuple[bool, int, str]:
        """Sends a signal to the job that counts, the first that has not ended. Answers whether it is the first signal of its
        name, how many there are, and that job.
        """
        for number in range(_MOST_COUNTS):
            counter = self._name(group_id, number)
            for _ in range(3):
                try:
                    first, count = self._api.signal(counter, name, payload)
                    return first, count, counter
                except JobNotFound:
                    self._create(group_id, number)
                except JobFinished:
                    break
        return False, 0, counter

    def _end(self, counter: str) -> None:
        """Nothing more is counted; whoever tells something of the chord again begins a new count."""
        try:
            self._api.cancel(f"execution:{counter}", "the chord has ended")
        except Problem as problem:
            if problem.status not in (404, 409):
                raise

    def set_size(self, group_id: str, size: int) -> None:
        """How many parts are to come."""
        is_first, _, counter = self._tell(group_id, "size", size)
        if not is_first:
            # The same chord is applied once more: a new count.
            self._end(counter)
            self._tell(group_id, "size", size)

    def add(self, group_id: str) -> None:
        """One part more."""
        self._tell(group_id, f"more:{uuid.uuid4().hex}", None)

    def part_ended(self, request: Any, state: str, result: Any) -> None:
        """Counts a part, and publishes the body after the last."""
        group_id = request.group
        if not group_id or not request.id:
            return
        index = request.group_index
        place = f"{index:09d}" if isinstance(index, int) else "~"
        name, payload = f"part:{place}:{request.id}"[:200], self._payload(request.id, state, result)
        _, count, counter = self._tell(group_id, name, payload)
        try:
            # Before there are as many signals as parts none of those who told theirs was the last: only near the end all
            # are read, with what they bring. The size is told before the last part is published.
            size = self._api.signals(counter, "size")
            if not size or count < int(size[0]["payload"]):
                return
            found = {signal["name"]: signal for signal in self._api.signals(counter)}
        except JobNotFound:
            return
        if "size" not in found or not request.chord:
            return
        parts = sorted(name for name in found if name.startswith("part:"))
        size = int(found["size"]["payload"]) + sum(name.startswith("more:") for name in found)
        if len(parts) == size and self._may_publish(counter, found):
            self._finish(request, counter, [found[name]["payload"] for name in parts])

    def _payload(self, task_id: str, state: str, result: Any) -> Any:
        text = self._backend.encode([1, task_id, state, self._backend.encode_result(result, state)])
        packed = pack(text)
        if len(next(iter(packed.values()))) <= _MOST_PAYLOAD:
            return packed
        # Too large for a signal: a job of its own keeps it.
        name = names.execution_id(f"part:{task_id}:{uuid.uuid4().hex}")
        self._backend.put(name, {"part": packed}, self._backend.expires)
        return {"at": name}

    def _unpack(self, payload: Any) -> Any:
        if "at" in payload:
            job = self._api.find(payload["at"])
            if job is None:
                raise ChordError(f"the result of a task of the chord is no longer stored: {payload['at']}")
            payload = job["args"]["part"]
        _, task_id, state, value = self._backend.decode(unpack(payload))
        if state in states.EXCEPTION_STATES:
            value = self._backend.exception_to_python(value)
        if state in states.PROPAGATE_STATES:
            raise _create_chord_error_with_cause(message=f"Dependency {task_id} raised {value!r}", original_exc=value)
        return value

    def _may_publish(self, counter: str, found: dict[str, Any]) -> bool:
        """One of those who see the last part publishes; if it died, another."""
        for number in range(100):
            name = f"publish:{number}"
            if name not in found:
                return self._announce(counter, name)
            at = datetime.fromisoformat(found[name]["sent_at"].replace("Z", "+00:00"))
            if (datetime.now(timezone.utc) - at).total_seconds() < _CLAIM_LASTS:
                return False
        return False

    def _announce(self, counter: str, name: str) -> bool:
        try:
            first: bool = self._api.signal(counter, name, None)[0]
        except (JobNotFound, JobFinished):
            return False
        return first

    def _finish(self, request: Any, counter: str, payloads: list[Any]) -> None:
        backend, group_id = self._backend, request.group
        callback = maybe_signature(request.chord, app=backend.app)
        count = self._api.find(counter)
        try:
            header = GroupResult.restore(group_id, backend=backend)
            values = self._joined(header) if header is not None else [self._unpack(payload) for payload in payloads]
            try:
                with once(f"chord:{count and count['id']}"):
                    backend.app.amqp._retry_publish(callback.delay, values)
            except Exception as error:
                log.exception("the body of the chord %s could not be published", group_id)
                backend.chord_error_from_stack(callback, ChordError(f"Callback error: {error!r}"))
        except ChordError as error:
            log.info("the chord %s failed: %s", group_id, error)
            backend.chord_error_from_stack(callback, error)
        except Exception as error:
            log.exception("the chord %s could not be joined", group_id)
            backend.chord_error_from_stack(callback, ChordError(f"Join error: {error!r}"))
        finally:
            self._end(counter)

    def _joined(self, header: Any) -> Any:
        """The results of a header with groups in it, in its shape."""
        header.on_ready()
        with allow_join_result():
            timeout = self._backend.app.conf.result_chord_join_timeout
            return header.join(timeout=timeout, propagate=True)
