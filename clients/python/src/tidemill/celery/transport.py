"""The transport `tidemill://` of kombu. A task's message becomes a job of the task's own kind, with eta, expires and
priority as columns; commands, replies and events become jobs that live for a minute. A consumer claims them under
leases, which a thread renews until they are acknowledged or, with Tidemill's consumer, until the task has ended.
"""

from __future__ import annotations

import contextlib
import queue as queues
import time
from typing import Any

from kombu.transport import base, virtual

from ..errors import NotFound, Problem
from . import names, publish, signals
from .api import Api, Unreachable, api_of
from .claims import Claims
from .deliveries import Delivery

signals.connect()


class Channel(virtual.Channel):  # type: ignore[misc]
    """One channel. Bindings are known to the process; who listens to a broadcast is known to the server."""

    supports_fanout = True
    do_restore = False

    def __init__(self, connection: Transport, **options: Any) -> None:
        self.closed: bool = False
        super().__init__(connection, **options)
        self.inbox: queues.SimpleQueue[Delivery] = connection.inbox
        self.claims: dict[str, Claims] = {}
        self._tags: dict[str, Delivery] = {}
        self._prefetch = 0

    @property
    def api(self) -> Api:
        """The server."""
        return self.connection.api  # type: ignore[no-any-return]

    def basic_publish(self, message: dict[str, Any], exchange: str, routing_key: str, **options: Any) -> None:
        """Stores a message, durably once this returns."""
        message["properties"]["delivery_info"].update(exchange=exchange, routing_key=routing_key)
        if isinstance(message["body"], bytes) and message["content-encoding"] == "utf-8":
            message["body"] = message["body"].decode()
        if (exchange and self.typeof(exchange).type == "fanout") or exchange in publish.EVENTS:
            publish.broadcast(self.api, message, exchange)
            return
        is_task = "task" in message["headers"] and "id" in message["headers"]
        for queue in self._route(exchange, routing_key):
            if is_task:
                publish.task(self.api, message, queue, self.connection.client.transport_options)
            else:
                publish.other(self.api, message, queue)

    def _route(self, exchange: str, routing_key: str) -> list[str]:
        """The queues of a message; where this process knows of no binding, that of the routing key's name."""
        if exchange.startswith("reply."):
            # The asker's, whose name kombu makes of these two.
            return [f"{routing_key}.{exchange}"]
        if not exchange:
            return [routing_key]
        try:
            found = self.typeof(exchange).lookup(self.get_table(exchange), exchange, routing_key, None)
        except KeyError:
            found = None
        return list(found or [routing_key])

    def basic_consume(self, queue: str, no_ack: bool, callback: Any, consumer_tag: str, **options: Any) -> None:
        """Claims jobs of the queue from now on."""
        self._tag_to_queue[consumer_tag] = queue
        self._active_queues.append(queue)
        self._consumers.add(consumer_tag)

        def deliver(delivery: Delivery) -> Any:
            message = self.Message(delivery.message, channel=self)
            delivery.requested(message)
            if not no_ack:
                self._tags[message.delivery_tag] = delivery
                return callback(message)
            try:
                return callback(message)
            finally:
                delivery.acknowledge()

        self.connection._callbacks[queue] = deliver
        exchanges = [exchange for exchange, _, _ in self.state.queue_bindings(queue)]
        self.claims[queue] = self.connection.claims_of(self, queue, exchanges)
        self.claims[queue].start()

    def basic_cancel(self, consumer_tag: str) -> None:
        """Claims no more of the consumer's queue; what was claimed and not delivered is handed back."""
        if consumer_tag in self._consumers:
            self._consumers.remove(consumer_tag)
            queue = self._tag_to_queue.pop(consumer_tag)
            self._active_queues.remove(queue)
            if claims := self.claims.pop(queue, None):
                claims.close()

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """The message is done with; Tidemill's consumer keeps its lease until the task has ended."""
        if delivery := self._tags.pop(delivery_tag, None):
            delivery.acknowledge()

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """The message is refused, for good or to be delivered again."""
        if delivery := self._tags.pop(delivery_tag, None):
            delivery.reject(requeue)

    def basic_qos(self, prefetch_size: int = 0, prefetch_count: int = 0, apply_global: bool = False) -> None:
        """How many deliveries may be unacknowledged; 0 is no bound."""
        self._prefetch = prefetch_count

    def basic_get(self, queue: str, no_ack: bool = False, **options: Any) -> Any:
        """One message, if there is one."""
        exchanges = [exchange for exchange, _, _ in self.state.queue_bindings(queue)]
        delivery = self.connection.claims_of(self, queue, exchanges).once()
        if delivery is None:
            return None
        message = self.Message(delivery.message, channel=self)
        delivery.requested(message)
        if no_ack:
            delivery.acknowledge()
        else:
            self._tags[message.delivery_tag] = delivery
        return message

    @property
    def unacknowledged(self) -> int:
        """Deliveries that wait for their ack."""
        return len(self._tags)

    def room(self) -> int:
        """How many more jobs may be claimed."""
        return (self._prefetch or 100) - len(self._tags) - self.inbox.qsize()

    def hand_back_inbox(self) -> None:
        """Hands back what was claimed and not delivered."""
        with contextlib.suppress(queues.Empty):
            while True:
                self.inbox.get_nowait().hand_back()

    def close(self) -> None:
        """Ends; what was delivered and not acknowledged is handed back."""
        if self.closed:
            return
        for tag in list(self._consumers):
            self.basic_cancel(tag)
        for delivery in list(self._tags.values()):
            delivery.orphan()
        self._tags.clear()
        self.closed = True
        if self.connection is not None:
            self.connection.close_channel(self)
        self.exchange_types = None

    def _size(self, queue: str) -> int:
        try:
            return int(self.api.send("GET", f"/api/v1/queues/{names.name(queue)}")["available"])
        except Problem:
            return 0

    def _purge(self, queue: str) -> int:
        try:
            purged = self.api.send("POST", f"/api/v1/queues/{names.name(queue)}/purge")
        except NotFound:
            return 0
        return int(next((value for value in purged.values() if isinstance(value, int)), 0))

    def queue_declare(self, queue: str | None = None, passive: bool = False, **options: Any) -> Any:
        """Queues need no declaration; asked passively, it answers how many wait."""
        if passive and queue:
            return virtual.base.queue_declare_ok_t(queue, self._size(queue), 0)
        return virtual.base.queue_declare_ok_t(queue or f"amq.gen-{virtual.base.uuid()}", 0, 0)

    def _delete(self, queue: str, *args: Any, **options: Any) -> None:
        # What waits in a queue of replies is gone in a minute, whoever may purge.
        with contextlib.suppress(Problem):
            self._purge(queue)

    def queue_delete(self, queue: str, if_unused: bool = False, if_empty: bool = False, **options: Any) -> None:
        """Forgets the bindings, and cancels what waits."""
        if if_empty and self._size(queue):
            return
        self._delete(queue)
        self.state.queue_bindings_delete(queue)

    def _has_queue(self, queue: str, **options: Any) -> bool:
        return True

    def _queue_bind(self, *args: Any) -> None:
        """Bindings live in the process."""


