"""Puts Tidemill's consumer in the place of Celery's own when a worker starts on `tidemill://`, unless the setting
`worker_consumer` names another one. Celery's own, `celery.worker.consumer:Consumer`, works too: see docs/celery.md.
"""

from __future__ import annotations

from typing import Any

CONSUMER = "tidemill.celery.consumer:Consumer"
_OWN = "celery.worker.consumer:Consumer"


def connect() -> None:
    """Listens for workers; nothing without Celery, as in a program of kombu alone."""
    try:
        from celery import signals
    except ImportError:
        return
    signals.worker_init.connect(_choose, weak=False, dispatch_uid="tidemill.celery")


def _choose(sender: Any = None, **_: Any) -> None:
    scheme = str(sender.app.connection_for_read().transport_cls)
    is_chosen = "worker_consumer" in getattr(sender.app, "_preconf", {}) or sender.consumer_cls != _OWN
    if scheme in ("tidemill", "tidemills") and not is_chosen and sender.app.conf.get("tidemill_consumer", True):
        sender.consumer_cls = CONSUMER
