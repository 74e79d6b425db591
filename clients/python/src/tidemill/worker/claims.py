"""Claims jobs: one long poll for each queue, in an event loop of its own, so that a shutdown can cancel it. Claimed
jobs that can no longer be run are handed back.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import httpx

from ..calls.call import growing_pause, path, refusal, retry_after_of
from ..errors import Forbidden, Problem, Unauthorized
from ..settings import Settings
from ..shape import time_of
from ..task import Task
from .attempt import DEFAULT_HARD_TIMEOUT, Attempt
from .queue_slots import QueueSlots

log = logging.getLogger("tidemill.worker")

# The server looks about once a second, and answers after 45 s at the latest.
WAIT_SECONDS = 20.0
# A kind that comes later is first claimed after so long.
GROWING_WAIT_SECONDS = 0.5
MOST_KINDS = 1_000
# A server that asks for more than this (s) is asked again all the same.
_LONGEST_RETRY_AFTER = 60.0
_LONGEST_PAUSE = 5.0
_DRAINED_PAUSE = 5.0
# At shutdown an answer that is on its way has so long to come.
_LAST_ANSWER = 0.5


class Claims:
    """`take` is called with each batch of attempts; of the kinds `declared` the server has the rules. With `is_growing`,
    `tasks` may get more while this claims.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        tasks: Mapping[str, Task[..., Any]],
        queues: list[QueueSlots],
        take: Callable[..., None],
        is_growing: bool = False,
        declared: Collection[str] = (),
    ) -> None:
        self._settings = settings
        self._name = name
        self._tasks = tasks
        self._queues = queues
        self._take = take
        self._is_growing = is_growing
        self._declared = declared
        self._wait = GROWING_WAIT_SECONDS if is_growing else WAIT_SECONDS
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._main, name="tidemill-claims", daemon=True)
        self._closing = asyncio.Event()
        self._is_away = False
        self._lease_seconds = 30.0

    def start(self) -> None:
        """Begins to claim."""
        self._thread.start()

    def close(self) -> None:
        """Claims no more; afterwards everything that was claimed is with `take`."""
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(_LAST_ANSWER + 5.0)

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        limits = httpx.Limits(max_connections=None)
        headers = self._settings.headers()
        async with httpx.AsyncClient(base_url=self._settings.url, headers=headers, limits=limits) as http:
            loops = [loop for queue_slots in self._queues for loop in self._loops(http, queue_slots)]
            await self._closing.wait()
            await asyncio.wait(loops, timeout=_LAST_ANSWER)
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)

    def _loops(self, http: httpx.AsyncClient, queue_slots: QueueSlots) -> list[asyncio.Task[None]]:
        """The claims of one queue: one, but for a program with more kinds than a claim may name."""
        turns = [self._growing()] if self._is_growing else [itertools.repeat(part) for part in _parts(self._tasks)]
        rooms = [asyncio.Event() for _ in turns]
        queue_slots.has_room = lambda: self._wake(rooms)
        return [asyncio.create_task(self._claim(http, queue_slots, *each)) for each in zip(turns, rooms, strict=True)]

    def _growing(self) -> Iterator[list[str]]:
        """The kinds of one claim after the other, as they are then."""
        while True:
            yield from _parts(self._tasks)

    async def _claim(
        self, http: httpx.AsyncClient, queue_slots: QueueSlots, turns: Iterator[list[str]], room: asyncio.Event
    ) -> None:
        failures = 0
        while not self._closing.is_set():
            room.clear()
            wanted = queue_slots.wanted()
            if not wanted:
                await room.wait()
                continue
            try:
                is_drained = await self._once(http, queue_slots, next(turns), wanted)
            except (httpx.TransportError, Problem, ValueError) as error:
                failures += 1
                self._trouble(error)
                retry_after = min(retry_after_of(error), _LONGEST_RETRY_AFTER)
                with contextlib.suppress(asyncio.TimeoutError):
                    pause = max(retry_after, growing_pause(failures, 0.1, _LONGEST_PAUSE))
                    await asyncio.wait_for(self._closing.wait(), pause)
                continue
            if self._is_away:
                log.info("the server answers again")
            failures, self._is_away = 0, False
            if is_drained:
                await asyncio.sleep(_DRAINED_PAUSE)

    def _wake(self, rooms: list[asyncio.Event]) -> None:
        if not self._loop.is_closed():
            for room in rooms:
                self._loop.call_soon_threadsafe(room.set)

    async def _once(self, http: httpx.AsyncClient, queue_slots: QueueSlots, kinds: list[str], wanted: int) -> bool:
        """One claim; answers whether somebody wants this worker to claim no more."""
        body: dict[str, Any] = {
            "worker": self._name,
            "kinds": kinds,
            "queues": [queue_slots.queue],
            "max": wanted,
            "wait_seconds": self._wait,
        }
        unknown = [task for kind, task in list(self._tasks.items()) if kind not in self._declared]
        longest = max((task.settings.hard_timeout or 0.0 for task in unknown), default=0.0)
        if longest > DEFAULT_HARD_TIMEOUT:
            # Where the job says nothing the server takes it back after a day.
            body["hard_timeout"] = longest
        response = await http.post(path("worker", "claim"), json=body, timeout=httpx.Timeout(self._wait + 30.0, connect=5.0))
        if not response.is_success:
            raise refusal(response)
        answer = json.loads(response.content)
        self._take(queue_slots, self._attempts(queue_slots, answer["jobs"]))
        return bool(answer["drain"])

    def _attempts(self, queue_slots: QueueSlots, jobs: list[dict[str, Any]]) -> list[Attempt]:
        if jobs and jobs[0].get("started_at"):
            lasts = time_of(jobs[0]["lease_expires_at"]) - time_of(jobs[0]["started_at"])
            self._lease_seconds = max(1.0, lasts.total_seconds())
        return [Attempt(job, self._tasks[job["kind"]], queue_slots, self._lease_seconds) for job in jobs]

    def _trouble(self, error: Exception) -> None:
        """Says it once, until it is over; a key that is refused each time."""
        if isinstance(error, (Unauthorized, Forbidden)):
            log.error("the server refuses this worker: %s", error)
        elif not self._is_away:
            log.warning("no jobs can be claimed at %s (%s); trying again", self._settings.url, error or type(error).__name__)
        self._is_away = True


def _parts(tasks: Mapping[str, Any]) -> list[list[str]]:
    kinds = sorted(tasks)
    return [kinds[begin : begin + MOST_KINDS] for begin in range(0, len(kinds), MOST_KINDS)]
