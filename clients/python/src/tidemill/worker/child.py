"""The process that runs plain functions for the worker, one after the other in its main thread. It ends when the worker
does. Started by `processes.py`, as `python -m tidemill.worker.child FD`.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import tempfile
import threading
from queue import SimpleQueue
from typing import Any

from ..app import App, default_app
from ..context import Context
from ..errors import problem_of
from ..files.kept import KeptFile
from ..stops import Cancelled, SoftTimeout, StopReason
from ..task import Task
from . import capture
from .interrupt import SignalInterrupt
from .load import load
from .messages import Line
from .run import run


class PipeLink:
    """From the function to the worker."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.answers: SimpleQueue[dict[str, Any]] = SimpleQueue()

    def report(self, verb: str, body: dict[str, Any]) -> None:
        """Passes it to the worker, which sends it."""
        self._line.send("report", verb=verb, body=body)

    def ask(self, verb: str, body: dict[str, Any]) -> Any:
        """Asks the worker, and waits."""
        self._line.send("ask", verb=verb, body=body)
        return self._answer()

    def look(self, what: str) -> Any:
        """The job's steps or signals."""
        self._line.send("look", what=what)
        return self._answer()

    def keep(self, file: KeptFile) -> Any:
        """Lets the worker send a file, and waits. What is not in a file yet is put into one meanwhile."""
        with file.open():
            if isinstance(file.content, str):
                return self._keep_at(file.content, file)
        with tempfile.NamedTemporaryFile() as copy:
            copy.write(file.content)
            copy.flush()
            return self._keep_at(copy.name, file)

    def _keep_at(self, path: str, file: KeptFile) -> Any:
        self._line.send("keep", name=file.name, content_type=file.content_type, path=path)
        return self._answer()

    def _answer(self) -> Any:
        answer = self.answers.get()
        if "refused" in answer:
            raise problem_of(answer["refused"], answer["retry_after"])
        if "unread" in answer:
            raise OSError(*answer["unread"])
        if "gone" in answer:
            raise Cancelled
        return answer["value"]


class Child:
    """Hears the worker in a thread, and works in the main one."""

    def __init__(self, line: Line, app: App) -> None:
        self._line = line
        self._app = app
        self._link = PipeLink(line)
        self._work: SimpleQueue[tuple[dict[str, Any], Context]] = SimpleQueue()
        self._interrupt = SignalInterrupt()
        self._context: Context | None = None
        self._lock = threading.Lock()

    def work(self) -> None:
        """Runs what comes; never returns."""
        threading.Thread(target=self._hear, name="tidemill-hear", daemon=True).start()
        while True:
            self._run(*self._work.get())

    def _run(self, order: dict[str, Any], context: Context) -> None:
        task = self._app.tasks.get(context.kind) or task_at(order["path"])
        limit_memory(order["memory"])
        out_of_memory = False

        def guard(function: Any) -> Any:
            nonlocal out_of_memory
            try:
                return self._interrupt.run(function)
            except MemoryError:
                out_of_memory = True
                raise
            finally:
                limit_memory(None)

        ending = run(task, context, guard)
        with self._lock:
            self._context = None
            self._interrupt.clear()
        self._line.send("end", verb=ending.verb, body=ending.body, retire=out_of_memory)

    def _hear(self) -> None:
        try:
            while True:
                word, body = self._line.receive()
                if word == "run":
                    with self._lock:
                        self._context = Context(body["job"], self._link, False)
                    self._work.put((body, self._context))
                elif word == "answer":
                    self._link.answers.put(body)
                elif word == "stop":
                    self._stop(StopReason(body["reason"]), body["lease"])
        except (EOFError, OSError):
            # The worker is gone, and with it the lease: nothing that is done here counts any more.
            os._exit(1)

    def _stop(self, reason: StopReason, lease: str) -> None:
        with self._lock:
            context = self._context
            if context is None or context.job["lease_id"] != lease:
                return
            context.stop(reason)
            if reason is StopReason.SOFT_TIMEOUT:
                self._interrupt.throw(SoftTimeout)


def task_at(path: str) -> Task[..., Any]:
    """The task at `module:name`."""
    module, _, name = path.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if not isinstance(found, Task):
        raise TypeError(f"{path} is not a task")
    return found


def limit_memory(most: int | None) -> None:
    """Lets allocations fail beyond this many bytes; None takes the bound away. Nothing where the system has none."""
    try:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (hard if most is None else most, hard))
    except (ImportError, ValueError, OSError):
        return


def main() -> None:
    """Begins as the worker says, and works."""
    # Ctrl-C reaches the worker, which ends this one in time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = Line(int(sys.argv[1]))
    _, begin = line.receive()
    try:
        logging.basicConfig(level=begin["log_level"], format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        sys.path[:] = begin["path"]
        app = load(begin["app"]) if begin["app"] else default_app
        capture.install()
    except BaseException as error:
        line.send("broken", error=f"{type(error).__name__}: {error}")
        raise
    line.send("ready")
    Child(line, app).work()


if __name__ == "__main__":
    main()
