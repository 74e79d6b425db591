"""A Celery application of the tests: two settings name Tidemill, the rest is Celery as everybody writes it."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from celery import Celery, Task

URL = os.environ["TIDEMILL_BROKER"]
app = Celery("shop", broker=URL, backend=URL)
app.conf.update(
    worker_hijack_root_logger=False,
    task_default_queue=os.environ.get("TEST_QUEUE", "celery"),
    beat_schedule={
        "each-second": {"task": "celery_app.add", "schedule": timedelta(seconds=1), "args": (20, 22)},
        "nightly": {
            "task": "celery_app.note",
            "schedule": 86_400.0,
            "kwargs": {"text": "night"},
            "options": {"expires": 60},
        },
    },
)
if os.environ.get("TEST_CONSUMER"):
    app.conf.worker_consumer = os.environ["TEST_CONSUMER"]


@app.task
def add(x: int, y: int) -> int:
    """A sum."""
    return x + y


@app.task
def total(numbers: list[int]) -> int:
    """The sum of a chord's parts."""
    return sum(numbers)


@app.task
def echo(*args: Any, **kwargs: Any) -> Any:
    """What it got."""
    return [list(args), kwargs]


@app.task
def note(text: str, path: str | None = None) -> str:
    """Adds a line to a file."""
    if path:
        with open(path, "a") as file:
            file.write(f"{text}\n")
    return text


@app.task(bind=True, max_retries=3)
def flaky(self: Task, times: int) -> list[int]:
    """Fails so often before it succeeds."""
    if self.request.retries < times:
        raise self.retry(countdown=0.1, exc=OSError(f"try {self.request.retries}"))
    return [self.request.retries, times]


@app.task
def fail(text: str) -> None:
    """Fails."""
    raise ValueError(text, 3)


@app.task(bind=True)
def measure(self: Task, path: str) -> str:
    """Reports progress until the file is there."""
    self.update_state(state="PROGRESS", meta={"current": 1, "total": 4, "status": "first part"})
    wait_for(path)
    return "measured"


@app.task
def hold(path: str, seconds: float = 120) -> str:
    """Runs until the file is there."""
    Path(f"{path}.began").write_text(str(os.getpid()))
    wait_for(path, seconds)
    return "held"


@app.task(acks_late=True)
def late(path: str, text: str, seconds: float = 0.0) -> str:
    """A line in a file, by a task that is acknowledged when it has ended."""
    Path(f"{path}.began").write_text(str(os.getpid()))
    time.sleep(seconds)
    with open(path, "a") as file:
        file.write(f"{text}\n")
    return text


@app.task(bind=True)
def replaced(self: Task, x: int) -> Any:
    """Another task takes its place."""
    raise self.replace(add.s(x, 1))


@app.task(soft_time_limit=1)
def slow() -> str:
    """Is stopped by its soft limit."""
    time.sleep(60)
    return "never"


def wait_for(path: str, seconds: float = 120) -> None:
    """Returns once the file is there."""
    until = time.monotonic() + seconds
    while not Path(path).exists() and time.monotonic() < until:
        time.sleep(0.05)
