"""The calls about operations, which act on all jobs that match a filter: the request, and how to read the answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..documents import Operation, OperationPreview, OperationReport
from ..request import time_text
from . import page_of
from .call import Call, given, keyed, path
from .groups import one_of


def operation_body(
    action: str, filter: Mapping[str, Any] | None, queue: str | None, priority: int | str | None, rate: str | None
) -> dict[str, Any]:
    """The request of an operation; without a filter it means every job, which has to be said as `filter=None`."""
    said = {name: _text(value, name) for name, value in (filter or {}).items()}
    which: dict[str, Any] = {"all": True} if filter is None else {"filter": said}
    return {"action": action, **which, **given(queue=queue, priority=priority, rate=rate)}


def preview(body: Mapping[str, Any], after: str | None) -> Call[OperationPreview]:
    return Call("POST", path("operations", "preview"), one_of(OperationPreview), body, params=given(after=after))


def start(body: Mapping[str, Any], key: str | None) -> Call[Operation]:
    return Call("POST", path("operations"), one_of(Operation), body, headers=keyed(key))


def operations(cursor: str | None) -> Call[tuple[list[Operation], str | None]]:
    return Call("GET", path("operations"), page_of(Operation), params=given(cursor=cursor))


def operation(id: str) -> Call[OperationReport]:
    return Call("GET", path("operations", id), one_of(OperationReport))


def cancel(id: str) -> Call[OperationReport]:
    return Call("POST", path("operations", id, "cancel"), one_of(OperationReport))


def undo(id: str, rate: str | None) -> Call[OperationReport]:
    return Call("POST", path("operations", id, "undo"), one_of(OperationReport), given(rate=rate), repeatable=False)


def _text(value: Any, name: str) -> str:
    return str(time_text(value, name)) if isinstance(value, datetime) else str(value)
