"""One real server for the whole run, clients of it, and a worker that most tests share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import seed_texts
from running import RunningWorker, began, until
from server import Server

import tidemill

SHARED = "shared"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server."""
    server = Server(tmp_path_factory.mktemp("server"))
    os.environ.update(TIDEMILL_URL=server.url, TIDEMILL_KEY=server.key)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[tidemill.Client]:
    """A client that may do everything."""
    with tidemill.Client(server.url, server.key) as client:
        yield client


@pytest.fixture(scope="session", autouse=True)
def killed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, int] | None:
    """A job whose worker was killed at the beginning, and the process that ran it: its lease ends while other tests run."""
    if not any("killed_worker" in item.name for item in request.session.items):
        return None
    server, client = request.getfixturevalue("server"), request.getfixturevalue("client")
    mark = tmp_path_factory.mktemp("killed") / "mark"
    worker = RunningWorker(server.url, server.worker_key, "tasks", "--queue", "killed")
    until(lambda: any(kind.name == "loop.killed" and kind.max_attempts == 3 for kind in client.workers.kinds()))
    # It says nothing but its args: all else is as the task was declared.
    with psycopg.connect(server.database) as connection:
        job = tidemill.sql.enqueue(connection, "loop.killed", {"mark": str(mark)})
    child = began(mark)
    os.kill(worker.pid, signal.SIGKILL)
    worker.end()
    return job, child


@pytest.fixture
def queue() -> str:
    """A queue of the test's own."""
    return f"q-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def start_worker(server: Server) -> Iterator[Callable[..., RunningWorker]]:
    """Starts workers that end with the test; their key may work and nothing else."""
    started: list[RunningWorker] = []

    def start(app: str, *words: str, folder: Path | None = None) -> RunningWorker:
        more = {} if folder is None else {"folder": folder}
        started.append(RunningWorker(server.url, server.worker_key, app, *words, **more))
        return started[-1]

    yield start
    for worker in started:
        worker.end()


@pytest.fixture(scope="session")
def shared_worker(server: Server) -> Iterator[RunningWorker]:
    """A worker of `apps/tasks.py` on the queue `shared`, for tests that only need their jobs to run."""
    worker = RunningWorker(server.url, server.worker_key, "tasks", "--queue", f"{SHARED}=16")
    yield worker
    worker.end()


@pytest.fixture
def run(server: Server, tmp_path: Path) -> Any:
    """Runs a program in a folder of its own; answers what it printed."""

    def run(*parts: str, at: Server = server, **variables: str) -> str:
        (tmp_path / "program.py").write_text("\n".join([seed_texts.TOOLS, *parts]))
        environment = {**os.environ, "TIDEMILL_URL": at.url, "TIDEMILL_KEY": at.key, **variables}
        done = subprocess.run(
            [sys.executable, "program.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200
        )
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"
        return done.stdout

    return run
