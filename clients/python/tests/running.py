"""Workers as users start them: the command `tidemill-worker`, in a process of its own, with a log that failed tests show."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

APPS = Path(__file__).resolve().parent / "apps"
T = TypeVar("T")


def until(look: Callable[[], T], what: str = "", seconds: float = 120.0) -> T:
    """The first answer of `look` that is true; fails after so long."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or look}; the last answer was {found!r}")
        time.sleep(0.05)


def began(mark: Path) -> int:
    """The process id of a function of `apps/tasks.py`, once it runs."""
    path = mark.with_suffix(".began")
    return int(until(lambda: path.exists() and path.read_text()))


class RunningWorker:
    """A worker that runs."""

    def __init__(
        self, url: str, key: str, app: str, *words: str, folder: Path = APPS, env: dict[str, str] | None = None
    ) -> None:
        self.log = tempfile.NamedTemporaryFile("w+", suffix=".log", delete=False)  # noqa: SIM115
        environment = {**os.environ, "TIDEMILL_URL": url, "TIDEMILL_KEY": key, "PYTHONUNBUFFERED": "1", **(env or {})}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tidemill.worker.cli", app, *words],
            cwd=folder,
            env=environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def output(self) -> str:
        """What it said."""
        return Path(self.log.name).read_text()

    def terminate(self) -> None:
        """Asks it to end."""
        self.process.terminate()

    def wait(self, seconds: float = 60.0) -> int:
        """Waits for its end; answers its exit code."""
        return self.process.wait(seconds)

    def end(self) -> None:
        """Ends it, whatever it does, and says what it said."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        print(self.output())
        os.unlink(self.log.name)


def states(client: Any, ids: list[str]) -> list[str]:
    """The states of jobs."""
    return [client.get(id).state for id in ids]
