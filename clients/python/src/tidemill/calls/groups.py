"""The calls about queues, schedules, workflows, workers and statistics: the request, and how to read the answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from ..documents import (
    Kind,
    KindCounts,
    Point,
    Queue,
    Schedule,
    Slot,
    Stats,
    Summary,
    WorkerInfo,
    Workflow,
    WorkflowSummary,
)
from ..duration import Duration, seconds
from ..kind_rules import kind_body
from ..models import Job
from ..request import job_body, time_text
from ..shape import build, time_of
from . import items_of, job_of, page_of
from .call import Call, given, keyed, nothing, path

T = TypeVar("T")


def one_of(cls: type[T]) -> Any:
    """Reads an answer that is one document."""
    return lambda response: build(cls, response.json())


def queues() -> Call[list[Queue]]:
    return Call("GET", path("queues"), items_of(Queue))


def queue(name: str) -> Call[Queue]:
    return Call("GET", path("queues", name), one_of(Queue))


def queue_verb(name: str, verb: str) -> Call[Queue]:
    return Call("POST", path("queues", name, verb), one_of(Queue))


def purge(name: str) -> Call[int]:
    return Call("POST", path("queues", name, "purge"), lambda answer: int(answer.json()["purged"]), repeatable=False)


def change_queue(name: str, fields: Mapping[str, Any]) -> Call[Queue]:
    timed = ("per", "priority_ageing")
    body = {key: seconds(value) if key in timed and value is not None else value for key, value in fields.items()}
    return Call("PATCH", path("queues", name), one_of(Queue), body)


def schedules(cursor: str | None) -> Call[tuple[list[Schedule], str | None]]:
    return Call("GET", path("schedules"), page_of(Schedule), params=given(cursor=cursor))


def schedule(name: str) -> Call[Schedule]:
    return Call("GET", path("schedules", name), one_of(Schedule))


def slots(name: str) -> Call[list[Slot]]:
    read = lambda answer: [build(Slot, slot) for slot in answer.json()["slots"]]  # noqa: E731
    return Call("GET", path("schedules", name), read)


def set_schedule(
    name: str, kind: str, args: Mapping[str, Any] | None, options: Mapping[str, Any], rule: Mapping[str, Any]
) -> Call[Schedule]:
    body = {**schedule_rule(rule), "job": job_body(kind, args, options)}
    return Call("PUT", path("schedules", name), one_of(Schedule), body)


def schedule_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    """When a schedule fires, as the API takes it; what is None is left out."""
    body: dict[str, Any] = {}
    for name, value in rule.items():
        if value is None:
            continue
        if name in ("every", "jitter"):
            body[name] = seconds(value)
        else:
            body[name] = time_text(value, name) if isinstance(value, datetime) else value
    return body


def schedule_verb(name: str, verb: str) -> Call[Schedule]:
    return Call("POST", path("schedules", name, verb), one_of(Schedule))


def run_schedule(name: str) -> Call[str]:
    return Call("POST", path("schedules", name, "run"), lambda answer: str(answer.json()["id"]), repeatable=False)


def delete_schedule(name: str) -> Call[None]:
    return Call("DELETE", path("schedules", name), nothing)


def preview(rule: Mapping[str, Any], count: int) -> Call[list[datetime]]:
    read = lambda answer: [time_of(slot) for slot in answer.json()["slots"]]  # noqa: E731
    return Call("POST", path("schedules", "preview"), read, {**schedule_rule(rule), "next": count})


def create_workflow(fields: Mapping[str, Any], key: str | None) -> Call[Job]:
    return Call("POST", path("workflows"), job_of, dict(fields), headers=keyed(key))


def workflows(cursor: str | None) -> Call[tuple[list[WorkflowSummary], str | None]]:
    return Call("GET", path("workflows"), page_of(WorkflowSummary), params=given(cursor=cursor))


def workflow(id: str) -> Call[Workflow]:
    return Call("GET", path("workflows", id), one_of(Workflow))


def cancel_workflow(id: str, reason: str | None) -> Call[Job]:
    return Call("POST", path("workflows", id, "cancel"), job_of, given(reason=reason))


def retry_workflow(id: str) -> Call[Job]:
    return Call("POST", path("workflows", id, "retry"), job_of, repeatable=False)


def stats() -> Call[Stats]:
    return Call("GET", path("stats"), one_of(Stats))


def kind_stats(hours: int | None) -> Call[list[KindCounts]]:
    return Call("GET", path("stats", "kinds"), items_of(KindCounts), params=given(hours=hours))


def trends(hours: int | None, kind: str | None, queue: str | None) -> Call[list[Point]]:
    return Call("GET", path("stats", "trends"), items_of(Point), params=given(hours=hours, kind=kind, queue=queue))


def summary(since: Duration | None) -> Call[Summary]:
    params = given(since=None if since is None else f"{round(seconds(since))}s")
    return Call("GET", path("stats", "summary"), one_of(Summary), params=params)


def workers() -> Call[list[WorkerInfo]]:
    return Call("GET", path("workers"), items_of(WorkerInfo))


def drain_worker(id: str) -> Call[None]:
    return Call("POST", path("workers", id, "drain"), nothing)


def kinds() -> Call[list[Kind]]:
    return Call("GET", path("kinds"), items_of(Kind))


def set_kind(name: str, rules: Mapping[str, Any]) -> Call[Kind]:
    return Call("PUT", path("kinds", name), one_of(Kind), kind_body(rules))
