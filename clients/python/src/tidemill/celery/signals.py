"""Replaces Celery's consumer by Tidemill's when a worker starts on `tidemill://`, unless the setting `worker_consumer`
names another one. Celery's own consumer, `celery.worker.consumer:Consumer`, works too: see docs/celery.md.
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
    conf = sender.app.conf
    # The last of these are Celery's defaults.
    is_chosen = sender.consumer_cls != _OWN or any("worker_consumer" in values for values in conf.maps[:-1])
    if not is_chosen and str(sender.app.connection_for_read().transport_cls) in ("tidemill", "tidemills"):
        sender.consumer_cls = CONSUMER
