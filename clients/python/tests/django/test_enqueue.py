"""What a task of Django is when it is enqueued: in the transaction of its caller, with Django's words and with ours."""

from __future__ import annotations

import asyncio
import copy
import pickle
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings
from django.utils.timezone import make_aware
from project.shop import tasks
from project.shop.models import Order, Told

import tidemill
from tidemill.django.contract import (
    InvalidTask,
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_backends,
)

Mismatch = __import__(f"{TaskResultDoesNotExist.__module__}", fromlist=["TaskResultMismatch"]).TaskResultMismatch


def test_a_task_commits_or_vanishes_with_the_rows_of_its_transaction(client: tidemill.Client) -> None:
    with suppress(RuntimeError), transaction.atomic():
        order = Order.objects.create(customer="ada")
        undone = tasks.quiet.enqueue(order.id)
        assert undone.status == TaskResultStatus.READY
        assert tasks.quiet.get_result(undone.id).args == [order.id], "its own transaction sees it"
        raise RuntimeError
    with transaction.atomic():
        order = Order.objects.create(customer="ada")
        kept = tasks.quiet.enqueue(order.id)
    assert list(Order.objects.filter(customer="ada")) == [order]
    assert client.get(kept.id).args == {"account": order.id}
    with pytest.raises(TaskResultDoesNotExist):
        tasks.quiet.get_result(undone.id)
    with pytest.raises(tidemill.errors.JobNotFound):
        client.get(undone.id)


def test_a_savepoint_is_undone_alone() -> None:
    with transaction.atomic():
        kept = tasks.quiet.enqueue("outer")
        with suppress(RuntimeError), transaction.atomic():
            undone = tasks.quiet.enqueue("inner")
            raise RuntimeError
    kept.refresh()
    with pytest.raises(TaskResultDoesNotExist):
        undone.refresh()


def test_a_result_says_what_was_asked_for() -> None:
    before = datetime.now(timezone.utc)
    result = tasks.quiet.enqueue(account=7)
    again = tasks.quiet.get_result(result.id)
    for one in (result, again):
        assert one.task.func == tasks.quiet.func
        assert (one.args, one.kwargs) == ([], {"account": 7})
        assert (one.status, one.attempts, one.errors, one.worker_ids) == (TaskResultStatus.READY, 0, [], [])
        assert (one.started_at, one.finished_at, one.last_attempted_at) == (None, None, None)
        assert (one.backend, one.is_finished) == ("default", False)
        assert abs(one.enqueued_at - before) < timedelta(minutes=1)
        with pytest.raises(ValueError, match="not finished"):
            _ = one.return_value


@pytest.mark.parametrize(
    ("args", "kwargs", "named"),
    [
        ((1,), {}, {"a": 1}),
        ((1, 2), {"c": 3}, {"a": 1, "b": 2, "c": 3}),
        ((), {"a": 1, "b": 2}, {"a": 1, "b": 2}),
        (([1, (2, b"three")],), {}, {"a": [1, [2, "three"]]}),
        (({"a": {"b": None}},), {"b": 1.5}, {"a": {"a": {"b": None}}, "b": 1.5}),
    ],
)
def test_args_are_those_of_the_function_by_name(args: Any, kwargs: Any, named: Any, client: tidemill.Client) -> None:
    result = tasks.calculate.using(queue_name="quiet").enqueue(*args, **kwargs)
    assert client.get(result.id).args == named
    again = tasks.calculate.get_result(result.id)
    assert (again.args, again.kwargs) == (result.args, result.kwargs)


def test_rest_and_more_are_kept_apart() -> None:
    result = tasks.noop.using(queue_name="quiet").enqueue(1, 2, x=3)
    assert (result.args, result.kwargs) == ([1, 2], {"x": 3})
    again = tasks.noop.get_result(result.id)
    assert (again.args, again.kwargs) == ([1, 2], {"x": 3})


