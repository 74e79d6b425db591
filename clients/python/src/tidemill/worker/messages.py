"""What the worker and its processes say to each other: JSON over a pair of sockets, one message a frame.

To the process: `begin` {app, log_level}, `run` {job, path, memory}, `stop` {reason}, `answer` {value | refused,
retry_after | unread | gone}.
From it: `ready`, `broken` {error}, `report` {verb, body}, `ask` {verb, body}, `look` {what}, `keep` {name, content_type,
path}, `end` {verb, body, retire}.
"""

from __future__ import annotations

import json
import threading
from multiprocessing.connection import Connection
from typing import Any, cast


class Line:
    """One end. Any thread may send; one receives."""

    def __init__(self, file_descriptor: int) -> None:
        self._connection: Connection[Any, Any] = Connection(file_descriptor)
        self._lock = threading.Lock()

    def send(self, word: str, **body: Any) -> None:
        """Sends a message. Raises OSError where the other end is gone."""
        text = json.dumps([word, body], separators=(",", ":")).encode()
        with self._lock:
            self._connection.send_bytes(text)

    def receive(self) -> tuple[str, dict[str, Any]]:
        """The next message. Raises EOFError or OSError where the other end is gone."""
        word, body = json.loads(self._connection.recv_bytes())
        return cast(str, word), cast("dict[str, Any]", body)

    def close(self) -> None:
        """Closes this end."""
        self._connection.close()
