"""Runs plain functions in separate processes, one at a time in each: for CPU-bound functions, and for functions that
may crash. The death of a process affects only its attempt; a process that does not stop is killed, with all processes
that it started.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import Any

from ..errors import Problem
from ..files.kept import KeptFile
from ..stops import StopReason
from .attempt import Attempt
from .endings import Ending, died, failure
from .messages import Line
from .outbox import GaveUp, Outbox
from .pool import Finish, ask

log = logging.getLogger("tidemill.worker")


class ProcessPool:
    """As many processes as attempts run; idle ones are used again."""

    def __init__(self, outbox: Outbox, finish: Finish, app: str | None, max_tasks_per_child: int | None) -> None:
        self._outbox = outbox
        self._finish = finish
        self._app = app
        self._most_runs = max_tasks_per_child
        self._lock = threading.Lock()
        self._idle: list[Process] = []
        self._busy: dict[str, Process] = {}
        self._closed = False

    def run(self, attempt: Attempt) -> None:
        """Gives it to an idle process, else to a new one."""
        with self._lock:
            process = self._idle.pop() if self._idle else None
        if process is None:
            process = Process(self._app, self._take, self._gone)
        with self._lock:
            self._busy[attempt.lease_id] = process
        process.run(attempt)

    def stop(self, attempt: Attempt) -> None:
        """Notifies the function; at the hard timeout, and where the lease is lost, kills its process."""
        process = self._busy.get(attempt.lease_id)
        if process is None or attempt.stop is None:
            return
        if attempt.stop >= StopReason.CONTACT:
            process.kill()
        else:
            process.tell("stop", reason=int(attempt.stop), lease=attempt.lease_id)

    def force(self, attempt: Attempt) -> None:
        """Kills its process."""
        process = self._busy.get(attempt.lease_id)
        if process is not None:
            process.kill()

    def close(self) -> None:
        """Kills all processes."""
        with self._lock:
            self._closed = True
            processes = [*self._idle, *self._busy.values()]
        for process in processes:
            process.kill()

    def _take(self, process: Process, attempt: Attempt, word: str, body: dict[str, Any]) -> None:
        """What a process said of its attempt."""
        if word == "report":
            self._outbox.report(attempt, body["verb"], body["body"], may_wait=True)
        elif word in ("ask", "look", "keep"):
            process.tell("answer", **self._answer(attempt, word, body))
        elif word == "end":
            self._ended(process, attempt, Ending(body["verb"], body["body"]), bool(body["retire"]))
        elif word == "broken":
            text = f"its process could not be started: {body['error']}"
            self._ended(process, attempt, failure("worker_broken", text), True)

    def _answer(self, attempt: Attempt, word: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            if word == "look":
                return {"value": self._outbox.look(attempt, body["what"])}
            if word == "keep":
                file = KeptFile(body["name"], body["content_type"], body["path"])
                return {"value": self._outbox.keep(attempt, file)}
            return {"value": ask(attempt, self._outbox, body["verb"], body["body"])}
        except Problem as problem:
            return {"refused": problem.document, "retry_after": problem.retry_after}
        except OSError as error:
            return {"unread": [error.errno, error.strerror, error.filename]}
        except GaveUp:
            return {"gone": True}

    def _ended(self, process: Process, attempt: Attempt, ending: Ending, retire: bool) -> None:
        is_old = self._most_runs is not None and process.runs >= self._most_runs
        with self._lock:
            if self._busy.pop(attempt.lease_id, None) is None:
                return
            process.attempt = None
            retire = retire or is_old or self._closed
            if not retire:
                self._idle.append(process)
        if retire:
            process.kill()
        self._finish(attempt, ending)
        attempt.queue_slots.released(attempt)

    def _gone(self, process: Process, code: int | None) -> None:
        with self._lock:
            if process in self._idle:
                self._idle.remove(process)
        attempt = process.attempt
        if attempt is not None:
            log.warning("the process %s of the job %s died with code %s", process.pid, attempt.id, code)
            self._ended(process, attempt, died(code, attempt.stop, attempt.task.settings, attempt.job), True)


class Process:
    """One process. `take` is called with what it says, `gone` once when it is dead; both from its thread."""

    def __init__(self, app: str | None, take: Any, gone: Any) -> None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "tidemill.worker.child", str(theirs.fileno())]
        # A group of its own, so that what it starts can be ended with it.
        self._popen = subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=True)
        theirs.close()
        self._line = Line(ours.detach())
        self._take = take
        self._gone = gone
        self.pid = self._popen.pid
        self.runs = 0
        self.attempt: Attempt | None = None
        self._lock = threading.Lock()
        self._is_dead = False
        self.tell("begin", app=app, path=sys.path, log_level=logging.getLogger().getEffectiveLevel())
        threading.Thread(target=self._hear, name=f"tidemill-process-{self.pid}", daemon=True).start()

    def run(self, attempt: Attempt) -> None:
        """Lets it run the attempt's function."""
        self.attempt = attempt
        self.runs += 1
        path = f"{attempt.task.function.__module__}:{attempt.task.function.__qualname__}"
        self.tell("run", job=attempt.job, path=path, memory=attempt.task.settings.memory)
        if attempt.stop is not None:
            self.tell("stop", reason=int(attempt.stop), lease=attempt.lease_id)

    def tell(self, word: str, **body: Any) -> None:
        """Sends it a message; one that is dead hears nothing."""
        try:
            self._line.send(word, **body)
        except (OSError, ValueError):
            return

    def kill(self) -> None:
        """Kills it with its group."""
        with self._lock:
            # Its number may be another's once it was waited for.
            if self._is_dead:
                return
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                return

    def _hear(self) -> None:
        try:
            while True:
                word, body = self._line.receive()
                attempt = self.attempt
                if attempt is not None and word != "ready":
                    self._take(self, attempt, word, body)
        except (EOFError, OSError):
            pass
        self.kill()
        with self._lock:
            code = self._popen.wait()
            self._is_dead = True
        self._gone(self, code)
        self._line.close()
