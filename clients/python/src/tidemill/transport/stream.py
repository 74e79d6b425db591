"""Event streams that reconnect: when the connection ends, they continue after a random pause with the position of the
last frame, until the job has ended. No event is missed or repeated; the server keeps the order.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError

from ..calls import event
from ..calls.call import LONGEST_PAUSE, growing_pause, refusal
from ..models import FINAL, Event
from . import AsyncTransport, Transport

# Comments come every 15 s; what is silent for longer than this is dead.
SILENCE = 40.0
_GONE = (httpx.TransportError, SSEError)


class Position:
    """Where a stream stands: what it asks for next, and how long it waits before."""

    def __init__(self, path: str, params: Mapping[str, Any], after: str | None, single: bool) -> None:
        self.path = path
        self.params = dict(params)
        self.last_id = after
        self.single = single
        self.is_over = False
        self._failures = 0

    def request(self) -> dict[str, Any]:
        """The arguments of httpx's `stream`."""
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self.last_id is not None:
            headers["Last-Event-ID"] = self.last_id
        return {
            "method": "GET",
            "url": self.path,
            "params": self.params,
            "headers": headers,
            "timeout": httpx.Timeout(SILENCE, connect=10.0),
        }

    def opened(self, response: httpx.Response) -> bool:
        """True if frames follow. Raises Problem where coming back would not help."""
        if response.status_code == 204:
            self.is_over = True
            return False
        if response.status_code in (408, 429) or response.status_code >= 500:
            self._failures += 1
            return False
        if not response.is_success:
            raise refusal(response)
        return True

    def take(self, frame: ServerSentEvent) -> Event | None:
        """The event of a frame; None for one that only moves the position."""
        self._failures = 0
        if frame.id:
            self.last_id = frame.id
        if not frame.data:
            return None
        taken = event(json.loads(frame.data), frame.event, frame.id or None)
        if self.single and taken.type in FINAL:
            self.is_over = True
        return taken

    def pause(self) -> float:
        """Seconds until the next connection: longer after each failure, and never in step with others."""
        pause = growing_pause(self._failures, 0.25, LONGEST_PAUSE)
        self._failures += 1
        return pause


def follow(transport: Transport, position: Position) -> Iterator[Event]:
    """The events from a position on, in the caller's thread; raises Problem for a refusal."""
    while not position.is_over:
        try:
            with transport.http.stream(**position.request()) as response:
                if response.status_code >= 400:
                    response.read()
                if position.opened(response):
                    for frame in EventSource(response).iter_sse():
                        taken = position.take(frame)
                        if taken is not None:
                            yield taken
                        if position.is_over:
                            return
        except _GONE:
            pass
        if not position.is_over:
            time.sleep(position.pause())


async def follow_async(transport: AsyncTransport, position: Position) -> AsyncIterator[Event]:
    """The events from a position on, in the running event loop; raises Problem for a refusal."""
    while not position.is_over:
        try:
            async with transport.http.stream(**position.request()) as response:
                if response.status_code >= 400:
                    await response.aread()
                if position.opened(response):
                    async for frame in EventSource(response).aiter_sse():
                        taken = position.take(frame)
                        if taken is not None:
                            yield taken
                        if position.is_over:
                            return
        except _GONE:
            pass
        if not position.is_over:
            await asyncio.sleep(position.pause())
