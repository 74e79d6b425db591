"""The exceptions by which a function ends without a value: those that it can raise itself, and those that are raised in
it when it has to stop.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from .duration import Duration, seconds
from .errors import TidemillError


class StopReason(IntEnum):
    """Why an attempt has to stop; a higher one takes the place of a lower one."""

    SOFT_TIMEOUT = 1
    SHUTDOWN = 2
    CANCEL = 3
    CONTACT = 4
    HARD_TIMEOUT = 5
    LOST = 6


WORDS = {
    StopReason.SOFT_TIMEOUT: "its soft timeout passed",
    StopReason.SHUTDOWN: "the worker shuts down",
    StopReason.CANCEL: "somebody cancelled the job",
    StopReason.CONTACT: "the worker lost contact to the server",
    StopReason.HARD_TIMEOUT: "its hard timeout passed",
    StopReason.LOST: "its lease is lost: another worker may run the job",
}


class _Seen(BaseException):
    """Where it is raised, the function has seen that it has to stop, also if it catches it."""

    def __init__(self, *args: object) -> None:
        from .context import here

        super().__init__(*args)
        if (context := here()) is not None:
            context.looked = True


class SoftTimeout(_Seen, Exception):
    """Raised in a function whose soft timeout has passed: tidy up and end, before the hard one ends it."""


class Cancelled(_Seen):
    """Raised in a plain function that did not stop by itself in its `stop_grace`, after a cancel, a lost lease or a
    shutdown. No Exception, so that code that retries on errors does not hold it up; let it through.
    """


class Permanent(TidemillError):
    """Raise it where no further attempt can help: the job fails at once."""


class Retry(TidemillError):
    """Raise it for another attempt; this one counts. `after` says when, else the task's backoff."""

    def __init__(self, message: str = "to be tried again", after: Duration | None = None) -> None:
        super().__init__(message)
        self.after = None if after is None else seconds(after)


class Suspend(BaseException):
    """Ends the attempt at no cost, to go on later; `verb` and `body` go to the server. Never catch it."""

    def __init__(self, verb: str, body: dict[str, Any]) -> None:
        super().__init__(verb)
        self.verb = verb
        self.body = body


class Snooze(Suspend):
    """Raise it to run the job again after `delay`, at no cost of an attempt."""

    def __init__(self, delay: Duration) -> None:
        super().__init__("snooze", {"delay": seconds(delay)})
