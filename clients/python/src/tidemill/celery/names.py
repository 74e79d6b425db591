"""Converts Celery's names into valid names of Tidemill: task names into kinds, queues, task ids into execution ids,
node names into workers. A valid name is unchanged. Any other name gets a form that is unique and the same in every
process.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_OTHER = re.compile(r"[^A-Za-z0-9._-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LONGEST_ID = 240
# Of jobs that keep results of tasks, and groups; no worker runs them.
STORE_KIND = "celery.store"


@lru_cache(maxsize=10_000)
def name(text: str) -> str:
    """The text as the name of a kind, a queue or a worker."""
    if _NAME.fullmatch(text):
        return text
    tail = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{_OTHER.sub('-', text).strip('.-_')[-54:].lstrip('.-_') or 'x'}-{tail}"


def execution_id(task_id: str) -> str:
    """A task's id as an execution id."""
    if len(task_id) <= _LONGEST_ID and not _CONTROL.search(task_id):
        return task_id
    return f"celery-{hashlib.sha256(task_id.encode()).hexdigest()}"


def again(task_id: str, number: int) -> str:
    """The execution id of a task that is published once more under an id that is in use."""
    return f"{execution_id(task_id)}#{number}" if number else execution_id(task_id)
