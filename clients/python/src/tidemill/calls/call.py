"""One request of the API as a value: what is sent, how the answer is read, and whether it can be repeated. Both clients
send the same calls, so each route is defined once.
"""

from __future__ import annotations

import itertools
import os
import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import quote

from .. import codec
from ..errors import Problem, problem_of

T = TypeVar("T")

_NOT_NOW = {502, 503, 504}
# A request is not held up for longer than this by what an answer asks for.
_LONGEST_RETRY_AFTER = 2.0
LONGEST_PAUSE = 10.0


class Reply(Protocol):
    """What calls read of an answer: that of httpx, or of the wire."""

    @property
    def status_code(self) -> int: ...

    @property
    def is_success(self) -> bool: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def content(self) -> bytes: ...

    @property
    def text(self) -> str: ...

    @property
    def reason_phrase(self) -> str: ...

    def json(self, **kwargs: Any) -> Any: ...


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request. `repeatable` ones are sent again when no answer came; `wait` is how long the server may hold it (s)."""

    method: str
    path: str
    read: Callable[[Reply], T]
    body: Any = None
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    wait: float = 0.0

    def content(self) -> bytes | None:
        """The body as it is sent."""
        return None if self.body is None else codec.dumps(self.body).encode()


@lru_cache(maxsize=1_000)
def path(*parts: str) -> str:
    """A path below /api/v1, each part quoted."""
    return "/api/v1/" + "/".join(quote(part, safe=":") for part in parts)


# Keys that no other process makes: random once, then numbered.
_process = uuid.uuid4().hex
_numbers = itertools.count()


def _be_another() -> None:
    global _process
    _process = uuid.uuid4().hex


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_be_another)


def keyed(key: str | None) -> dict[str, str]:
    """The header by which a request may be repeated: the caller's key, else a new one."""
    return {"Idempotency-Key": key or f"{_process}-{next(_numbers)}"}


def given(**params: Any) -> dict[str, Any]:
    """The parameters that are not None."""
    return {name: value for name, value in params.items() if value is not None}


def nothing(_: Reply) -> None:
    """Reads an answer without a body."""


def refusal(response: Reply) -> Problem:
    """The problem of an answer; also of a proxy on the way that knows no problem documents."""
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict) or "type" not in document:
        document = {
            "status": response.status_code,
            "title": response.reason_phrase,
            "detail": response.text[:200].strip(),
        }
    try:
        retry_after = float(response.headers.get("Retry-After", ""))
    except ValueError:
        retry_after = None
    return problem_of(document, retry_after)


def pause_before(tries: int, status: int | None, retry_after: float | None) -> float | None:
    """Seconds until the next try after that many, or None if none makes sense.

    `status` is None where no answer came. A queue that is full (429) is the caller's to know.
    """
    if status is not None and status not in _NOT_NOW:
        return None
    return max(growing_pause(tries, 0.2, LONGEST_PAUSE), min(retry_after or 0.0, _LONGEST_RETRY_AFTER))


def retry_after_of(error: Exception) -> float:
    """Seconds for which a server that is too busy (429) asks to be left in peace."""
    return (error.retry_after or 0.0) if isinstance(error, Problem) and error.status == 429 else 0.0


def growing_pause(failures: int, first: float, longest: float) -> float:
    """Seconds to wait after that many failures in a row: longer each time, and never in step with others."""
    return random.uniform(0.5, 1.0) * min(first * 2.0 ** min(failures, 20), longest)
