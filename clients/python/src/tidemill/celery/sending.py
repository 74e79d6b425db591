"""Sends the batches of `enqueue_many` while the caller makes the next: in threads that end with the call, at most three
at once. The last batch is sent in the caller's own thread, so a single batch needs no thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ..errors import ExecutionIdTaken, Problem, problem_of

if TYPE_CHECKING:
    from typing_extensions import Self

    from .api import Api

_MOST_ON_THEIR_WAY = 3


class Sender:
    """A batch is held back until the next one comes; leaving the block sends the last, and waits for all of them."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._held: tuple[Sequence[str], Sequence[str]] | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._sent: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def send(self, jobs: Sequence[str], ids: Sequence[str]) -> None:
        """Takes jobs as JSON, with their execution ids. Raises the Problem of a batch before."""
        held, self._held = self._held, (jobs, ids)
        if held is None:
            return
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_MOST_ON_THEIR_WAY, "tidemill-enqueue")
        while len(self._sent) >= _MOST_ON_THEIR_WAY:
            self._sent.popleft().result()
        self._sent.append(self._threads.submit(self._send, *held))

    def __exit__(self, kind: Any, *_: object) -> None:
        refused: Problem | None = None
        try:
            if kind is None and self._held is not None:
                try:
                    self._send(*self._held)
                except Problem as problem:
                    refused = problem
            while self._sent and kind is None:
                self._sent.popleft().result()
            if refused is not None:
                raise refused
        finally:
            if self._threads is not None:
                self._threads.shutdown()

    def _send(self, jobs: Sequence[str], ids: Sequence[str]) -> None:
        for index, answer in self._api.refused_of_many(f"[{','.join(jobs)}]".encode()):
            problem = problem_of(answer["problem"])
            # The answer to the same request was lost on the way, and it was sent again.
            if not isinstance(problem, ExecutionIdTaken):
                raise Problem({**answer["problem"], "execution_id": ids[index]})