class Transport(virtual.Transport):  # type: ignore[misc]
    """A connection. It is one in name: requests go over connections that each thread keeps."""

    Channel = Channel
    driver_type = "tidemill"
    driver_name = "tidemill"
    default_port = 0
    is_secure = False
    # What stands in the way for a while, and what a caller did wrong.
    connection_errors = (*virtual.Transport.connection_errors, OSError)
    recoverable_connection_errors = (OSError,)
    channel_errors = (*virtual.Transport.channel_errors, Problem)
    recoverable_channel_errors = (Unreachable,)
    global_state = virtual.BrokerState()
    implements = base.Transport.implements.extend(
        asynchronous=False, heartbeats=False, exchange_type=frozenset(["direct", "topic", "fanout"])
    )

    def __init__(self, client: Any, **options: Any) -> None:
        super().__init__(client, **options)
        self.state = self.global_state
        self.inbox: queues.SimpleQueue[Delivery] = queues.SimpleQueue()
        # Tidemill's consumer puts its own in the place of these.
        self.claims_of: Any = Claims

    @property
    def api(self) -> Api:
        """The server of the connection's URL."""
        client = self.client
        hostname = None if client.hostname in (None, "", "localhost") and not client.port else client.hostname
        return api_of(hostname, client.port, client.password, self.is_secure)

    @property
    def default_connection_params(self) -> dict[str, Any]:
        """Without a host the server is that of TIDEMILL_URL."""
        return {"port": 0, "hostname": None}

    def driver_version(self) -> str:
        """The version of the protocol."""
        return "1"

    def establish_connection(self) -> Any:
        """Asks whether the server is there."""
        self.api.send("GET", "/healthz", timeout=float(self.client.connect_timeout or 5))
        return super().establish_connection()

    def verify_connection(self, connection: Any) -> bool:
        """True; each request finds out for itself."""
        return True

    def drain_events(self, connection: Any, timeout: float | None = None, **options: Any) -> None:
        """Delivers one message; raises `socket.timeout` if none came in time."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if until is None else max(0.0, until - time.monotonic())
            try:
                delivery = self.inbox.get(timeout=left)
            except queues.Empty:
                raise TimeoutError from None
            if callback := self._callbacks.get(delivery.queue):
                callback(delivery)
                return
            delivery.hand_back()


class SSLTransport(Transport):
    """The same over TLS: `tidemills://`."""

    is_secure = True
