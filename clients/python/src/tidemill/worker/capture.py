"""Writes the output of a function to its job's log: standard output and error through replaced streams, `logging`
through a handler of the root logger. Output outside of a job goes to the original streams.
"""

from __future__ import annotations

import io
import logging
import sys
from typing import Any, TextIO

from ..context import here

_OWN = "tidemill.worker"


class JobStream(io.TextIOBase):
    """Takes the place of `sys.stdout` or `sys.stderr`."""

    def __init__(self, original: TextIO, name: str) -> None:
        self._original = original
        self._name = name

    def write(self, text: str) -> int:
        """Whole lines go to the job; what is left of one waits for its end."""
        context = here()
        if context is None:
            return self._original.write(text)
        partial: dict[str, str] = context.__dict__.setdefault("partial_lines", {})
        *lines, rest = (partial.get(self._name, "") + text).split("\n")
        partial[self._name] = rest
        if lines:
            context.log("\n".join(lines), self._name)
        return len(text)

    def flush(self) -> None:
        """Flushes what is not a job's."""
        if here() is None:
            self._original.flush()

    def writable(self) -> bool:
        """It is."""
        return True

    def isatty(self) -> bool:
        """As the original, but for jobs."""
        return here() is None and self._original.isatty()

    def fileno(self) -> int:
        """The original's, which is not the job's."""
        return self._original.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The original's."""
        return self._original.encoding

    def __getattr__(self, name: str) -> Any:
        # Such as `buffer`, whose bytes are not the job's, and `reconfigure`.
        return getattr(self._original, name)


def flush_lines(context: Any) -> None:
    """Sends the lines that a job began and did not end."""
    for stream, text in context.__dict__.pop("partial_lines", {}).items():
        if text:
            context.log(text, stream)


class JobHandler(logging.Handler):
    """Sends log records to the job that runs where they are made; the worker's own stay out."""

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: a log line must not end a job."""
        context = here()
        if context is None or record.name.startswith(_OWN):
            return
        try:
            context.log(self.format(record), "logging")
        except Exception:
            self.handleError(record)


def install() -> None:
    """Captures from now on; a second call changes nothing."""
    if isinstance(sys.stdout, JobStream):
        return
    sys.stdout = JobStream(sys.stdout, "stdout")
    sys.stderr = JobStream(sys.stderr, "stderr")
    handler = JobHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
