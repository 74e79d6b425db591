"""The models say what the description of a live server says: a field that is missing, or one too many, fails here."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
import urllib.request
from datetime import datetime
from typing import Any

import pytest
from server import Server

from tidemill import Backoff, Breaker, calls, documents, models
from tidemill.calls import groups as group_calls
from tidemill.calls.call import Call
from tidemill.kind_rules import KindRules
from tidemill.request import JobOptions

SCHEMAS = {
    models.Job: "JobDocument",
    models.Progress: "Progress",
    models.Links: "Links",
    models.AttemptRecord: "AttemptRecord",
    models.StepRecord: "StepRecord",
    models.SignalRecord: "SignalRecord",
    models.JobFile: "Artifact",
    models.Activity: "Activity",
    models.Reason: "Reason",
    models.Explanation: "Explanation",
    documents.Queue: "QueueDocument",
    documents.Schedule: "ScheduleDocument",
    documents.Slot: "SlotDocument",
    documents.WorkflowSummary: "WorkflowSummary",
    documents.Workflow: "WorkflowDocument",
    documents.WorkflowMember: "WorkflowMember",
    documents.WorkerInfo: "WorkerDocument",
    documents.Kind: "KindDocument",
    documents.Counts: "Counts",
    documents.KindCounts: "KindCounts",
    documents.Point: "Point",
    documents.Summary: "Summary",
    documents.SystemNumbers: "SystemNumbers",
    documents.Stats: "StatsDocument",
    documents.OperationPreview: "OperationPreview",
    documents.Operation: "OperationDocument",
    documents.OperationReport: "OperationReport",
    documents.LeftJob: "OperationJob",
}
# What the package adds.
OURS = {models.Job: {"existing"}}
PRIMITIVES: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", datetime: "string"}


@pytest.fixture(scope="module")
def description(server: Server) -> dict[str, Any]:
    with urllib.request.urlopen(f"{server.url}/api/v1/openapi.json") as answer:
        return typing.cast("dict[str, Any]", json.load(answer))


def flat(description: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with the properties of all that it is made of."""
    if "$ref" in schema:
        return flat(description, description["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    parts = [flat(description, part) for part in schema.get("allOf", [])] + [schema]
    properties = {name: value for part in parts for name, value in part.get("properties", {}).items()}
    required = {name for part in parts for name in part.get("required", [])}
    return {**schema, "properties": properties, "required": required}


def variants(description: dict[str, Any], schema: dict[str, Any]) -> tuple[set[str], bool]:
    """The JSON types that a value may have, and whether it may be null."""
    if "oneOf" in schema:
        each = [variants(description, one) for one in schema["oneOf"]]
        return {name for names, _ in each for name in names}, any(null for _, null in each)
    if "$ref" in schema:
        schema = description["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    given = schema.get("type", [])
    names = {given} if isinstance(given, str) else set(given)
    return names - {"null"}, "null" in names


def expected(hint: Any) -> tuple[set[str] | None, bool]:
    """The JSON types of a hint (None: any), and whether it may be None."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return expected(inner[0])
    if origin in (types.UnionType, typing.Union):
        rest = [one for one in inner if one is not types.NoneType]
        return expected(rest[0])[0], len(rest) < len(inner)
    if hint is Any:
        return None, False
    if origin is list:
        return {"array"}, False
    if origin is dict or dataclasses.is_dataclass(hint):
        return {"object"}, False
    return {PRIMITIVES[hint]}, False


@pytest.mark.parametrize("model", SCHEMAS, ids=lambda model: model.__name__)
def test_a_model_has_the_fields_of_its_schema(model: Any, description: dict[str, Any]) -> None:
    schema = flat(description, {"$ref": f"#/components/schemas/{SCHEMAS[model]}"})
    hints = typing.get_type_hints(model, include_extras=True)
    assert hints.keys() - OURS.get(model, set()) == schema["properties"].keys()
    for name, described in schema["properties"].items():
        wanted, may_be_none = expected(hints[name])
        found, may_be_null = variants(description, described)
        if wanted is None:
            continue
        assert found == wanted, f"{model.__name__}.{name} is {found}"
        is_optional = may_be_null or name not in schema["required"]
        assert may_be_none == is_optional, f"{model.__name__}.{name}: {'may' if is_optional else 'may not'} be null"


def test_an_object_is_read_as_the_schema_says(description: dict[str, Any]) -> None:
    for model, name in SCHEMAS.items():
        nested = flat(description, {"$ref": f"#/components/schemas/{name}"})["properties"]
        for field, hint in typing.get_type_hints(model).items():
            for part in (hint, *typing.get_args(hint)):
                if dataclasses.is_dataclass(part):
                    assert SCHEMAS[typing.cast(Any, part)] in json.dumps(nested[field])


def test_the_options_of_a_job_are_those_of_the_api(description: dict[str, Any]) -> None:
    schema = description["components"]["schemas"]["JobRequest"]["properties"]
    assert JobOptions.__annotations__.keys() | {"kind", "args"} == schema.keys()


def test_the_rules_of_a_kind_are_those_of_the_api(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    assert KindRules.__annotations__.keys() == schemas["KindRequest"]["properties"].keys()
    assert {field.name for field in dataclasses.fields(Breaker)} == schemas["BreakerRequest"]["properties"].keys()
    assert {field.name for field in dataclasses.fields(Backoff)} == schemas["BackoffRequest"]["properties"].keys()


def all_calls() -> list[Call[Any]]:
    """Every call with values in its places."""
    return [
        calls.enqueue("a", {}, {}, None), calls.enqueue_many([], None, True), calls.get("J"), calls.end("J", 1),
        calls.jobs({}, None, 1), calls.files("J"),
        calls.attempts("J"), calls.steps("J"), calls.signals("J"), calls.explain("J"), calls.history("J", "log", "1", 1),
        calls.cancel("J", "why"), calls.retry("J"), calls.run_now("J"), calls.snooze("J", 1), calls.change("J", {}),
        calls.delete("J"), calls.signal("J", "S", 1), calls.fork("J", "s"), group_calls.queues(), group_calls.queue("Q"),
        group_calls.queue_verb("Q", "pause"), group_calls.queue_verb("Q", "resume"), group_calls.queue_verb("Q", "drain"),
        group_calls.purge("Q"), group_calls.change_queue("Q", {}), group_calls.schedules("1"), group_calls.schedule("X"),
        group_calls.slots("X"), group_calls.set_schedule("X", "a", {}, {}, {}), group_calls.schedule_verb("X", "pause"),
        group_calls.schedule_verb("X", "resume"), group_calls.run_schedule("X"), group_calls.delete_schedule("X"),
        group_calls.preview({}, 1), group_calls.create_workflow({}, None), group_calls.workflows("1"),
        group_calls.workflow("W"), group_calls.cancel_workflow("W", None), group_calls.retry_workflow("W"),
        group_calls.stats(), group_calls.kind_stats(1), group_calls.trends(1, "k", "q"), group_calls.summary("1h"),
        group_calls.workers(), group_calls.drain_worker("V"), group_calls.kinds(), group_calls.set_kind("K", {}),
    ]  # fmt: skip


PLACES = {"J": "{id}", "S": "{name}", "Q": "{queue}", "X": "{schedule}", "W": "{id}", "V": "{worker}", "K": "{kind}"}


def test_every_call_is_a_route_with_these_parameters(description: dict[str, Any]) -> None:
    for call in all_calls():
        route = "/".join(PLACES.get(part, part) for part in call.path.split("/"))
        operation = description["paths"][route][call.method.lower()]
        described = [flat_parameter(description, parameter) for parameter in operation.get("parameters", [])]
        assert set(call.params) <= {parameter["name"] for parameter in described if parameter["in"] == "query"}, route
        if "Idempotency-Key" in call.headers:
            assert "Idempotency-Key" in {parameter["name"] for parameter in described}, route


def flat_parameter(description: dict[str, Any], parameter: dict[str, Any]) -> dict[str, Any]:
    """A parameter, also where it is described elsewhere."""
    if "$ref" in parameter:
        name = parameter["$ref"].rsplit("/", 1)[1]
        return typing.cast("dict[str, Any]", description["components"]["parameters"][name])
    return parameter


def test_every_problem_of_the_list_is_known() -> None:
    from tidemill.errors import TYPE_BASE, JobNotFound, Problem, problem_of

    assert type(problem_of({"type": f"{TYPE_BASE}job-not-found", "status": 404})) is JobNotFound
    assert type(problem_of({"type": f"{TYPE_BASE}of-tomorrow", "status": 418})) is Problem
