"""Restarts the worker whenever a Python file changes, for development. The worker gets SIGTERM, so it hands its jobs
back.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence


def run_with_reload(arguments: Sequence[str]) -> int:
    """Until a signal ends it; answers the exit code."""
    try:
        from watchfiles import PythonFilter, watch
    except ImportError:
        sys.stderr.write("--reload needs watchfiles: pip install 'tidemill[reload]'\n")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    command = [sys.executable, "-m", "tidemill.worker.cli", *arguments, "--grace", "1s"]
    worker = subprocess.Popen(command, start_new_session=True)
    try:
        for _ in watch(os.getcwd(), watch_filter=PythonFilter(), raise_interrupt=True):
            sys.stderr.write("a file changed; the worker restarts\n")
            _end(worker)
            worker = subprocess.Popen(command, start_new_session=True)
    except KeyboardInterrupt:
        pass
    _end(worker)
    return 0


def _end(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    try:
        worker.wait(30.0)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
