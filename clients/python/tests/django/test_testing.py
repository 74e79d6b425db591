"""The backends for tests: a task runs where it is enqueued, or is kept, with the further words and no server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings
from project.shop import tasks

from tidemill.django.contract import TaskResultStatus, task_backends


@pytest.fixture
def use(request: pytest.FixtureRequest) -> Iterator[None]:
    """The backend of that name in the place of the real one."""
    place = f"tidemill.django.testing.{request.param}"
    with override_settings(TASKS={"default": {"BACKEND": place, "QUEUES": []}}):
        yield


@pytest.mark.parametrize("use", ["ImmediateBackend"], indirect=True)
def test_a_task_runs_where_it_is_enqueued(use: None) -> None:
    result: Any = tasks.report.enqueue()
    assert (result.status, result.return_value) == (TaskResultStatus.SUCCESSFUL, "told")
    assert tasks.fail.enqueue().errors[0].exception_class is ValueError
    assert asyncio.run(tasks.calculate_async.aenqueue(1)).return_value["sum"] == 2
    with pytest.raises(RuntimeError, match="no job runs here"):
        tasks.tidemill.current()


@pytest.mark.parametrize("use", ["DummyBackend"], indirect=True)
def test_a_task_is_kept(use: None) -> None:
    result: Any = tasks.welcome.using(max_attempts=9).enqueue("ada")
    [kept] = task_backends["default"].results
    assert (kept.id, kept.args, kept.task.max_attempts) == (result.id, ["ada"], 9)