@pytest.mark.parametrize("wrong", [object(), {1, 2}, datetime(2026, 1, 1), b"\xff"])
def test_what_is_no_json_is_refused(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        tasks.calculate.enqueue(wrong)


def test_args_that_do_not_fit_are_refused_where_they_are_given() -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'a'"):
        tasks.calculate.enqueue()
    with pytest.raises(TypeError, match="too many"):
        tasks.calculate.enqueue(1, 2, 3)


@pytest.mark.parametrize(("priority", "stored"), [(100, 1), (50, 3), (0, 5), (-30, 6), (-100, 9)])
def test_a_larger_priority_is_more_urgent(priority: int, stored: int, client: tidemill.Client) -> None:
    result = tasks.quiet.using(priority=priority).enqueue("a")
    assert client.get(result.id).priority == stored
    assert tasks.quiet.get_result(result.id).task.priority == priority


def test_run_after_is_when_it_is_due(client: tidemill.Client) -> None:
    due = datetime.now(timezone.utc) + timedelta(days=3)
    result = tasks.quiet.using(run_after=due).enqueue("a")
    job = client.get(result.id)
    assert (job.status, job.run_at) == ("scheduled", due)
    again = tasks.quiet.get_result(result.id)
    assert (again.status, again.task.run_after) == (TaskResultStatus.READY, due)


def test_without_time_zones_times_are_naive(client: tidemill.Client) -> None:
    with override_settings(USE_TZ=False):
        due = datetime(2100, 1, 1, 12)
        result = tasks.quiet.using(run_after=due).enqueue("a")
        again = tasks.quiet.get_result(result.id)
        assert again.enqueued_at.tzinfo is None
        assert (result.enqueued_at.tzinfo, again.task.run_after) == (None, due)
        expected = make_aware(due)
    assert client.get(result.id).run_at == expected


def test_further_words_are_options_of_the_job(client: tidemill.Client) -> None:
    job = client.get(tasks.quiet.enqueue("ada").id)
    assert (job.kind, job.queue) == ("project.shop.tasks.quiet", "quiet")
    assert (job.concurrency_keys, job.fair_key) == (["account:ada"], "ada")
    job = client.get(tasks.welcome.using(queue_name="quiet", max_attempts=7, tags=["a", "b"]).enqueue("tags").id)
    assert (job.max_attempts, job.tags) == (7, ["a", "b"])


def test_a_unique_task_is_enqueued_once() -> None:
    welcome = tasks.welcome.using(queue_name="quiet")
    first, second, other = (welcome.enqueue(name) for name in ("ada", "ada", "bob"))
    assert (first.id == second.id, first.id == other.id) == (True, False)
    assert second.args == ["ada"]
    assert [Told.objects.filter(task=id, word="enqueued").count() for id in (first.id, other.id)] == [1, 1]


def test_the_signal_is_sent_with_the_row() -> None:
    result = tasks.quiet.enqueue("a")
    [told] = Told.objects.filter(task=result.id)
    assert (told.word, told.sender, told.status) == ("enqueued", "TidemillBackend", "READY")


def test_it_is_enqueued_from_asyncio() -> None:
    async def main() -> Any:
        result = await tasks.quiet.aenqueue(account="a")
        await result.arefresh()
        return result, await tasks.quiet.aget_result(result.id)

    result, again = asyncio.run(main())
    assert result.id == again.id
    assert again.kwargs == {"account": "a"}


@pytest.mark.parametrize("id", ["nothing", "00000000-0000-0000-0000-000000000000", ""])
def test_an_unknown_result_does_not_exist(id: str) -> None:
    with pytest.raises(TaskResultDoesNotExist):
        tasks.quiet.get_result(id)


def test_a_job_of_no_task_does_not_exist(client: tidemill.Client) -> None:
    job = client.enqueue("nobody.serves", queue="quiet")
    with pytest.raises(TaskResultDoesNotExist):
        task_backends["default"].get_result(job.id)


def test_a_result_of_another_task_is_told_apart() -> None:
    result = tasks.quiet.enqueue("a")
    with pytest.raises(Mismatch):
        tasks.noop.get_result(result.id)


def test_a_job_that_others_enqueued_is_a_result_too(client: tidemill.Client) -> None:
    job = client.enqueue("project.shop.tasks.quiet", {"account": "rest"}, queue="quiet")
    result = tasks.quiet.get_result(job.id)
    assert (result.args, result.kwargs) == ([], {"account": "rest"})


def test_a_task_is_copied_and_pickled() -> None:
    task = tasks.quiet.using(priority=10, run_after=datetime.now(timezone.utc))
    assert copy.deepcopy(task) == task
    if hasattr(type(task), "_reconstruct"):
        assert pickle.loads(pickle.dumps(task)) == task


def test_settings_that_cannot_be_kept_are_refused() -> None:
    decorate: Any = tasks.task
    wrong = [
        {"priority": 101}, {"priority": 1.5}, {"queue_name": "unknown"}, {"max_attempts": 3, "pool": "planets"},
        {"soft_timeout": "soon"}, {"kind": "no kind"}, {"kind": "x" * 64}, {"kind": "project.shop.tasks.quiet"},
    ]  # fmt: skip
    for settings in wrong:
        with pytest.raises(InvalidTask):
            decorate(**settings)(tasks.noop.func)
    with pytest.raises(InvalidTask):
        decorate(lambda: None)
    with pytest.raises(InvalidTask, match="context"):
        decorate(takes_context=True)(tasks.noop.func)
    with pytest.raises(TypeError, match="retries"):
        decorate(retries=3)(tasks.noop.func)
    with pytest.raises(TypeError, match="retries"):
        tasks.noop.using(retries=3)
    with pytest.raises(InvalidTask, match="aware"):
        tasks.noop.using(run_after=datetime(2026, 1, 1))
