"""A Celery application of the tests: two settings name Tidemill, the rest is Celery as everybody writes it."""

from __future__ import annotations

import os
import signal
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
if os.environ.get("TEST_NO_SCHEDULE"):
    app.conf.beat_schedule = {}
if os.environ.get("TEST_EARLY_ACK_AFTER"):
    app.conf.broker_transport_options = {"early_ack_after": float(os.environ["TEST_EARLY_ACK_AFTER"])}
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


def die(self: Task, path: str, times: int) -> list[str]:
    """Kills its process so often; adds a line to a file each time that it runs."""
    with open(path, "a") as file:
        file.write(f"{self.request.retries},{bool(self.request.delivery_info.get('redelivered'))}\n")
    lines = Path(path).read_text().split()
    if len(lines) <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return lines


die_early = app.task(bind=True, name="celery_app.die_early")(die)
die_late = app.task(bind=True, name="celery_app.die_late", acks_late=True)(die)
die_again = app.task(bind=True, name="celery_app.die_again", acks_late=True, reject_on_worker_lost=True)(die)
die_retried = app.task(
    bind=True, name="celery_app.die_retried", retry_on_worker_lost=True, max_retries=2, default_retry_delay=0.1
)(die)


@app.task(bind=True, retry_on_worker_lost=True, max_retries=1, default_retry_delay=0.1)
def hold_retried(self: Task, path: str) -> int:
    """As `hold`, and once more if its worker dies."""
    Path(f"{path}.began").write_text(str(os.getpid()))
    if not self.request.retries:
        wait_for(path)
    return int(self.request.retries)


@app.task
def nap(seconds: float) -> None:
    """Sleeps."""
    time.sleep(seconds)


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
