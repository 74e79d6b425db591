"""Tidemill's consumer for `celery worker`: Celery's own, with its requests, strategies, rate limits, events and
control, and with four differences. It claims only what it can run. It keeps the lease of a task until the task has
ended, whenever it was acknowledged. It receives cancels. It does not run a task again that was lost after an early
acknowledgement.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from billiard.einfo import ExceptionInfo
from billiard.exceptions import WorkerLostError
from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.request import Request
from celery.worker.state import requests, revoked

from . import names
from .claims import Claims
from .deliveries import Delivery
from .leases import ACK_AFTER, Leases
from .revoking import words_of
from .slots import Slots

log = logging.getLogger("tidemill.celery")

_TICK = 0.5
# For an answer that is on its way when the worker stops.
_GRACE = 0.5
LOST = "the worker was lost while it ran this task, which was acknowledged early: it is not run again"


class TaskClaims(Claims):
    """Claims for a worker: of its app's tasks, as many as it can run."""

    consumer: Consumer

    def make_leases(self, key: str | None) -> Leases:
        """The worker's own, for the queues of tasks."""
        if self.queue.endswith(".pidbox"):
            return super().make_leases(key)
        return self.consumer.leases_of(self.api, key)

    def start(self) -> None:
        """Begins to claim, until the consumer stops."""
        if not self.queue.endswith(".pidbox"):
            # Those of an earlier connection are closed.
            self.consumer.task_claims = [*filter(Claims.is_open, self.consumer.task_claims), self]
        super().start()

    def tasks(self) -> dict[str, str]:
        """The tasks of the worker's app."""
        return {names.name(task): task for task in self.consumer.app.tasks}

    def room(self) -> int:
        """As many as the pool can run, and some ahead if they are short."""
        if self.queue.endswith(".pidbox"):
            return 10
        held = sum(not delivery.is_finished for delivery in self.leases.held)
        return self.consumer.slots.most() - held


class Consumer(CeleryConsumer):  # type: ignore[misc]
    """The consumer of a worker on `tidemill://`."""

    def __init__(self, *args: Any, pool: Any = None, initial_prefetch_count: int = 2, **options: Any) -> None:
        # The slots bound what goes in: a second bound would hold up control commands.
        pool.putlocks = False
        self.slots = Slots(pool, initial_prefetch_count)
        self.leases: Leases | None = None
        self.task_claims: list[TaskClaims] = []
        super().__init__(*args, pool=self.slots, initial_prefetch_count=initial_prefetch_count, **options)
        self.timer.call_repeatedly(_TICK, self.slots.hand_back)

    def leases_of(self, api: Any, key: str | None) -> Leases:
        """The leases of this worker, under its node name."""
        if self.leases is None:
            self.leases = Leases(api, key, names.name(self.hostname.replace("@", "-")))
            self.leases.ack_after = self._ack_after()
            self.leases.on_cancel = self.on_cancel
            self.leases.on_lost = self.on_lost
        return self.leases

    def _ack_after(self) -> float:
        options = self.app.conf.broker_transport_options or {}
        return float(options.get("early_ack_after", ACK_AFTER))

    def connect(self) -> Any:
        """Celery's connection, whose claims are those of this worker."""
        connection = super().connect()
        claims = type("ClaimsOfThis", (TaskClaims,), {"consumer": self})
        connection.transport.claims_of = claims
        return connection

    def create_task_handler(self, *args: Any, **options: Any) -> Any:
        """Celery's handler, but for tasks that were lost after an early acknowledgement."""
        handle = super().create_task_handler(*args, **options)

        def handled(message: Any) -> None:
            delivery: Delivery = message.delivery
            task = self.app.tasks.get(message.headers.get("task"))
            if task is not None and not task.acks_late and delivery.was_lost_when_acked:
                self._lost_before(message, task)
            else:
                handle(message)

        return handled

    def _lost_before(self, message: Any, task: Any) -> None:
        """Celery's own way with a lost worker: `task_retry_on_worker_lost`, else the failure with all that hangs on it."""
        delivery: Delivery = message.delivery
        request = Request(message, app=self.app, hostname=self.hostname, eventer=self.event_dispatcher, task=task)
        try:
            raise WorkerLostError(LOST)
        except WorkerLostError as lost:
            delivery.failure = lost
            told = ExceptionInfo()
        try:
            request.on_failure(told)
        except Exception:
            log.exception("the follow-up of the lost task %s failed", delivery.task_id)
        finally:
            delivery.finish()

    def on_cancel(self, delivery: Delivery) -> None:
        """Somebody cancels a task that this worker holds. A revoke without `terminate` lets what runs go on."""
        if getattr(delivery, "is_cancel_heard", False):
            return
        delivery.is_cancel_heard = True  # type: ignore[attr-defined]
        words = words_of(delivery)
        request = requests.get(delivery.task_id)
        if delivery.accepted_at is None or request is None:
            revoked.add(delivery.task_id)
            return
        if not words.may_end_it:
            return
        log.info("the task %s is cancelled: %s", delivery.task_id, words.reason or "no reason given")
        try:
            request.terminate(self.slots, signal=words.signal)
        except NotImplementedError:
            log.warning("the pool cannot end the task %s, which continues", delivery.task_id)

    def on_lost(self, delivery: Delivery) -> None:
        """Another worker may run it: what it does here is not stored."""
        delivery.lose()
        log.warning("the lease of the task %s is lost", delivery.task_id)
        request = requests.get(delivery.task_id)
        wants = self.app.conf.worker_cancel_long_running_tasks_on_connection_loss
        if request is not None and wants and request.task.acks_late and delivery.accepted_at is not None:
            request.cancel(self.slots)

    def stop(self) -> None:
        """Claims no more; hands back what does not run yet."""
        # First: a claim that waits would get what is handed back.
        for claims in self.task_claims:
            claims.close(_GRACE)
        self.slots.close_for_good()
        for claims in self.task_claims:
            claims.channel.hand_back_inbox()
        super().stop()

    def shutdown(self) -> None:
        """After the pool has ended: reports the last ends."""
        super().shutdown()
        if self.leases is not None and self.leases._process == os.getpid():
            # What no pool began, wherever in Celery it waits.
            for delivery in self.leases.held:
                if delivery.accepted_at is None:
                    delivery.hand_back()
            self.leases.close()
