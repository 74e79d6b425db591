"""What nearly all messages of tasks say in the same words: it is left out of the job, and added again when a message is
read, which halves what is sent and stored. A message that lacks one of these words is stored whole, so none is made up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CONTENT = ("application/json", "utf-8")
# Says in a job that it is the short form.
_MARK = "brief"
_PLAIN = {
    "lang": "py",
    "retries": 0,
    "argsrepr": "()",
    "kwargsrepr": "{}",
    "ignore_result": False,
    "replaced_task_nesting": 0,
}
_HEADERS = frozenset({*_PLAIN, "task", "id", "root_id", "timelimit", "stamps"})
_PROPERTIES = frozenset({"correlation_id", "delivery_info", "delivery_tag"})


def is_brief(part: Mapping[str, Any]) -> bool:
    """Whether this is the short form."""
    return _MARK in part


def fits(headers: Mapping[str, Any], properties: Mapping[str, Any]) -> bool:
    """Whether a message says all that is written again, in whichever words."""
    return headers.keys() >= _HEADERS and properties.keys() >= _PROPERTIES and type(headers["id"]) is str


def shortened(headers: dict[str, Any], properties: dict[str, Any], queue: str) -> dict[str, Any]:
    """Headers and properties, for a job in a queue, without what goes without saying."""
    task_id = headers["id"]
    headers = {key: value for key, value in headers.items() if key not in _PLAIN or not _is(value, _PLAIN[key])}
    _leave_out(headers, root_id=task_id, stamps={})
    if headers["timelimit"] in ([None, None], (None, None)):
        del headers["timelimit"]
    properties = dict(properties)
    _leave_out(properties, correlation_id=task_id, delivery_tag=task_id, delivery_info=_to(queue))
    return {"headers": headers, "properties": properties, _MARK: True}


def whole(headers: dict[str, Any], properties: dict[str, Any], queue: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Headers and properties of a job in a queue, as they were."""
    task_id = headers["id"]
    plain = {**_PLAIN, "root_id": task_id, "stamps": {}, "timelimit": [None, None]}
    ids = {"correlation_id": task_id, "delivery_tag": task_id, "delivery_info": _to(queue)}
    return {**plain, **headers}, {**ids, **properties}


def _to(queue: str) -> dict[str, str]:
    return {"exchange": "", "routing_key": queue}


def _is(value: object, plain: object) -> bool:
    # To Python False is 0.
    return value == plain and type(value) is type(plain)


def _leave_out(values: dict[str, Any], **usual: Any) -> None:
    for key, value in usual.items():
        if values[key] == value:
            del values[key]
