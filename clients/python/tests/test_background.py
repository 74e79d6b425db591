"""The task manager beyond what its older programs show: what it refuses, what outlives a process, and workers elsewhere."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from apps import managed
from running import APPS, RunningWorker, until
from server import Server

import tidemill
from tidemill.compat.background import BackgroundTaskManager, TaskPriority, TaskStatus


@pytest.fixture
def manager(server: Server) -> Iterator[BackgroundTaskManager]:
    """A manager with a queue of its own."""
    made = BackgroundTaskManager(url=server.url, key=server.key, queue=f"m-{uuid.uuid4().hex[:8]}", retry_delay=0.1)
    yield made
    made.shutdown()


def ended(manager: BackgroundTaskManager, id: str) -> Any:
    """The task once it has ended."""
    final = (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED)
    return until(lambda: (task := manager.get_task(id)) and task.status in final and task)


def double(n: int) -> int:
    return 2 * n


async def double_async(n: int) -> int:
    return 2 * n


def gather(*args: int, key: str = "none", **more: Any) -> dict[str, Any]:
    return {"args": list(args), "key": key, "more": more}


def slow() -> None:
    for _ in range(600):
        time.sleep(0.1)


def test_plain_async_and_built_in_functions_run(manager: BackgroundTaskManager) -> None:
    ids = [manager.submit_task(each, 21) for each in (double, double_async)]
    assert [ended(manager, id).result for id in ids] == [42, 42]
    assert ended(manager, manager.submit_task(time.sleep, 0.01)).status is TaskStatus.COMPLETED
    assert ended(manager, manager.submit_task(max, 3, 7, name="largest")).result == 7


def test_args_go_as_they_are_given(manager: BackgroundTaskManager) -> None:
    id = manager.submit_task(gather, 1, 2, key="a", other=[3], priority=TaskPriority.HIGH)
    task = ended(manager, id)
    assert task.result == {"args": [1, 2], "key": "a", "more": {"other": [3]}}
    assert (task.priority, task.name, task.max_retries, task.error) == (TaskPriority.HIGH, "gather", 3, None)
    with pytest.raises(TypeError, match="missing a required argument"):
        manager.submit_task(double)
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        manager.submit_task(gather, object())


def test_a_name_is_of_one_function(manager: BackgroundTaskManager) -> None:
    manager.submit_task(double, 1, name="a name, and more")
    assert "a-name-and-more" in manager.app.tasks
    with pytest.raises(ValueError, match=r"the name a-name-and-more is that of .*double"):
        manager.submit_task(gather, 1, name="a name, and more")


def test_a_function_that_another_process_could_not_run_is_refused(manager: BackgroundTaskManager) -> None:
    here = 7

    def inner() -> int:
        return here

    with pytest.raises(ValueError, match="inner takes here from where it is defined"):
        manager.submit_task(inner)
    with pytest.raises(TypeError, match="is not a function"):
        manager.submit_task(7)  # type: ignore[arg-type]


def test_a_task_that_never_works_fails_after_its_retries(manager: BackgroundTaskManager) -> None:
    task = ended(manager, manager.submit_task(int, "seven", name="reads", max_retries=1))
    assert (task.status, task.retry_count) == (TaskStatus.FAILED, 1)
    assert "seven" in task.error


def test_a_timeout_ends_a_task(manager: BackgroundTaskManager) -> None:
    task = ended(manager, manager.submit_task(slow, timeout=0.5, max_retries=0))
    assert task.status is TaskStatus.FAILED
    assert "timed out" in task.error


def test_as_many_tasks_wait_as_may(server: Server) -> None:
    queue = f"m-{uuid.uuid4().hex[:8]}"
    manager = BackgroundTaskManager("celery", queue_size=2, url=server.url, key=server.key, queue=queue)
    ids = [manager.submit_task(double, n) for n in range(2)]
    with pytest.raises(tidemill.errors.QueueFull):
        manager.submit_task(double, 3)
    assert manager.get_stats()["queue_size"] == 2
    assert all(manager.cancel_task(id) for id in ids)
    assert manager.get_task_status(ids[0]) is TaskStatus.CANCELLED


def test_what_is_not_there_is_told(manager: BackgroundTaskManager) -> None:
    unknown = str(uuid.uuid4())
    assert manager.get_task(unknown) is None
    assert manager.get_task("no-schedule") is None
    assert not manager.cancel_task(unknown)
    assert not manager.cancel_task("no-schedule")
    with pytest.raises(tidemill.errors.JobNotFound):
        manager.get_task_status(unknown)
    manager.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        manager.submit_task(double, 1)


def test_the_same_interval_is_one_schedule(manager: BackgroundTaskManager) -> None:
    ids = {manager.schedule_task_interval(double, timedelta(hours=1), n, name="hourly") for n in (1, 1, 2)}
    assert len(ids) == 2
    assert {manager.get_task_status(id) for id in ids} == {TaskStatus.SCHEDULED}
    assert all(manager.cancel_task(id) for id in ids)
    with pytest.raises(tidemill.errors.NotFound):
        manager.get_task_status(ids.pop())


def test_workers_elsewhere_run_what_a_manager_submits(start_worker: Callable[..., RunningWorker], server: Server) -> None:
    start_worker("managed:task_manager.app", "--queue", managed.QUEUE)
    manager = managed.task_manager
    assert ended(manager, manager.submit_task(managed.add, 40, 2)).result == 42
    assert manager._worker is None


def test_a_task_outlives_its_process(server: Server, client: tidemill.Client, tmp_path: Path) -> None:
    queue = f"m-{uuid.uuid4().hex[:8]}"
    code = f"""
import sys, time
sys.path.insert(0, {str(APPS)!r})
from tidemill.compat.background import BackgroundTaskManager
def add(a, b): return a + b
def block(): time.sleep(600)
where = dict(url={server.url!r}, key={server.key!r}, queue={queue!r})
manager = BackgroundTaskManager("threaded", max_workers=1, shutdown_timeout=0.1, **where)
if len(sys.argv) > 1:
    manager.register(add)
    print(manager.client.result(sys.argv[1], "60s"))
else:
    blocking = manager.submit_task(block, name="block-{queue}")
    while manager.get_task_status(blocking).value != "running": time.sleep(0.05)
    print(manager.submit_task(add, 40, 2, name="add"))
"""
    (tmp_path / "program.py").write_text(code)

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "program.py", *words], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    id = run()
    job = client.get(id)
    assert (job.state, job.attempt) == ("available", 0)
    assert run(id) == "42"
    [blocked] = client.list(kind=f"block-{queue}", most=1)
    assert (blocked.state, blocked.attempt) == ("available", 0), "it was handed back at no cost"
    client.cancel(blocked.id)


def test_a_fork_has_a_worker_of_its_own(server: Server, tmp_path: Path) -> None:
    code = f"""
import os, sys
from tidemill.compat.background import BackgroundTaskManager
def first(): return os.getpid()
def second(): return os.getpid()
manager = BackgroundTaskManager(queue="m-{uuid.uuid4().hex[:8]}", url={server.url!r}, key={server.key!r})
def ran(function): return manager.client.result(manager.submit_task(function), "60s")
assert ran(first) == os.getpid()
if os.fork() == 0:
    assert ran(second) == os.getpid()
    sys.exit(0)
_, status = os.wait()
assert status == 0, status
"""
    (tmp_path / "program.py").write_text(code)
    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
