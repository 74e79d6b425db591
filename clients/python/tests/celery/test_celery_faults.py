"""What Celery on Tidemill promises when something dies: no task is lost, and none that was acknowledged early runs twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from billiard.exceptions import WorkerLostError
from running import until
from server import Server

import tidemill

LONG = 240


def lines(path: Path) -> list[str]:
    """The lines of a file, which may not be there yet."""
    return path.read_text().split() if path.exists() else []


def test_a_worker_that_is_killed_loses_no_task(
    shop: Any, start: Callable[..., Any], queue: str, tmp_path: Path, client: tidemill.Client
) -> None:
    path = tmp_path / "lines"
    worker = start(queue, "-c", "2")
    # One that is acknowledged early holds one of the two processes.
    early = shop.hold.apply_async((str(tmp_path / "never"),), queue=queue)
    until(lambda: any(step.name == "celery.acked" for step in client.steps(f"execution:{early.id}")))
    results = [shop.late.apply_async((str(path), str(n), 0.1), queue=queue) for n in range(30)]
    until(lambda: len(lines(path)) >= 3)
    worker.kill()
    assert len(lines(path)) < 30
    start(queue, "-c", "2")
    assert [result.get(timeout=LONG) for result in results] == [str(n) for n in range(30)]
    assert set(lines(path)) == {str(n) for n in range(30)}
    with pytest.raises(WorkerLostError, match="acknowledged early"):
        early.get(timeout=LONG)
    assert client.get(f"execution:{early.id}").state == "failed"


def test_a_lost_process_of_the_pool(shop: Any, start: Callable[..., Any], queue: str, tmp_path: Path) -> None:
    start(queue, "-c", "1")
    result = shop.hold.apply_async((str(tmp_path / "go"),), queue=queue)
    began = Path(f"{tmp_path / 'go'}.began")
    os.kill(int(until(lambda: began.exists() and began.read_text())), signal.SIGKILL)
    with pytest.raises(WorkerLostError):
        result.get(timeout=LONG)
    assert shop.add.apply_async((1, 1), queue=queue).get(timeout=LONG) == 2


def test_a_server_that_is_killed_loses_no_task(
    shop: Any, start: Callable[..., Any], queue: str, tmp_path: Path, server: Server
) -> None:
    path = tmp_path / "lines"
    start(queue, "-c", "2")
    results = [shop.late.apply_async((str(path), str(n), 0.2), queue=queue) for n in range(20)]
    until(lambda: len(lines(path)) >= 3)
    server.process.kill()
    server.process.wait()
    server.restart()
    assert [result.get(timeout=LONG) for result in results] == [str(n) for n in range(20)]
    assert set(lines(path)) == {str(n) for n in range(20)}


def test_a_lease_is_renewed_for_as_long_as_the_task_runs(
    shop: Any, start: Callable[..., Any], queue: str, tmp_path: Path, client: tidemill.Client
) -> None:
    start(queue, "-c", "1")
    mark = tmp_path / "go"
    result = shop.late.apply_async((str(mark), "once", 34.0), queue=queue)
    assert result.get(timeout=LONG) == "once"
    assert (lines(mark), client.get(f"execution:{result.id}").attempt) == (["once"], 1)


def test_shutdown_hands_back_what_waits(shop: Any, start: Callable[..., Any], queue: str, tmp_path: Path) -> None:
    worker = start(queue, "-c", "1", "--prefetch-multiplier", "10")
    path = tmp_path / "lines"
    results = [shop.late.apply_async((str(path), str(n), 0.4), queue=queue) for n in range(8)]
    until(lambda: lines(path))
    worker.process.terminate()
    assert worker.process.wait(LONG) == 0
    assert len(lines(path)) < 8
    start(queue, "-c", "2")
    assert [result.get(timeout=20) for result in results] == [str(n) for n in range(8)]
    assert len(lines(path)) == 8
