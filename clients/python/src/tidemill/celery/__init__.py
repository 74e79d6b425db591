"""Celery on Tidemill: `broker_url = "tidemill://…"` and `result_backend = "tidemill://…"`, and nothing else changes. It
is Celery's own code that makes the messages and runs the tasks; Tidemill keeps, hands out and shows them. Must import
nothing of Celery by itself, since kombu imports `tidemill.celery.plug` while it is being imported.
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
