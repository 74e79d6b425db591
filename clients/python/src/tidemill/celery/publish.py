"""Stores messages as jobs: tasks, commands and replies, broadcasts and events. If a running task is published again
under its own id, the same job continues; under the id of another job it becomes an additional job.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import ExecutionIdTaken
from . import names
from .api import Api
from .envelope import MESSAGE_KIND, PART, plain_job, task_job
from .runs import run_of

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENTS = frozenset({"celeryev"})
# How long who listens to a broadcast is taken to be known (s).
_KNOWN_FOR = 2.0
_MESSAGE_LASTS = 60.0
_HEARD_WITHIN = 1.0
_MOST_AGAIN = 1000

_local = threading.local()


@contextmanager
def once(mark: str) -> Iterator[None]:
    """In this block tasks that were published with the same mark before, by somebody who died since, are left out."""
    _local.mark = mark
    try:
        yield
    finally:
        _local.mark = None


def task(api: Api, message: Mapping[str, Any], queue: str, options: Mapping[str, Any]) -> None:
    """Stores a task."""
    message["properties"]["delivery_tag"] = getattr(_local, "mark", None) or os.urandom(16).hex()
    job = task_job(message, queue, options)
    run = run_of(message["headers"]["id"])
    if run is not None and run.go_on(job):
        return
    for number in range(_MOST_AGAIN):
        job["execution_id"] = names.again(message["headers"]["id"], number)
        try:
            api.enqueue(job)
            return
        except ExecutionIdTaken:
            if _is_ours(api, job):
                return
    raise ExecutionIdTaken({"status": 409, "detail": f"the id {message['headers']['id']} is in use a thousand times"})


def _is_ours(api: Api, job: Mapping[str, Any]) -> bool:
    """Whether the job that has the id is this very message, published before."""
    found = api.find(job["execution_id"])
    if found is None:
        return False
    part, tag = found["args"].get(PART), _tag(job["args"][PART])
    return isinstance(part, dict) and tag is not None and _tag(part) == tag


def _tag(part: Mapping[str, Any]) -> Any:
    properties = part.get("properties")
    return properties.get("delivery_tag") if isinstance(properties, dict) else None


def other(api: Api, message: Mapping[str, Any], queue: str) -> None:
    """Stores a message that is no task."""
    api.enqueue(plain_job(message, MESSAGE_KIND, names.name(queue), _MESSAGE_LASTS if queue.endswith(".pidbox") else None))


def broadcast(api: Api, message: Mapping[str, Any], exchange: str) -> None:
    """Stores a message for each of those who listen now; what it says of Tidemill's jobs is done at once."""
    if exchange.endswith(".pidbox"):
        from .revoking import heard

        heard(api, message)
    kind = names.name(f"kombu.{exchange}")
    jobs = [plain_job(message, kind, queue, _MESSAGE_LASTS) for queue in listeners(api, kind)]
    if not jobs:
        return
    answers = api.enqueue_many(jobs)
    if exchange.endswith(".pidbox"):
        _wait_until_heard(api, [answer["job"]["id"] for answer in answers if answer.get("job")])


def _wait_until_heard(api: Api, ids: list[str]) -> None:
    """Until the workers know a command, so that it comes before the tasks that are published after it; at most a second."""
    until = time.monotonic() + _HEARD_WITHIN
    for job in ids:
        left = until - time.monotonic()
        if left > 0:
            api.ended(job, left)


_known: dict[tuple[str, str], tuple[float, list[str]]] = {}


def listeners(api: Api, kind: str) -> list[str]:
    """The queues of those who claim a kind of broadcast now."""
    at, queues = _known.get((api.url, kind), (0.0, []))
    if not at or time.monotonic() - at > _KNOWN_FOR:
        items = api.send("GET", "/api/v1/workers")["items"]
        alive = [item for item in items if kind in item["kinds"] and item["state"] in ("running", "draining")]
        queues = sorted({queue for item in alive for queue in item["queues"]})
        _known[api.url, kind] = time.monotonic(), queues
    return queues
