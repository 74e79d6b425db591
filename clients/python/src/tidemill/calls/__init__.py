"""The calls about jobs: the request, and how to read the answer. The clients send them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from .. import codec
from ..duration import Duration, optional_seconds, seconds
from ..errors import problem_of
from ..models import Activity, AttemptRecord, BatchItem, Event, Explanation, Job, JobFile, SignalRecord, StepRecord
from ..request import job_body, time_text
from ..shape import build, time_of
from .call import Call, Reply, given, keyed, path

T = TypeVar("T")

LONGEST_WAIT = 45.0
_FRAME = {"job_id", "seq", "attempt", "at", "type"}


def job_of(response: Reply) -> Job:
    """Reads an answer that is a job."""
    return build(Job, response.json())


def items_of(cls: type[T]) -> Any:
    """Reads an answer that is one whole page."""
    return lambda response: [build(cls, item) for item in response.json()["items"]]


def page_of(cls: type[T]) -> Any:
    """Reads a page: its items, and the cursor of the next."""
    return lambda response: (
        [build(cls, item) for item in response.json()["items"]],
        response.json().get("next_cursor"),
    )


def enqueue(kind: str, args: Mapping[str, Any] | None, options: Mapping[str, Any], key: str | None) -> Call[Job]:
    return Call("POST", path("jobs"), job_of, job_body(kind, args, options), headers=keyed(key))


def enqueue_many(jobs: Iterable[Mapping[str, Any]], key: str | None, documents: bool) -> Call[list[BatchItem]]:
    bodies = []
    for job in jobs:
        options = {name: value for name, value in job.items() if name not in ("kind", "args")}
        bodies.append(job_body(job["kind"], job.get("args"), options))
    headers = keyed(key) if documents else {**keyed(key), "Prefer": "return=minimal"}
    return Call("POST", path("jobs", "batch"), _batch, bodies, headers=headers, wait=30.0)


def _batch(response: Reply) -> list[BatchItem]:
    return [_batch_item(item) for item in response.json()["results"]]


def _batch_item(item: Mapping[str, Any]) -> BatchItem:
    job, problem = item.get("job"), item.get("problem")
    return BatchItem(
        status=item["status"],
        id=job["id"] if job else None,
        job=build(Job, job) if job and "kind" in job else None,
        problem=problem_of(problem) if problem else None,
    )


def get(job: str) -> Call[Job]:
    return Call("GET", path("jobs", job), job_of)


MOST_AT_ONCE = 200


def get_many(jobs: Sequence[str]) -> Call[list[Job | None]]:
    """At most 200."""
    read = lambda answer: [None if job is None else build(Job, job) for job in answer.json()["items"]]  # noqa: E731
    return Call("POST", path("jobs", "get"), read, {"jobs": list(jobs)})


def create_token(
    scopes: Sequence[str],
    job: str | None,
    owner: str | None,
    kinds: Sequence[str] | None,
    expires_in: Duration | None,
) -> Call[str]:
    lasting = optional_seconds(expires_in)
    body = given(scopes=list(scopes), job=job, owner=owner, kinds=None if kinds is None else list(kinds), expires_in=lasting)
    return Call("POST", path("tokens"), lambda answer: str(answer.json()["token"]), body)


def stored(value: Any) -> Call[Any] | None:
    """Where a value is that is too large for its job's row; None for a value that is there."""
    if not isinstance(value, dict) or value.keys() != {"$stored"} or "href" not in value["$stored"]:
        return None
    return Call("GET", value["$stored"]["href"], lambda answer: codec.loads(answer.content), wait=60.0)


def end(job: str, wait: float) -> Call[Job]:
    """The job, once it has ended, or after that many seconds."""
    wait = max(0.0, min(wait, LONGEST_WAIT))
    params = {"wait": f"{round(wait * 1000)}ms"} if wait else {}
    return Call(
        "GET", path("jobs", job, "result"), lambda answer: build(Job, answer.json()["job"]), params=params, wait=wait
    )


def jobs(filters: Mapping[str, Any], cursor: str | None, limit: int | None) -> Call[tuple[list[Job], str | None]]:
    params = given(**{name: _text(name, value) for name, value in filters.items()}, cursor=cursor, limit=limit)
    return Call("GET", path("jobs"), page_of(Job), params=params)


def activity(owner: str | None, since: str | datetime | None, limit: int | None) -> Call[Activity]:
    params = given(owner=owner, since=_text("since", since), limit=limit)
    return Call("GET", path("me", "activity"), lambda answer: build(Activity, answer.json()), params=params)


def _text(name: str, value: Any) -> Any:
    return time_text(value, name) if isinstance(value, datetime) else value


def attempts(job: str) -> Call[list[AttemptRecord]]:
    return Call("GET", path("jobs", job, "attempts"), items_of(AttemptRecord))


def steps(job: str) -> Call[list[StepRecord]]:
    return Call("GET", path("jobs", job, "steps"), items_of(StepRecord))


def signals(job: str) -> Call[list[SignalRecord]]:
    return Call("GET", path("jobs", job, "signals"), items_of(SignalRecord))


def files(job: str) -> Call[list[JobFile]]:
    return Call("GET", path("jobs", job, "artifacts"), items_of(JobFile))


def explain(job: str) -> Call[Explanation]:
    return Call("GET", path("jobs", job, "explain"), lambda answer: build(Explanation, answer.json()))


def history(job: str, types: str | None, cursor: str | None, limit: int | None) -> Call[tuple[list[Event], str | None]]:
    params = given(types=types, cursor=cursor, limit=limit)
    read = lambda answer: ([event(item) for item in answer.json()["items"]], answer.json().get("next_cursor"))  # noqa: E731
    return Call("GET", path("jobs", job, "events"), read, params=params, headers={"Accept": "application/json"})


def event(data: Mapping[str, Any], type: str | None = None, id: str | None = None) -> Event:
    """An event from its JSON; in a stream `type` and `id` are those of the frame."""
    at = data.get("at")
    return Event(
        type=type or data.get("type") or "",
        id=id,
        job_id=data.get("job_id"),
        seq=data.get("seq"),
        attempt=data.get("attempt"),
        at=time_of(at) if at else None,
        data={name: value for name, value in data.items() if name not in _FRAME},
    )


def cancel(job: str, reason: str | None) -> Call[Job]:
    return Call("POST", path("jobs", job, "cancel"), job_of, given(reason=reason))


def retry(job: str) -> Call[Job]:
    return Call("POST", path("jobs", job, "retry"), job_of, repeatable=False)


def run_now(job: str) -> Call[Job]:
    return Call("POST", path("jobs", job, "run-now"), job_of)


def snooze(job: str, delay: Duration) -> Call[Job]:
    return Call("POST", path("jobs", job, "snooze"), job_of, {"delay": seconds(delay)})


def change(job: str, fields: Mapping[str, Any]) -> Call[Job]:
    return Call("PATCH", path("jobs", job), job_of, {name: _text(name, value) for name, value in fields.items()})


def delete(job: str) -> Call[None]:
    return Call("DELETE", path("jobs", job), lambda _: None, repeatable=False)


def signal(job: str, name: str, payload: Any) -> Call[bool]:
    read = lambda answer: answer.json()["outcome"] == "delivered"  # noqa: E731
    return Call("POST", path("jobs", job, "signals", name), read, {"payload": payload}, repeatable=False)


def fork(job: str, from_step: str | None) -> Call[Job]:
    return Call("POST", path("jobs", job, "fork"), job_of, given(from_step=from_step), repeatable=False)
