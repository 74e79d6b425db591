"""What a worker does with a function: its args, its result, its failures, and what it says meanwhile."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from apps import tasks
from running import RunningWorker, until

import tidemill

pytestmark = pytest.mark.usefixtures("shared_worker")


@pytest.mark.parametrize("task", [tasks.add, tasks.add_async, tasks.add_process], ids=["threads", "asyncio", "processes"])
def test_a_function_runs_and_its_value_is_the_result(task: tidemill.Task[..., int], client: tidemill.Client) -> None:
    handle = task.delay(2, b=3)
    assert handle.get("120s") == 5
    job = handle.refresh()
    assert (job.state, job.args, job.attempt, job.queue) == ("completed", {"a": 2, "b": 3}, 1, "shared")


def test_a_task_is_called_as_a_function() -> None:
    assert tasks.add(2, 3) == 5


VALUES = [
    datetime(2026, 11, 29, 12, 30, 1, 5, tzinfo=timezone.utc),
    datetime(2026, 11, 29).date(),
    datetime(2026, 11, 29, 12).time(),
    timedelta(days=1, milliseconds=3),
    Decimal("12345678901234567.89"),
    UUID("01a2287f-aa51-7586-bbaa-c1acfdfda5eb"),
    b"text",
    b"\xff\x00",
    {1, 2, 3},
    frozenset({"a"}),
    [1.5, None, True, "ü", {"deep": [{Decimal("1.10")}]}],
    {"__type__": "unknown", "__value__": 1},
]


@pytest.mark.parametrize("value", VALUES, ids=[type(value).__name__ for value in VALUES])
def test_values_of_python_come_through_both_ways(value: Any) -> None:
    result = tasks.echo.delay(value).get("120s")
    assert result == {"value": value, "type": type(value).__name__}


def test_arguments_go_by_the_names_of_parameters(client: tidemill.Client) -> None:
    handle = tasks.gather.delay(1, 2, 3, key="k", extra=9)
    assert handle.job.args == {"first": 1, "rest": [2, 3], "key": "k", "extra": 9}
    assert handle.get("120s") == {"first": 1, "rest": [2, 3], "key": "k", "more": {"extra": 9}}
    plain = client.enqueue("gather", {"first": 4}, queue="shared")
    assert client.result(plain.id, "120s") == {"first": 4, "rest": [], "key": "none", "more": {}}


def test_args_that_do_not_fit_fail_for_good(client: tidemill.Client) -> None:
    job = client.wait(client.enqueue("add", {"x": 1}, queue="shared").id, "120s")
    assert job.state == "failed"
    assert job.error is not None
    assert job.error["type"] == "bad_args"
    assert "a missing; x unknown" in job.error["message"]
    with pytest.raises(TypeError, match="missing a required argument"):
        tasks.add.delay()


def logged(client: tidemill.Client, job: str) -> dict[str, list[str]]:
    lines: dict[str, list[str]] = {}
    for event in client.history(job, "log"):
        lines.setdefault(event.data["stream"], []).append(event.data["line"])
    return lines


@pytest.mark.parametrize("task", [tasks.talk, tasks.talk_async, tasks.talk_process], ids=["threads", "asyncio", "processes"])
def test_what_is_printed_and_logged_is_the_jobs(task: tidemill.Task[[], str], client: tidemill.Client) -> None:
    handle = task.delay()
    assert handle.get("120s") == "done"
    lines = logged(client, handle.id)
    assert lines["stdout"] == ["printed", "unfinished"]
    assert lines["stderr"] == ["to err"]
    assert lines["mine"] == ["said", "twice"]
    assert lines["logging"][0] == "INFO shop: logged 7"
    assert lines["logging"][1] == "ERROR shop: it went wrong"
    assert lines["logging"][-1] == "KeyError: 'lost'"
    progress = handle.refresh().progress
    assert progress is not None
    assert (progress.percent, progress.step, progress.data) == (25, "quarter", {"n": 1})
    types = [event.type for event in handle.events()]
    # The line that was not ended comes when the function has.
    assert types == ["snapshot", *["log"] * (len(types) - 4), "progress", "log", "completed"]


def test_a_flood_of_lines_loses_none_and_ends_with_the_job(client: tidemill.Client) -> None:
    handle = tasks.flood.delay(1500)
    assert handle.get("120s") == 1500
    assert logged(client, handle.id)["stdout"] == [f"line {number}" for number in range(1500)]
    progress = handle.refresh().progress
    assert progress is not None
    assert progress.percent == 100


def test_a_failure_is_tried_again_after_the_tasks_backoff(client: tidemill.Client) -> None:
    handle = tasks.fail.delay("once")
    assert handle.get("120s") == "attempt 2"
    [attempt] = client.attempts(handle.id)
    assert attempt.error["type"] == "RuntimeError"
    assert attempt.error["message"] == "the first time"
    assert "raise RuntimeError" in attempt.error["backtrace"]
    assert "/tidemill/worker/" not in attempt.error["backtrace"]


def test_attempts_are_used_up(client: tidemill.Client) -> None:
    handle = tasks.fail.delay("always")
    with pytest.raises(tidemill.JobFailed, match="attempt 3"):
        handle.get("120s")
    assert len(client.attempts(handle.id)) == 3


@pytest.mark.parametrize(("how", "kind"), [("permanent", "Permanent"), ("unwanted", "Unwanted")])
def test_a_failure_for_good_is_not_tried_again(how: str, kind: str, client: tidemill.Client) -> None:
    job = tasks.fail.delay(how).wait("120s")
    assert (job.state, job.attempt) == ("failed", 1)
    assert job.error is not None
    assert job.error["type"] == kind
    assert job.error["permanent"] is True


def test_an_exit_is_a_failure_of_the_job_alone(shared_worker: RunningWorker) -> None:
    handle = tasks.fail.with_options(max_attempts=1).delay("exit")
    with pytest.raises(tidemill.JobFailed, match="3"):
        handle.get("120s")
    assert shared_worker.process.poll() is None


def test_a_retry_comes_when_it_says(client: tidemill.Client) -> None:
    handle = tasks.fail.delay("retry")
    assert handle.get("120s") == "attempt 2"
    [retry] = list(client.history(handle.id, "retry"))
    run_at = datetime.fromisoformat(retry.data["run_at"].replace("Z", "+00:00"))
    assert retry.at is not None
    assert timedelta(seconds=0.1) < run_at - retry.at <= timedelta(seconds=0.3)


def test_a_backoff_grows(client: tidemill.Client) -> None:
    handle = tasks.fail_backoff.delay()
    first = until(lambda: next((e for e in client.history(handle.id, "retry")), None))
    run_at = datetime.fromisoformat(first.data["run_at"].replace("Z", "+00:00"))
    assert first.at is not None
    assert timedelta(seconds=49) < run_at - first.at <= timedelta(seconds=50)
    client.run_now(handle.id)
    second = until(
        lambda: next((e for e in client.history(handle.id, "retry") if e.attempt == 2 and "run_at" in e.data), None)
    )
    run_at = datetime.fromisoformat(second.data["run_at"].replace("Z", "+00:00"))
    assert second.at is not None
    assert timedelta(seconds=99) < run_at - second.at <= timedelta(seconds=100)
    handle.cancel()


@pytest.mark.parametrize(("how", "message"), [("object", "object"), ("nan", "JSON"), ("number", "more digits")])
def test_a_result_that_cannot_be_stored_fails_the_job(how: str, message: str) -> None:
    job = tasks.bad_result.delay(how).wait("120s")
    assert (job.state, job.attempt) == ("failed", 1)
    assert job.error is not None
    assert job.error["type"] == "bad_result"
    assert message in job.error["message"]


def test_a_context_is_there_for_the_function_alone() -> None:
    assert "no job runs here" in tasks.no_context.delay().get("120s")
    with pytest.raises(RuntimeError, match="no job runs here"):
        tidemill.current()


def test_more_time_moves_the_soft_timeout() -> None:
    assert tasks.extend.delay().get("120s") == "had the time"


def test_many_jobs_all_run_once(client: tidemill.Client) -> None:
    ids = [item.id for item in client.enqueue_many([tasks.add.job(number) for number in range(300)])]
    assert [client.result(id or "", "120s") for id in ids] == [number + 1 for number in range(300)]
    assert {client.get(id or "").attempt for id in ids[::10]} == {1}


def test_jobs_run_side_by_side(tmp_path: Any) -> None:
    began = time.monotonic()
    handles = [tasks.quiet.delay(str(tmp_path / str(number)), 1.5) for number in range(4)]
    until(lambda: all((tmp_path / str(number)).with_suffix(".began").exists() for number in range(4)))
    assert [handle.get("120s") for handle in handles] == [None] * 4
    assert time.monotonic() - began < 60


def test_a_large_result_comes_whole(client: tidemill.Client) -> None:
    text = "x" * 600_000
    handle = tasks.echo.delay(text)
    assert handle.get("120s") == {"value": text, "type": "str"}
    shown = handle.refresh()
    assert shown.result.keys() == {"$stored"}
    assert client.whole(shown.result)["value"] == text
    assert client.whole(shown.args)["value"] == text

    async def fetch() -> object:
        async with tidemill.AsyncClient() as client:
            return await client.result(handle.id)

    assert asyncio.run(fetch()) == {"value": text, "type": "str"}
