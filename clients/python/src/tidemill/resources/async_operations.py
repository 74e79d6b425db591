"""Operations of the asynchronous client: `await client.operations.start("retry", {"kind": "mail"}, rate="200/min")`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from ..calls import operations as calls
from ..documents import Operation, OperationPreview, OperationReport
from .async_groups import AsyncGroup


class AsyncOperations(AsyncGroup):
    """Acts on all jobs that match a filter, in the background and with a report."""

    async def preview(
        self,
        action: str,
        filter: Mapping[str, Any] | None,
        *,
        queue: str | None = None,
        priority: int | str | None = None,
        after: str | None = None,
    ) -> OperationPreview:
        """Counts the jobs that it would act on, and those that it would leave, by reason. In a long history one call
        counts a part of them; the next one goes on `after` the `looked_to` of the answer, which is None after the last.
        """
        return await self._send(calls.preview(calls.operation_body(action, filter, queue, priority, None), after))

    async def start(
        self,
        action: str,
        filter: Mapping[str, Any] | None,
        *,
        queue: str | None = None,
        priority: int | str | None = None,
        rate: str | None = None,
        idempotency_key: str | None = None,
    ) -> Operation:
        """Cancels, retries, runs now, deletes, moves or sets the priority of all jobs that match; `filter=None` means
        every job. `rate` is the most jobs in a time, such as `200/min`.
        """
        body = calls.operation_body(action, filter, queue, priority, rate)
        return await self._send(calls.start(body, idempotency_key))

    async def list(self) -> AsyncIterator[Operation]:
        """All operations of the last 30 days, newest first."""
        cursor: str | None = None
        while True:
            items, cursor = await self._send(calls.operations(cursor))
            for item in items:
                yield item
            if cursor is None:
                return

    async def get(self, id: str) -> OperationReport:
        """One operation, with the first jobs that it left as they were."""
        return await self._send(calls.operation(id))

    async def cancel(self, id: str) -> OperationReport:
        """Stops it; what it has done stays done."""
        return await self._send(calls.cancel(id))

    async def undo(self, id: str, rate: str | None = None) -> OperationReport:
        """Starts the operation that puts back what one cancelled, moved or gave another priority."""
        return await self._send(calls.undo(id, rate))
