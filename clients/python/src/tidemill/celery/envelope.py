"""Converts a message of kombu into a job, and back. Its headers, properties and body are stored as Celery made them.
The args and kwargs of a task are also stored as plain JSON if JSON can represent them exactly, so that people, SQL and
search can read them. A job that was enqueued by hand, with a task's name and plain args, becomes a message as well.
What nearly all messages of tasks say in the same words is left out (`brief`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from kombu.utils.json import dumps as kombu_dumps

from . import brief, names
from .exact import is_exact, pack, parsed, unpack

# Where Celery's part of a job's args is.
PART = "celery"
MESSAGE_KIND = "kombu.message"
DEFAULT_ATTEMPTS = 100


def task_args(message: Mapping[str, Any], queue: str | None = None) -> dict[str, Any]:
    """The args of a job in a queue for a task's message, as the virtual channel has it: body, headers, properties, type."""
    part = _part(message, queue)
    body = message["body"]
    shown = parsed(body) if message["content-type"] == "application/json" else None
    if not (isinstance(shown, list) and len(shown) == 3 and isinstance(shown[0], list) and isinstance(shown[1], dict)):
        return {PART: {**part, "body": pack(body)}}
    args, kwargs, embed = shown
    # What nothing is embedded in is written again as it was.
    has_embed = embed is not None and embed != _NO_EMBED
    if not is_exact([args, kwargs, embed] if has_embed else [args, kwargs]):
        part["body"] = pack(body)
    elif has_embed:
        part["embed"] = embed
    return {"args": args, "kwargs": kwargs, PART: part}


def _part(message: Mapping[str, Any], queue: str | None) -> dict[str, Any]:
    """What is stored of a message beside its body."""
    headers, properties = _given(message["headers"]), _given(message["properties"])
    kind, encoding = message["content-type"], message["content-encoding"]
    if queue is not None and (kind, encoding) == brief.CONTENT and brief.fits(headers, properties):
        part = brief.shortened(headers, properties, queue)
        if is_exact(part, in_order=False):
            return part
    return {"headers": _exact(headers), "properties": _exact(properties), "type": kind, "encoding": encoding}


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _exact(values: dict[str, Any]) -> Any:
    """A mapping as JSON; as text where JSON in the database would change it."""
    # Readers of headers do not ask for their order.
    return values if is_exact(values, in_order=False) else {"text": kombu_dumps(values)}


def _read(values: Any) -> dict[str, Any]:
    from kombu.utils.json import loads

    if isinstance(values, dict) and values.keys() == {"text"} and isinstance(values["text"], str):
        values = loads(values["text"])
    return dict(values or {})


_NO_EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
_HEADERS = ("stamped_headers", "stamps", "lang", "task", "id", "shadow", "eta", "expires", "group", "group_index", "retries",
            "timelimit", "root_id", "parent_id", "argsrepr", "kwargsrepr", "origin", "ignore_result")  # fmt: skip


