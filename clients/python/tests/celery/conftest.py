"""A real server, real Celery workers in processes of their own, and the application as a client sees it."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from running import APPS, until
from server import Server

import tidemill


class CeleryWorker:
    """`celery worker` as users start it."""

    def __init__(self, queue: str, *words: str, env: dict[str, str] | None = None) -> None:
        self.name = f"w{uuid.uuid4().hex[:8]}@test"
        self.log = Path(tempfile.mkstemp(suffix=".log")[1])
        command = [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "-n", self.name, "-l", "info", "-Q", queue]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, *words],
                cwd=APPS,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "TEST_QUEUE": queue, **(env or {})},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until(lambda: self.process.poll() is not None or " ready." in self.output(), "the worker is ready")
        assert self.process.poll() is None, self.output()

    def output(self) -> str:
        """What it said."""
        return self.log.read_text()

    def kill(self) -> None:
        """Kills it with all its processes."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """Ends it, and says what it said."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        print(self.output())
        self.log.unlink()


@pytest.fixture(scope="session")
def broker(server: Server) -> str:
    """The address of the server as a broker's."""
    address = f"tidemill://:{server.celery_key}@127.0.0.1:{server.port}"
    os.environ["TIDEMILL_BROKER"] = address
    return address


@pytest.fixture(scope="session")
def shop(broker: str) -> Any:
    """The application's module, as a client has it."""
    sys.path.insert(0, str(APPS))
    return importlib.import_module("celery_app")


@pytest.fixture
def start(broker: str) -> Iterator[Callable[..., CeleryWorker]]:
    """Starts workers that end with the test."""
    started: list[CeleryWorker] = []

    def one(*words: Any, **options: Any) -> CeleryWorker:
        started.append(CeleryWorker(*words, **options))
        return started[-1]

    yield one
    for worker in started:
        worker.end()


@pytest.fixture(scope="session")
def worker(broker: str) -> Iterator[CeleryWorker]:
    """A worker with two processes that most tests share, on Celery's own default queue."""
    worker = CeleryWorker("celery", "-c", "2")
    yield worker
    worker.end()


@pytest.fixture
def queue() -> str:
    """A queue of the test's own."""
    return f"q-{uuid.uuid4().hex[:10]}"


@pytest.fixture(scope="session")
def jobs(client: tidemill.Client) -> Callable[[str], tidemill.Job]:
    """The job of a task."""
    return lambda task_id: client.get(f"execution:{task_id}")
