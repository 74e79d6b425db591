"""What a message becomes in a job, and that it comes back the same; the ids that `enqueue_many` makes. Needs no server."""

from __future__ import annotations

import itertools
import json
import uuid
from typing import Any

import pytest

from tidemill.celery.envelope import PART, message_of, task_args, task_job
from tidemill.celery.many import _uuids

NOTHING = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
CALL = {"task": "celery_app.add", "args": [1], "kwargs": {}}


@pytest.mark.parametrize(
    ("body", "stored"),
    [
        # What jsonb gives back as it is needs no text beside what people read.
        ([[1, "a", None], {"b": [True], "named": {"k": "v"}}, NOTHING], None),
        ([[], {}, NOTHING], None),
        ([[], {}, None], None),
        ([[], {}, {"chain": [], "chord": None, "errbacks": None, "callbacks": None}], "embed"),
        # In another order of its keys, with another number, or with more embedded.
        ([[], {"named": 1, "b": 2}, NOTHING], "body"),
        ([[1e16], {}, NOTHING], "body"),
        ([[], {}, {**NOTHING, "callbacks": [CALL]}], "body"),
        ([[], {}, {**NOTHING, "more": 1}], "body"),
    ],
)
def test_a_body_comes_back(body: list[Any], stored: str | None) -> None:
    message = {
        "body": json.dumps(body),
        "headers": {"task": "celery_app.add", "id": "1"},
        "properties": {},
        "content-type": "application/json",
        "content-encoding": "utf-8",
    }
    args = json.loads(json.dumps(task_args(message)))
    assert {"body", "embed"} & args[PART].keys() <= {stored}
    back = json.loads(message_of({"args": args}, {})["body"])
    assert json.dumps(back[:2]) == json.dumps(body[:2])
    assert back[2] == (body[2] or NOTHING)
    if stored == "body":
        assert message_of({"args": args}, {})["body"] == message["body"]


def test_ids_are_random_uuids() -> None:
    ids = list(itertools.islice(_uuids(), 1_000))
    assert len(set(ids)) == len(ids)
    for text in ids:
        made = uuid.UUID(text)
        assert (str(made), made.version, made.variant) == (text, 4, uuid.RFC_4122)


PLAIN = {
    "lang": "py",
    "task": "celery_app.add",
    "id": "1",
    "retries": 0,
    "timelimit": [None, None],
    "root_id": "1",
    "argsrepr": "()",
    "kwargsrepr": "{}",
    "origin": "gen1@here",
    "ignore_result": False,
    "replaced_task_nesting": 0,
    "stamps": {},
}
SENT = {
    "correlation_id": "1",
    "reply_to": "2",
    "delivery_info": {"exchange": "", "routing_key": "celery"},
    "delivery_tag": "3",
}


@pytest.mark.parametrize(
    ("headers", "properties", "is_short"),
    [
        ({}, {}, True),
        # One that many calls share is that of the task.
        ({}, {"delivery_tag": "1"}, True),
        ({"retries": 2, "argsrepr": "(1,)", "timelimit": [9, None], "stamps": {"of": ["x"]}, "root_id": "9"}, {}, True),
        ({"retries": False, "ignore_result": 0, "replaced_task_nesting": 0.0, "lang": "php"}, {}, True),
        ({"tidemill": {"tags": ["a"]}, "group": "7"}, {"correlation_id": "8", "delivery_mode": 1, "priority": 0}, True),
        ({}, {"delivery_info": {"exchange": "x", "routing_key": "celery"}}, True),
        # What is not said at all must not be said later.
        ({"stamps": None}, {}, False),
        ({"ignore_result": None}, {}, False),
        ({}, {"delivery_info": None}, False),
        # What jsonb would change.
        ({"note": 1e16}, {}, False),
        ({}, {"note": "\x00"}, False),
    ],
)
def test_headers_and_properties_come_back(headers: dict[str, Any], properties: dict[str, Any], is_short: bool) -> None:
    message: dict[str, Any] = {
        "body": json.dumps([[], {}, NOTHING]),
        "headers": {**PLAIN, **headers},
        "properties": {**SENT, **properties},
        "content-type": "application/json",
        "content-encoding": "utf-8",
    }
    job = json.loads(json.dumps(task_job(message, "celery", {})))
    assert ("brief" in job["args"][PART]) is is_short
    assert is_short is (len(json.dumps(job["args"])) < len(json.dumps(message)) - 180)
    back = message_of(job, {})
    for kind in ("headers", "properties"):
        kept = {key: value for key, value in message[kind].items() if value is not None}
        # As JSON, to which False is not 0.
        assert json.dumps({key: back[kind][key] for key in kept}) == json.dumps(kept)
        assert all(value is None for key, value in back[kind].items() if key not in kept)
    assert (back["content-type"], back["content-encoding"]) == ("application/json", "utf-8")


def test_the_parts_of_a_short_message_are_nobody_elses() -> None:
    message = {
        "body": json.dumps([[], {}, NOTHING]),
        "headers": dict(PLAIN),
        "properties": dict(SENT),
        "content-type": "application/json",
        "content-encoding": "utf-8",
    }
    job = task_job(message, "celery", {})
    message_of(job, {})["headers"]["stamps"]["of"] = "x"
    assert message_of(job, {})["headers"]["stamps"] == {}
    # Of another content type, and in a queue whose name is not that of Celery's queue.
    assert "brief" not in task_job({**message, "content-type": "application/x-yaml"}, "celery", {})["args"][PART]
    info = message_of(task_job(message, "a/b", {}), {})["properties"]["delivery_info"]
    assert info == {"exchange": "", "routing_key": "celery"}
