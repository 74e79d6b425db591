"""A real Django project on the database of a real server, and a worker that `manage.py` started."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server import Server

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"

import django  # noqa: E402

django.setup()


class Manage:
    """`manage.py` in a process of its own; what it says goes into a file."""

    def __init__(self, server: Server, *words: str, program: tuple[str, ...] = ("manage.py",)) -> None:
        self.log = tempfile.NamedTemporaryFile("w+", suffix=".log", delete=False)  # noqa: SIM115
        environment = {
            **os.environ, "DATABASE_URL": server.database, "TIDEMILL_URL": server.url, "TIDEMILL_KEY": server.worker_key,
            "PYTHONPATH": str(HERE), "PYTHONUNBUFFERED": "1",
        }  # fmt: skip
        command = [sys.executable, *program, *words]
        self.process = subprocess.Popen(
            command, cwd=HERE / "project", env=environment, stdout=self.log, stderr=subprocess.STDOUT
        )

    def output(self) -> str:
        """What it said."""
        return Path(self.log.name).read_text()

    def end(self) -> None:
        """Ends it in order."""
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        print(self.output())


@pytest.fixture(scope="session", autouse=True)
def database(server: Server) -> Iterator[None]:
    """Django's tables beside those of Tidemill."""
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connections
    from project.settings import parts

    settings.DATABASES["default"].update(parts(server.database))
    call_command("migrate", run_syncdb=True, verbosity=0)
    yield
    connections.close_all()


@pytest.fixture(scope="session")
def worker(server: Server, database: None) -> Iterator[Manage]:
    """`manage.py tidemill_worker`, whose key may work and nothing else."""
    running = Manage(server, "tidemill_worker", "--queue", "default=8", "--queue", "slow=4")
    yield running
    running.end()


def finished(result: Any, seconds: float = 120.0) -> Any:
    """The result once it has ended."""
    deadline = time.monotonic() + seconds
    while not result.is_finished:
        assert time.monotonic() < deadline, f"{result} is not finished"
        time.sleep(0.05)
        result.refresh()
    return result
