"""What a worker makes of Django's tasks: results, errors, retries, signals, asyncio, processes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from conftest import Manage, finished
from django.db import transaction
from project.shop import more, tasks
from project.shop.models import Order, Told
from running import until
from server import Server

import tidemill
from tidemill.django.contract import TaskResultStatus

pytestmark = pytest.mark.usefixtures("worker")


def told(id: str, word: str = "finished") -> list[str]:
    """The statuses that a signal told of a task."""
    return list(Told.objects.filter(task=id, word=word).values_list("status", flat=True))


def test_a_task_runs_and_brings_its_value() -> None:
    result = finished(tasks.calculate.enqueue(1, c=40))
    assert (result.status, result.return_value) == (TaskResultStatus.SUCCESSFUL, 42)
    assert result.enqueued_at <= result.started_at <= result.finished_at
    assert result.last_attempted_at == result.started_at
    assert (result.attempts, result.errors) == (1, [])
    assert result.worker_ids[0] != ""
    until(lambda: told(result.id) == ["SUCCESSFUL"])
    assert told(result.id, "started") == ["RUNNING"]


def test_the_settings_of_a_task_hold_for_jobs_from_elsewhere(server: Server) -> None:
    with tidemill.Client(server.url, server.key) as client:
        kind = tasks.third_time.kind_name
        until(lambda: any(each.name == kind and each.max_attempts == 3 for each in client.workers.kinds()))
        job = client.enqueue(kind, {"name": "b"}, delay="1h")
        assert (job.queue, job.priority, job.max_attempts) == ("default", 5, 3)
        client.cancel(job.id)


def test_it_works_on_the_rows_that_were_committed_with_it() -> None:
    with transaction.atomic():
        order = Order.objects.create(customer="ada")
        result = tasks.invoice.enqueue(order.id)
    assert finished(result).return_value == "ada"
    order.refresh_from_db()
    assert order.invoiced


def test_an_async_task_runs_in_asyncio() -> None:
    result = finished(tasks.calculate_async.enqueue(1, b=2))
    assert result.return_value == {"sum": 3, "orders": Order.objects.count()}
    until(lambda: told(result.id) == ["SUCCESSFUL"])


def test_attempts_are_counted_and_their_errors_kept() -> None:
    result = finished(tasks.third_time.enqueue("a"))
    value = result.return_value
    assert value == {
        "name": "a", "attempt": 3, "id": result.id, "status": "RUNNING", "workers": 3, "job": result.id,
        "errors": ["builtins.KeyError"] * 2, "args": ["a"], "kwargs": {},
    }  # fmt: skip
    assert result.attempts == 3
    assert result.worker_ids == [result.worker_ids[0]] * 3
    assert [error.exception_class for error in result.errors] == [KeyError, KeyError]
    assert "attempt 2" in result.errors[1].traceback
    assert result.started_at < result.last_attempted_at
    until(lambda: told(result.id) == ["SUCCESSFUL"])
    assert told(result.id, "started") == ["RUNNING"] * 3


@pytest.mark.parametrize("task", [tasks.fail, tasks.fail_async], ids=["plain", "async"])
def test_a_failure_is_told_with_its_class_and_its_trace(task: Any) -> None:
    result = finished(task.enqueue())
    assert result.status == TaskResultStatus.FAILED
    [error] = result.errors
    assert error.exception_class is ValueError
    assert error.traceback.startswith("Traceback (most recent call last):")
    assert error.traceback.rstrip().endswith("ValueError: no")
    assert "raise ValueError" in error.traceback
    with pytest.raises(ValueError, match="failed"):
        _ = result.return_value
    until(lambda: told(result.id) == ["FAILED"])


def test_a_permanent_failure_is_not_tried_again() -> None:
    result = finished(tasks.fail_for_good.enqueue())
    assert (result.attempts, len(result.errors)) == (1, 1)
    assert result.errors[0].exception_class is tasks.Odd
    until(lambda: told(result.id) == ["FAILED"])


@pytest.mark.parametrize(("task", "kind"), [(tasks.exit_worker, SystemExit), (tasks.bad_result, TypeError)])
def test_an_exit_and_a_value_that_is_no_json_are_failures(task: Any, kind: type) -> None:
    result = finished(task.enqueue())
    assert result.status == TaskResultStatus.FAILED
    assert result.errors[0].exception_class is kind


def test_a_soft_timeout_is_a_failure() -> None:
    result = finished(tasks.too_long.enqueue())
    assert result.errors[0].exception_class is TimeoutError
    until(lambda: told(result.id) == ["FAILED"])


def test_a_cancelled_task_has_failed(client: tidemill.Client) -> None:
    waiting = tasks.quiet.enqueue("a")
    client.cancel(waiting.id, "no more")
    waiting.refresh()
    running = tasks.until_cancelled.enqueue()
    until(lambda: running.refresh() or running.status == TaskResultStatus.RUNNING)
    client.cancel(running.id)
    for result in (waiting, finished(running)):
        assert result.status == TaskResultStatus.FAILED
        assert result.errors[-1].exception_class is tidemill.JobCancelled
    until(lambda: told(running.id) == ["FAILED"])


def test_a_process_that_dies_costs_its_attempt_alone(tmp_path: Path) -> None:
    result = finished(tasks.crash_once.enqueue(str(tmp_path / "mark")))
    assert (result.return_value, result.attempts) == (0, 2)
    assert len(result.errors) == 1
    assert result.errors[0].exception_class is tidemill.JobFailed


def test_a_large_result_is_read_from_where_it_is_kept() -> None:
    assert finished(tasks.large_result.enqueue(600_000)).return_value == "x" * 600_000


def test_a_task_is_due_at_its_time() -> None:
    due = datetime.now(timezone.utc) + timedelta(seconds=1.5)
    result = finished(tasks.calculate.using(run_after=due).enqueue(1))
    assert result.started_at >= due


def test_a_task_elsewhere_is_found_by_its_module() -> None:
    result = finished(more.elsewhere.enqueue())
    assert result.return_value == "found"
    assert result.task.kind_name == "shop.elsewhere"


def test_progress_and_log_are_the_jobs(client: tidemill.Client) -> None:
    result = finished(tasks.report.enqueue())
    job = client.get(result.id)
    assert job.progress is not None
    assert (job.progress.percent, job.progress.step) == (50, "half")
    lines = [event.data["line"] for event in client.history(result.id, "log")]
    assert "printed" in lines
    assert any(line.startswith("INFO django") and "state=RUNNING" in line for line in lines), lines


def test_a_job_of_the_server_runs_as_a_task(client: tidemill.Client) -> None:
    job = client.enqueue("project.shop.tasks.calculate", {"a": 20, "b": 22})
    assert client.result(job.id, "120s") == 42


def test_the_package_s_own_worker_runs_them_too(server: Server) -> None:
    words = ("-m", "tidemill.worker.cli", "tidemill.django.worker:default", "--queue", "quiet")
    running = Manage(server, program=words)
    try:
        assert finished(tasks.calculate.using(queue_name="quiet").enqueue(41)).return_value == 42
    finally:
        running.end()


def test_an_unknown_backend_is_named(server: Server) -> None:
    running = Manage(server, "tidemill_worker", "--backend", "other")
    assert running.process.wait(60) != 0
    assert "other" in running.output()
