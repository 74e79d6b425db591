"""Turns a revoke into a durable cancel: a waiting task is cancelled at once, whether or not a worker is up; a running
task is ended if the revoke has `terminate`. Celery's own broadcast is sent to the workers too.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import Problem
from . import names
from .api import Api

if TYPE_CHECKING:
    from .deliveries import Delivery

log = logging.getLogger("tidemill.celery")

_TERMINATE = re.compile(r"revoked, to be ended by (\w+)")
_REVOKED = "revoked, unless it runs"


class Words(NamedTuple):
    """What a cancel says: whether what runs is to be ended, and by which signal."""

    may_end_it: bool
    signal: str | None
    reason: str


def heard(api: Api, message: Mapping[str, Any]) -> None:
    """Looks at a command on its way to the workers, and cancels what it revokes."""
    try:
        command = json.loads(message["body"])
        arguments = command["arguments"]
        if command["method"] not in ("revoke", "terminate"):
            return
        ids = arguments["task_id"]
    except (ValueError, KeyError, TypeError):
        return
    is_ended = bool(arguments.get("terminate")) or command["method"] == "terminate"
    reason = f"revoked, to be ended by {arguments.get('signal') or 'SIGTERM'}" if is_ended else _REVOKED
    for task_id in ids if isinstance(ids, (list, tuple)) else [ids]:
        try:
            found = api.find(names.execution_id(str(task_id)))
            # What only keeps a state is not the task: what becomes of it is for Celery's worker to say.
            if found is None or found["kind"] == names.STORE_KIND:
                continue
            job = api.cancel(found["id"], reason)
        except Problem:
            continue  # It has ended, or is not published yet.
        if job["state"] == "cancelled":
            _tell_celery(str(task_id), job)


def _tell_celery(task_id: str, job: Mapping[str, Any]) -> None:
    """No worker hears of a task that is cancelled while it waits: what hangs on it hears it here."""
    from celery import current_app
    from celery.app.task import Context
    from celery.worker.request import Request  # noqa: F401  (imports what a chord's error needs)

    from .envelope import PART, message_of

    if not isinstance(job["args"].get(PART), dict):
        return
    message = message_of(job, {})
    headers = message["headers"]
    if not headers.get("group"):
        return
    try:
        from kombu.serialization import loads

        args, kwargs, embed = loads(message["body"], message["content-type"], message["content-encoding"])
        request = Context({**headers, **embed, "args": args, "kwargs": kwargs})
        current_app.backend.mark_as_revoked(task_id, "revoked", request=request, store_result=False)
    except Exception:
        log.exception("the tasks that wait for the revoked task %s could not be cancelled", task_id)


def words_of(delivery: Delivery) -> Words:
    """What the cancel of a running job said."""
    try:
        events = delivery.leases.api.send("GET", f"/api/v1/jobs/{delivery.id}/events?types=cancel_requested")["items"]
    except (OSError, Problem):
        events = []
    reason = next((str(event.get("reason") or event.get("data", {}).get("reason") or "") for event in reversed(events)), "")
    if reason == _REVOKED:
        return Words(False, None, reason)
    found = _TERMINATE.fullmatch(reason)
    return Words(True, found[1] if found else None, reason)