def message_of(
    job: Mapping[str, Any], task_named: Mapping[str, str], args: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The message of a claimed job, as the virtual channel's `Message` takes it. `task_named` gives tasks by their kinds."""
    args = job["args"] if args is None else args
    part = args.get(PART)
    if not isinstance(part, dict) or "headers" not in part:
        return _by_hand(job, task_named)
    headers, properties = _read(part["headers"]), _read(part["properties"])
    kind, encoding = part.get("type"), part.get("encoding")
    if brief.is_brief(part):
        headers, properties = brief.whole(headers, properties, job["queue"])
        kind, encoding = brief.CONTENT
    if "task" in headers:
        headers = {**dict.fromkeys(_HEADERS), **headers}
    body = (
        unpack(part["body"])
        if "body" in part
        else json.dumps([args["args"], args["kwargs"], part.get("embed") or _NO_EMBED])
    )
    return {
        "body": body,
        "headers": headers,
        "properties": properties,
        "content-type": kind,
        "content-encoding": encoding,
    }


def _by_hand(job: Mapping[str, Any], task_named: Mapping[str, str]) -> dict[str, Any]:
    """The message of a job that Celery did not make: its args are the task's keywords, or `args` and `kwargs`."""
    given = dict(job["args"])
    part = given.pop(PART, None) if isinstance(given.get(PART), dict) and "template" in given[PART] else None
    is_split = bool(given) and given.keys() <= {"args", "kwargs"} and isinstance(given.get("args", []), list)
    args, kwargs = (given.get("args", []), given.get("kwargs", {})) if is_split else ([], given)
    task_id = job.get("execution_id") or job["id"]
    headers = {
        **dict.fromkeys(_HEADERS),
        "lang": "py",
        "task": task_named.get(job["kind"], job["kind"]),
        "id": task_id,
        "root_id": task_id,
        "retries": 0,
        "timelimit": [None, None],
        "argsrepr": repr(args),
        "kwargsrepr": repr(kwargs),
        "origin": "tidemill",
        "ignore_result": False,
    }
    headers.update(_of_schedule(part["template"], job) if part else {})
    return {
        "body": json.dumps([args, kwargs, _NO_EMBED]),
        "headers": headers,
        "properties": {"correlation_id": task_id, "delivery_info": {"exchange": "", "routing_key": job["queue"]}},
        "content-type": "application/json",
        "content-encoding": "utf-8",
    }


def _of_schedule(template: Mapping[str, Any], job: Mapping[str, Any]) -> dict[str, Any]:
    """The headers that a schedule gives to its jobs; it expires so long after the job was made."""
    headers = {key: value for key, value in template.items() if key != "expires_in"}
    if template.get("expires_in"):
        made = datetime.fromisoformat(job["created_at"].replace("Z", "+00:00"))
        headers["expires"] = (made + timedelta(seconds=float(template["expires_in"]))).isoformat()
    return headers


def task_job(message: Mapping[str, Any], queue: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The job of a task's message, as the API takes it."""
    headers = message["headers"]
    job: dict[str, Any] = {
        "kind": names.name(headers["task"]),
        "queue": names.name(queue),
        "args": task_args(message, names.name(queue)),
        "execution_id": names.execution_id(headers["id"]),
        "max_attempts": int(options.get("max_attempts") or DEFAULT_ATTEMPTS),
    }
    if headers.get("eta"):
        job["run_at"] = moment(headers["eta"])
    # A chord waits for each of its parts, so Celery itself has to see one that expired.
    if headers.get("expires") and not headers.get("group"):
        job["expires_at"] = moment(headers["expires"])
    priority = message["properties"].get("priority")
    if priority is not None:
        job["priority"] = priority_of(int(priority), options.get("priority_order") == "lowest-first")
    return {**job, **(headers.get("tidemill") or {})}


def priority_of(priority: int, lowest_first: bool) -> int:
    """A priority of Celery as Tidemill's: as RabbitMQ has it, 9 first, or as Redis, 0 first.

    kombu gives 0 to what has none, so 0 is Tidemill's 5, and 9 is 1 or 9.
    """
    way = round(max(0, min(9, priority)) * 4 / 9)
    return 5 + way if lowest_first else 5 - way


def moment(text: Any) -> str:
    """A time of a message with its offset; one without is local."""
    value = text if isinstance(text, datetime) else datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    return (value if value.tzinfo else value.astimezone(timezone.utc)).isoformat()


def plain_job(message: Mapping[str, Any], kind: str, queue: str, seconds: float | None = None) -> dict[str, Any]:
    """The job of a message that is no task: an event, a command, a reply; it is gone soon after it was read."""
    part = {
        **_part(message, None),
        "body": pack(message["body"]),
    }
    job = {"kind": kind, "queue": queue, "args": {PART: part}, "retain": 60}
    if seconds is not None:
        job["expires_in"] = seconds
    return job
