"""What a message becomes in a job, and that it comes back the same; the ids that `enqueue_many` makes. Needs no server."""

from __future__ import annotations

import itertools
import json
import uuid
from typing import Any

import pytest

from tidemill.celery.envelope import PART, message_of, task_args
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
