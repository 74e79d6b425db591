"""What becomes of a task whose process or whole worker is killed while it runs: with late and with early acknowledgement,
and with Celery's settings for lost workers. Whatever a worker says after its lease was lost must not count.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from billiard.exceptions import WorkerLostError
from celery import chord
from running import until

import tidemill

LONG = 240


def lines(path: Path) -> list[str]:
    """The lines of a file, which may not be there yet."""
    return path.read_text().split() if path.exists() else []


def test_a_killed_process_costs_a_task_what_its_settings_say(
    shop: Any, start: Callable[..., Any], queue: str, tmp_path: Path, client: tidemill.Client
) -> None:
    start(queue, "-c", "1")

    def run(task: Any, times: int) -> tuple[Any, Path]:
        path = tmp_path / task.name
        return task.apply_async((str(path), times), queue=queue), path

    for task in (shop.die_early, shop.die_late):
        result, path = run(task, 1)
        with pytest.raises(WorkerLostError):
            result.get(timeout=LONG)
        assert (lines(path), client.get(f"execution:{result.id}").state) == (["0,False"], "failed")
    result, path = run(shop.die_again, 2)
    # Delivered again; a retry is another thing.
    assert result.get(timeout=LONG) == ["0,False", "0,True", "0,True"]
    assert client.get(f"execution:{result.id}").attempt == 3
    result, path = run(shop.die_retried, 2)
    assert [line.split(",")[0] for line in result.get(timeout=LONG)] == ["0", "1", "2"]
    result, path = run(shop.die_retried, 9)
    with pytest.raises(WorkerLostError):
        result.get(timeout=LONG)


def test_what_hangs_on_a_task_that_was_acknowledged_early_hears_of_its_killed_worker(
    shop: Any, start: Callable[..., Any], queue: str, tmp_path: Path, client: tidemill.Client
) -> None:
    worker = start(queue, "-c", "3")
    told, marks = tmp_path / "told", [tmp_path / name for name in ("alone", "part", "retried")]
    alone = shop.hold.apply_async(
        (str(marks[0]),), queue=queue, link_error=shop.note.si("alone", str(told)).set(queue=queue)
    )
    part = shop.hold.si(str(marks[1])).set(queue=queue)
    body = chord([part, shop.add.si(1, 1).set(queue=queue)], shop.total.s().set(queue=queue)).apply_async()
    retried = shop.hold_retried.apply_async((str(marks[2]),), queue=queue)
    held = [alone.id, body.parent.results[0].id, retried.id]

    def are_acked() -> bool:
        return all(any(step.name == "celery.acked" for step in client.steps(f"execution:{one}")) for one in held)

    until(are_acked, "the acknowledgements are written down")
    processes = [Path(f"{mark}.began").read_text() for mark in marks]
    worker.kill()
    start(queue, "-c", "2")
    with pytest.raises(WorkerLostError, match="acknowledged early"):
        alone.get(timeout=LONG)
    until(lambda: lines(told) == ["alone"], "its error callback runs")
    with pytest.raises(Exception, match="acknowledged early"):
        body.get(timeout=LONG)
    # task_retry_on_worker_lost counts for the whole worker as well.
    assert retried.get(timeout=LONG) == 1
    assert [Path(f"{mark}.began").read_text() == process for mark, process in zip(marks, processes, strict=True)] == [
        True,
        True,
        False,
    ]


def test_a_late_word_of_a_worker_that_was_cut_off_does_not_count(
    shop: Any, start: Callable[..., Any], queue: str, tmp_path: Path, client: tidemill.Client
) -> None:
    path = tmp_path / "lines"
    first = start(queue, "-c", "1")
    result = shop.late.apply_async((str(path), "here", 3.0), queue=queue)
    until(Path(f"{path}.began").exists)
    os.killpg(first.process.pid, signal.SIGSTOP)
    start(queue, "-c", "1")
    assert result.get(timeout=LONG) == "here"
    assert client.get(f"execution:{result.id}").attempt == 2
    os.killpg(first.process.pid, signal.SIGCONT)
    until(lambda: len(lines(path)) == 2, "it goes on where it was stopped")
    until(lambda: "is lost" in first.output(), "it hears that its lease is lost")
    job = client.get(f"execution:{result.id}")
    assert (job.attempt, job.state) == (2, "completed")
    ends = [event for event in client.events(job.id) if event.type == "completed"]
    assert len(ends) == 1


def test_each_early_acknowledgement_can_be_written_down_as_its_task_begins(
    shop: Any, start: Callable[..., Any], queue: str, client: tidemill.Client
) -> None:
    start(queue, "-c", "1", env={"TEST_EARLY_ACK_AFTER": "0"})
    for _ in range(5):
        shop.nap.apply_async((0.02,), queue=queue).get(timeout=LONG)

    def is_marked() -> bool:
        result = shop.nap.apply_async((0.05,), queue=queue)
        result.get(timeout=LONG)
        return any(step.name == "celery.acked" for step in client.steps(f"execution:{result.id}"))

    assert any(is_marked() for _ in range(50))
