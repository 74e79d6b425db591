"""A stop that was asked for is no success: cancels, soft and hard timeouts, and what dies meanwhile."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from apps import tasks
from running import RunningWorker, began, until

import tidemill

pytestmark = pytest.mark.usefixtures("shared_worker")


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """Where a task says how far it is."""
    return tmp_path / "mark"


def is_alive(pid: int) -> bool:
    """True if the process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("task", [tasks.loop, tasks.loop_process, tasks.loop_async], ids=["threads", "processes", "asyncio"])
def test_a_cancel_reaches_a_running_function(task: Any, mark: Path, client: tidemill.Client) -> None:
    handle = task.delay(str(mark))
    began(mark)
    asked = time.monotonic()
    handle.cancel("no more")
    assert handle.wait("120s").state == "cancelled"
    assert mark.with_suffix(".stopped").read_text() == "CANCEL"
    assert time.monotonic() - asked < 30


def test_a_coroutine_that_swallows_its_cancel_is_cancelled_all_the_same(mark: Path) -> None:
    handle = tasks.loop_async.delay(str(mark), swallow=True)
    began(mark)
    handle.cancel()
    assert handle.wait("120s").state == "cancelled"


def test_a_function_that_brings_its_result_in_spite_of_a_cancel_is_completed(mark: Path) -> None:
    handle = tasks.loop.delay(str(mark), returns="all there was")
    began(mark)
    handle.cancel()
    assert handle.get("120s") == "all there was"


def test_a_function_that_never_asked_cannot_have_stopped(mark: Path) -> None:
    handle = tasks.quiet.delay(str(mark), 3)
    began(mark)
    handle.cancel()
    assert handle.wait("120s").state == "completed"


@pytest.mark.parametrize("task", [tasks.deaf, tasks.deaf_process], ids=["threads", "processes"])
def test_a_function_that_does_not_look_is_ended_after_its_grace(task: Any, mark: Path) -> None:
    handle = task.delay(str(mark))
    pid = began(mark)
    handle.cancel()
    assert handle.wait("120s").state == "cancelled"
    assert not mark.with_suffix(".ended").exists()
    if task is tasks.deaf_process:
        until(lambda: not is_alive(pid))


SOFT = {"threads": tasks.soft, "processes": tasks.soft_process, "asyncio": tasks.soft_async}
HOW = {"raise": "failed", "return": "failed", "result": "completed"}


@pytest.fixture(scope="module")
def soft_jobs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple[Path, tidemill.Handle]]:
    """A job of each pool for each way to take a timeout, side by side: a process may take seconds to begin."""
    folder = tmp_path_factory.mktemp("soft")
    jobs = {
        (pool, how): (folder / f"{pool}-{how}", task.delay(str(folder / f"{pool}-{how}"), how))
        for pool, task in SOFT.items()
        for how in HOW
    }
    jobs["processes", "blocked"] = (folder, tasks.soft_blocked.delay())
    kill = tasks.deaf_process.with_options(hard_timeout=12)
    jobs["processes", "hard"] = (folder / "hard", kill.delay(str(folder / "hard")))
    return jobs


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("pool", SOFT)
def test_a_soft_timeout_is_raised_in_the_function(pool: str, how: str, soft_jobs: Any) -> None:
    mark, handle = soft_jobs[pool, how]
    job = handle.wait("120s")
    assert mark.with_suffix(".soft").read_text() == "raised"
    assert job.state == HOW[how]
    if job.state == "failed":
        assert job.error["type"] == "timeout"
        assert "soft timeout" in job.error["message"]
    else:
        assert job.result == "in time"


def test_a_soft_timeout_interrupts_a_call_into_c_in_a_process(soft_jobs: Any) -> None:
    assert soft_jobs["processes", "blocked"][1].get("120s") == "woken"


def test_a_soft_timeout_counts_where_the_job_does_not_name_it(mark: Path, client: tidemill.Client) -> None:
    job = client.enqueue("soft", {"mark": str(mark), "how": "raise"}, queue="shared", max_attempts=1)
    ended = client.wait(job.id, "120s")
    assert ended.error is not None
    assert (ended.state, ended.error["type"]) == ("failed", "timeout")


def test_a_hard_timeout_kills_the_process(soft_jobs: Any) -> None:
    mark, handle = soft_jobs["processes", "hard"]
    pid = began(mark)
    job = handle.wait("120s")
    assert job.state == "failed"
    assert job.error is not None
    assert job.error["type"] == "timeout"
    assert "hard timeout" in job.error["message"]
    until(lambda: not is_alive(pid))
    assert not mark.with_suffix(".ended").exists()


def test_a_hard_timeout_ends_an_attempt_in_a_thread(mark: Path) -> None:
    job = tasks.deaf.with_options(hard_timeout=1, max_attempts=1).delay(str(mark)).wait("120s")
    assert job.error is not None
    assert (job.state, job.error["type"]) == ("failed", "timeout")


def test_a_process_that_dies_costs_its_attempt_alone(
    mark: Path, shared_worker: RunningWorker, client: tidemill.Client
) -> None:
    other = tasks.loop_process.delay(str(mark) + "-other", 4)
    handle = tasks.die.delay(str(mark))
    assert handle.get("120s") == "attempt 2"
    [attempt] = client.attempts(handle.id)
    assert attempt.error["type"] == "crash"
    assert "signal 9" in attempt.error["message"]
    assert other.get("120s") == "whole"
    assert shared_worker.process.poll() is None


def test_a_killed_process_is_noticed_from_outside(mark: Path) -> None:
    handle = tasks.deaf_process.delay(str(mark))
    os.kill(began(mark), signal.SIGKILL)
    job = handle.wait("120s")
    assert job.error is not None
    assert (job.state, job.error["type"]) == ("failed", "crash")


def test_what_a_process_started_ends_with_it(mark: Path) -> None:
    handle = tasks.starts_children.delay(str(mark))
    grandchild = began(mark)
    assert is_alive(grandchild)
    handle.cancel()
    assert handle.wait("120s").state == "cancelled"
    until(lambda: not is_alive(grandchild))


def test_a_process_has_a_ceiling_for_its_memory() -> None:
    with pytest.raises(tidemill.JobFailed) as failed:
        tasks.allocate.delay(900).get("120s")
    assert failed.value.error["type"] == "MemoryError"
    assert tasks.allocate.delay(50).get("120s") == 50


def test_processes_are_used_again() -> None:
    first = tasks.pid.delay().get("120s")
    assert first in {tasks.pid.delay().get("120s") for _ in range(8)}
