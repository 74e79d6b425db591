"""Celery on Tidemill: set `broker_url = "tidemill://…"` and `result_backend = "tidemill://…"`, and change nothing else.
Celery's own code makes the messages and runs the tasks; Tidemill stores, delivers and shows them. Must import nothing
of Celery by itself, because kombu imports `tidemill.celery.plug` while kombu itself is being imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .many import enqueue_many

__all__ = ["enqueue_many"]


def __getattr__(name: str) -> Any:
    if name == "enqueue_many":
        from .many import enqueue_many

        return enqueue_many
    raise AttributeError(name)
