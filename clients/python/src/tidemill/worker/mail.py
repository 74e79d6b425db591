"""The reports of one attempt that are not sent yet. If there are more than the server accepts, lines of one stream are
joined, and only the latest progress is sent; the order of the others is kept.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .endings import Ending

MOST_REPORTS = 1_000
MOST_LINES = 1_000

Report = tuple[str, dict[str, Any]]


class Mail:
    """All of it is read and changed under `changed`, by the outbox."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.ending: Ending | None = None
        # True from the moment that somebody is to send it until nothing is left.
        self.is_on_its_way = False
        self._reports: deque[Report] = deque()
        self._progress: dict[str, Any] | None = None

    @property
    def is_full(self) -> bool:
        """True where who reports should wait."""
        return len(self._reports) >= MOST_REPORTS

    def add(self, verb: str, body: dict[str, Any]) -> None:
        """Takes a report."""
        if verb == "progress":
            if self._progress is not None:
                # What it said before is not sent any more, but for the fields that stand.
                body = {**self._progress, **body}
                self._progress.clear()
            self._progress = body
        self._reports.append((verb, body))

    def next(self) -> Report | None:
        """Takes out what goes next, with what may go along."""
        while self._reports:
            verb, body = self._reports.popleft()
            if not body:
                continue
            if verb == "progress":
                self._progress = None
            if verb == "log":
                self._gather(body)
            return verb, body
        return None

    def _gather(self, body: dict[str, Any]) -> None:
        lines = body["lines"] = list(body["lines"])
        while self._reports:
            verb, following = self._reports[0]
            if following:
                fits = verb == "log" and following["stream"] == body["stream"]
                if not fits or len(lines) + len(following["lines"]) > MOST_LINES:
                    return
                lines.extend(following["lines"])
            self._reports.popleft()

    def clear(self) -> None:
        """Forgets the reports."""
        self._reports.clear()
        self._progress = None
