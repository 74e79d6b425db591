"""Operations of the client: `client.operations.start("retry", {"kind": "mail"}, rate="200/min")`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..calls import operations as calls
from ..documents import Operation, OperationPreview, OperationReport
from .groups import Group


class Operations(Group):
    """Acts on all jobs that match a filter, in the background and with a report."""

    def preview(
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
        return self._send(calls.preview(calls.operation_body(action, filter, queue, priority, None), after))

    def start(
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
        return self._send(calls.start(body, idempotency_key))

    def list(self) -> Iterator[Operation]:
        """All operations of the last 30 days, newest first."""
        cursor: str | None = None
        while True:
            items, cursor = self._send(calls.operations(cursor))
            yield from items
            if cursor is None:
                return

    def get(self, id: str) -> OperationReport:
        """One operation, with the first jobs that it left as they were."""
        return self._send(calls.operation(id))

    def cancel(self, id: str) -> OperationReport:
        """Stops it; what it has done stays done."""
        return self._send(calls.cancel(id))

    def undo(self, id: str, rate: str | None = None) -> OperationReport:
        """Starts the operation that puts back what one cancelled, moved or gave another priority."""
        return self._send(calls.undo(id, rate))
