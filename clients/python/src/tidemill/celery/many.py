"""`enqueue_many`: thousands of calls in one request and one transaction. Celery makes the message of the first of a run
of calls to the same task with the same options; the others differ from it in id and arguments alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from celery import current_app, signals
from kombu.serialization import dumps

from ..errors import ExecutionIdTaken, Problem, problem_of
from .envelope import PART, task_job
from .exact import is_exact

MOST = 2_000
_SIMPLE = frozenset({int, float, bool, type(None)})
_SHORT = 100
_MOST_SHOWN = 20


class Results(Sequence[Any]):
    """The results of many calls; each `AsyncResult` is made when it is asked for."""

    def __init__(self, app: Any, ids: list[str]) -> None:
        self.app = app
        self.ids = ids

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return Results(self.app, self.ids[place])
        return self.app.AsyncResult(self.ids[place])


def enqueue_many(calls: Iterable[Any], *, app: Any = None) -> Results:
    """Enqueues signatures (`add.s(1, 2)`), and answers their results in order.

    In transactions of 2,000 each. The first call that the server refuses raises its `tidemill.Problem`; those before and
    after it in its transaction are enqueued. Of canvas it takes single tasks only. Sends no `before_task_publish` and
    `after_task_publish` unless somebody listens.
    """
    app = app or current_app._get_current_object()
    ids: list[str] = []
    batch: list[dict[str, Any]] = []
    make: Callable[[Any], dict[str, Any] | None] | None = None
    like: tuple[str, Mapping[str, Any]] | None = None
    with app.producer_pool.acquire(block=True) as producer:
        channel = producer.channel
        for call in calls:
            look = (call["task"], call["options"])
            job = make(call) if make is not None and like == look else None
            if job is None:
                job, template = _first(app, channel, call)
                make, like = _maker(template), look
            batch.append(job)
            ids.append(job["execution_id"])
            if len(batch) == MOST:
                _send(channel.api, batch)
                batch = []
        if batch:
            _send(channel.api, batch)
    return Results(app, ids)


def _send(api: Any, batch: list[dict[str, Any]]) -> None:
    for index, answer in api.refused_of_many(batch):
        job = batch[index]
        problem = problem_of(answer["problem"])
        # The answer to the same request was lost on the way, and it was sent again.
        if not isinstance(problem, ExecutionIdTaken):
            raise Problem({**answer["problem"], "execution_id": job["execution_id"]})


def _first(app: Any, channel: Any, call: Any) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The job of a call, and the same as the template of those that follow, if it may be one."""
    name, args, kwargs = call["task"], tuple(call["args"] or ()), dict(call["kwargs"] or {})
    task = app.tasks.get(name)
    options = {**(task._get_exec_options() if task is not None else {}), **call["options"]}
    if set(options) & {"chord", "group_id"} or call.get("subtask_type"):
        raise TypeError(f"enqueue_many takes single tasks, not {call!r}: apply_async canvas one by one")
    task_id = options.pop("task_id", None) or str(uuid.uuid4())
    serializer = options.pop("serializer", None) or app.conf.task_serializer
    routed = app.amqp.router.route(dict(options), name, args, kwargs)
    queue = getattr(routed.get("queue"), "name", None) or routed.get("routing_key") or app.conf.task_default_queue
    known = ("countdown", "eta", "expires", "retries", "time_limit", "soft_time_limit", "shadow", "ignore_result", "headers")
    given = {key: options[key] for key in known if options.get(key) is not None and key != "headers"}
    if task is not None:
        given.setdefault("ignore_result", task.ignore_result)
    message = app.amqp.as_task_v2(
        task_id,
        name,
        args,
        kwargs,
        root_id=task_id,
        callbacks=_some(options.get("link")),
        errbacks=_some(options.get("link_error")),
        create_sent_event=False,
        **given,
    )
    headers = {**message.headers, **(options.get("headers") or {})}
    properties = {**message.properties, "delivery_tag": uuid.uuid4().hex}
    properties["delivery_info"] = {"exchange": "", "routing_key": queue}
    if options.get("priority") is not None:
        properties["priority"] = options["priority"]
    heard = {"sender": name, "body": message.body, "exchange": "", "routing_key": queue}
    if signals.before_task_publish.receivers:
        signals.before_task_publish.send(headers=headers, properties=properties, declare=[], retry_policy={}, **heard)
    kind, encoding, body = dumps(message.body, serializer=serializer)
    made = {"body": body, "headers": headers, "properties": properties, "content-type": kind, "content-encoding": encoding}
    job = task_job(made, queue, channel.connection.client.transport_options)
    if signals.after_task_publish.receivers:
        signals.after_task_publish.send(headers=headers, **{key: heard[key] for key in heard if key != "properties"})
    is_heard = signals.before_task_publish.receivers or signals.after_task_publish.receivers
    part = job["args"][PART]
    is_plain = "text" not in part["headers"] and "text" not in part["properties"] and kind == "application/json"
    return job, None if is_heard or not is_plain or "countdown" in given or "task_id" in call["options"] else job


def _some(value: Any) -> Any:
    return None if value is None else value if isinstance(value, (list, tuple)) else [value]


def _maker(template: dict[str, Any] | None) -> Callable[[Any], dict[str, Any] | None] | None:
    """What makes jobs like the template; it answers None for arguments that need Celery's own way."""
    if template is None:
        return None
    part = {key: value for key, value in template["args"][PART].items() if key != "body"}
    has_embed = "body" in template["args"][PART] and any(template["args"][PART].get("embed") or [])
    if has_embed:
        return None
    headers, properties = part["headers"], part["properties"]
    rest = {key: value for key, value in template.items() if key not in ("args", "execution_id")}

    def make(call: Any) -> dict[str, Any] | None:
        args, kwargs = list(call["args"] or ()), call["kwargs"] or {}
        if not (is_exact(args) and is_exact(kwargs)) or not _is_short(args) or not _is_short(kwargs.values()):
            return None
        task_id = str(uuid.uuid4())
        own = {**headers, "id": task_id, "root_id": task_id, "argsrepr": repr(tuple(args)), "kwargsrepr": repr(kwargs)}
        its = {**properties, "correlation_id": task_id, "delivery_tag": task_id}
        shown = {"args": args, "kwargs": kwargs, PART: {**part, "headers": own, "properties": its}}
        return {**rest, "args": shown, "execution_id": task_id}

    return make


def _is_short(values: Any) -> bool:
    """Whether `repr` writes them as Celery's own does."""
    if len(values) > _MOST_SHOWN:
        return False
    for value in values:
        if type(value) not in _SIMPLE and not (type(value) is str and len(value) <= _SHORT and "'" not in value):
            return False
    return True
