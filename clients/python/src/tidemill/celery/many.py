"""`enqueue_many`: thousands of calls in one request and one transaction. For consecutive calls of the same task with
the same options, Celery makes only the first message; the others differ only in their id and arguments.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from celery import current_app, signals
from kombu.serialization import dumps

from .api import encode
from .brief import is_brief
from .envelope import PART, task_job
from .exact import is_exact
from .sending import Sender

MOST = 1_000
_SIMPLE = frozenset({int, float, bool, type(None)})
_IDS_AT_ONCE = 256
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
_SHORT = 100
_MOST_SHOWN = 20
# Of a call without arguments; the headers with their names and the comma after them.
_NOTHING = {"args": "[]", "argsrepr": '"argsrepr":"()",', "kwargs": "{}", "kwargsrepr": '"kwargsrepr":"{}",'}


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

    In transactions of 1,000 each, which are stored while the next is written. The first call that the server refuses
    raises its `tidemill.Problem`; the others of its transaction are enqueued, and so may be those of the next three. Of
    canvas it takes single tasks only. Sends no `before_task_publish` and `after_task_publish` unless somebody listens.
    """
    app = app or current_app._get_current_object()
    ids: list[str] = []
    batch: list[str] = []
    make: Callable[[Any], tuple[str, str] | None] | None = None
    like: tuple[str, Mapping[str, Any]] | None = None
    with app.producer_pool.acquire(block=True) as producer, Sender(producer.channel.api) as sender:
        for call in calls:
            look = (call["task"], call["options"])
            made = make(call) if make is not None and like == look else None
            if made is None:
                job, template = _first(app, producer.channel, call)
                make, like = _maker(template), look
                made = job["execution_id"], encode(job)
            task_id, text = made
            batch.append(text)
            ids.append(task_id)
            if len(batch) == MOST:
                sender.send(batch, ids[-MOST:])
                batch = []
        if batch:
            sender.send(batch, ids[-len(batch) :])
    return Results(app, ids)


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


def _maker(template: dict[str, Any] | None) -> Callable[[Any], tuple[str, str] | None] | None:
    """What makes jobs like the template, as execution id and JSON; None for arguments that need Celery's own way."""
    if template is None:
        return None
    part = {key: value for key, value in template["args"][PART].items() if key != "body"}
    has_embed = "body" in template["args"][PART] and any(template["args"][PART].get("embed") or [])
    if has_embed:
        return None
    # Places that nothing else looks like; JSON of the template is written once.
    marks = {name: f"{name}-{uuid.uuid4().hex}" for name in ("task_id", "args", "kwargs", "argsrepr", "kwargsrepr")}
    task_id = marks["task_id"]
    nothing, ids_of = _NOTHING, {"correlation_id": task_id, "delivery_tag": task_id}
    own = {"argsrepr": marks["argsrepr"], "kwargsrepr": marks["kwargsrepr"]}
    # After those two, so that a comma follows each.
    own.update({key: value for key, value in part["headers"].items() if key not in own}, id=task_id, root_id=task_id)
    its = {**part["properties"], **ids_of}
    if is_brief(part):
        nothing = {**_NOTHING, "argsrepr": "", "kwargsrepr": ""}
        del own["root_id"]
        its = {key: value for key, value in its.items() if key not in ids_of}
    shown = {"args": marks["args"], "kwargs": marks["kwargs"], PART: {**part, "headers": own, "properties": its}}
    rest = {key: value for key, value in template.items() if key not in ("args", "execution_id")}
    text = encode({**rest, "args": shown, "execution_id": task_id}).replace("%", "%%")
    for name, mark in marks.items():
        header = f'"{name}":"{mark}",' if name.endswith("repr") else f'"{mark}"'
        text = text.replace(header, f"%({name})s" if name != "task_id" else '"%(task_id)s"')
    # What lies between the places of the id, for calls without arguments.
    between = (text % {**nothing, "task_id": task_id}).split(task_id)
    ids = _uuids()

    def make(call: Any) -> tuple[str, str] | None:
        args, kwargs = call["args"], call["kwargs"]
        new_id = next(ids)
        if not args and not kwargs:
            return new_id, new_id.join(between)
        values = {"task_id": new_id, **nothing}
        if args:
            args = list(args)
            if not is_exact(args) or not _is_short(args):
                return None
            values["args"], values["argsrepr"] = encode(args), f'"argsrepr":{encode(repr(tuple(args)))},'
        if kwargs:
            if not is_exact(kwargs) or not _is_short(kwargs.values()):
                return None
            values["kwargs"], values["kwargsrepr"] = encode(kwargs), f'"kwargsrepr":{encode(repr(kwargs))},'
        return new_id, text % values

    return make


def _uuids() -> Iterator[str]:
    """Random UUIDs, as `uuid4` writes them. It asks the system for each, which takes half of the time of a call."""
    while True:
        digits = os.urandom(16 * _IDS_AT_ONCE).hex()
        for at in range(0, len(digits), 32):
            one = digits[at : at + 32]
            # Version 4, and the variant's two bits.
            yield f"{one[:8]}-{one[8:12]}-4{one[13:16]}-{_VARIANT[one[16]]}{one[17:20]}-{one[20:]}"


def _is_short(values: Any) -> bool:
    """Whether `repr` writes them as Celery's own does."""
    if len(values) > _MOST_SHOWN:
        return False
    for value in values:
        if type(value) not in _SIMPLE and not (type(value) is str and len(value) <= _SHORT and "'" not in value):
            return False
    return True
