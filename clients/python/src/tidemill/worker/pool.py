"""The interface between the worker and whatever runs functions, and the link from a function in this process to the
worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ..files.kept import KeptFile
from ..stops import Cancelled
from .attempt import Attempt
from .outbox import GaveUp, Outbox

if TYPE_CHECKING:
    from .endings import Ending


class Finish(Protocol):
    """Called once with an attempt when its function has ended."""

    def __call__(self, attempt: Attempt, ending: Ending) -> None: ...


class Pool(Protocol):
    """Runs functions; every call returns at once."""

    def run(self, attempt: Attempt) -> None:
        """Runs the function, and then calls `Finish`."""

    def stop(self, attempt: Attempt) -> None:
        """The attempt has to stop, for the reason in `attempt.stop`: notifies the function."""

    def force(self, attempt: Attempt) -> None:
        """It did not stop in time: ends it by force, as far as that can be done."""

    def close(self) -> None:
        """The worker ends: nothing runs any more, or nothing that counts."""


class DirectLink:
    """From a function in this process to the outbox."""

    def __init__(self, attempt: Attempt, outbox: Outbox, may_wait: bool) -> None:
        self._attempt = attempt
        self._outbox = outbox
        self._may_wait = may_wait

    def report(self, verb: str, body: dict[str, Any]) -> None:
        """Takes a report; where too many are on the way the caller waits if it may."""
        self._outbox.report(self._attempt, verb, body, may_wait=self._may_wait)

    def ask(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        """Sends after all reports, and waits for the answer."""
        try:
            return ask(self._attempt, self._outbox, verb, body)
        except GaveUp as gone:
            raise Cancelled from gone

    def look(self, what: str) -> list[dict[str, Any]]:
        """The job's steps or signals."""
        try:
            return self._outbox.look(self._attempt, what)
        except GaveUp as gone:
            raise Cancelled from gone

    def keep(self, file: KeptFile) -> dict[str, Any]:
        """Sends a file, and waits until it is stored."""
        try:
            return self._outbox.keep(self._attempt, file)
        except GaveUp as gone:
            raise Cancelled from gone


def ask(attempt: Attempt, outbox: Outbox, verb: str, body: dict[str, Any]) -> dict[str, Any]:
    """Sends something that has an answer, after the attempt's reports. Raises Problem, GaveUp."""
    outbox.drain(attempt)
    answer = outbox.ask(attempt, verb, body)
    if verb == "extend":
        attempt.extended(body["by"])
    return answer
