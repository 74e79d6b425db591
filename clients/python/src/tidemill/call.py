"""One request of the API as a value: what is sent, how the answer is read, and whether it may be sent twice. Both clients
send the same calls, so no route is written down twice.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx

from . import codec
from .errors import Problem, problem_of

T = TypeVar("T")

_NOT_NOW = {502, 503, 504}
# A request is not held up for longer than this by what an answer asks for.
_LONGEST_WISH = 2.0
LONGEST_PAUSE = 10.0


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request. `repeatable` ones are sent again when no answer came; `wait` is how long the server may hold it (s)."""

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    body: Any = None
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    wait: float = 0.0

    def content(self) -> bytes | None:
        """The body as it is sent."""
        return None if self.body is None else codec.dumps(self.body).encode()


def path(*parts: str) -> str:
    """A path below /api/v1, each part quoted."""
    return "/api/v1/" + "/".join(quote(part, safe=":") for part in parts)


def keyed(key: str | None) -> dict[str, str]:
    """The header by which a request may be repeated: the caller's key, else a new one."""
    return {"Idempotency-Key": key or uuid.uuid4().hex}


def given(**params: Any) -> dict[str, Any]:
    """The parameters that are not None."""
    return {name: value for name, value in params.items() if value is not None}


def nothing(_: httpx.Response) -> None:
    """Reads an answer without a body."""


def refusal(response: httpx.Response) -> Problem:
    """The problem that an answer tells; also of a proxy on the way, that knows no problem documents."""
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
    return max(growing_pause(tries, 0.2, LONGEST_PAUSE), min(retry_after or 0.0, _LONGEST_WISH))


def growing_pause(failures: int, first: float, longest: float) -> float:
    """Seconds to wait after that many failures in a row: longer each time, and never in step with others."""
    return random.uniform(0.5, 1.0) * min(first * 2.0 ** min(failures, 20), longest)
