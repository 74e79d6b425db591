"""The rules of a kind as `PUT /kinds/{kind}` expects them, from Python settings. Must never write a rule that the
caller did not give: the server has its own defaults.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from .backoff import Backoff, declared_backoff
from .duration import Duration, seconds
from .request import written


@dataclass(frozen=True)
class Breaker:
    """After that many crashes, none further than `window` from the next, no job of the kind starts for `pause`."""

    after: int
    window: Duration = "10m"
    pause: Duration = "1m"


class KindRules(TypedDict, total=False):
    """The rules of a kind; all of them are optional.

    - `queue`, `priority`, `max_attempts`, `soft_timeout`, `hard_timeout`, `retain`, `unique`, `concurrency_key`, `fair_key`,
      `expires_in`: for jobs that do not say it themselves, as in `JobOptions`
    - `stop_grace`: how long an attempt may take to stop after it was asked to
    - `backoff`: a `Backoff`, or a duration; a function of the attempt cannot be declared
    - `permanent_errors`: classes of errors, or their names, after which no further attempt is made
    - `breaker`: a `Breaker`, for jobs that crash in a loop
    """

    queue: str
    priority: int | str
    max_attempts: int
    soft_timeout: Duration
    hard_timeout: Duration
    stop_grace: Duration
    backoff: Backoff | Duration
    permanent_errors: Iterable[str | type[BaseException]]
    breaker: Breaker
    retain: Duration
    unique: bool | str | Mapping[str, Any]
    concurrency_key: str | Sequence[str]
    fair_key: str
    expires_in: Duration


RULES = frozenset(KindRules.__annotations__)


def kind_body(rules: Mapping[str, Any]) -> dict[str, Any]:
    """The rules as the API takes them; those that are None are left out.

    Raises TypeError for an unknown rule, ValueError for a duration that is none or a backoff that cannot be declared.
    """
    for name in rules:
        if name not in RULES:
            near = difflib.get_close_matches(name, RULES, 1)
            raise TypeError(f"a kind has no rule {name}" + (f": did you mean {near[0]}?" if near else ""))
    body = {name: _written(name, value) for name, value in rules.items() if value is not None}
    if body.get("unique", True) is False:
        del body["unique"]
    return body


def _written(name: str, value: Any) -> Any:
    if name == "backoff":
        backoff = declared_backoff(value)
        if backoff is None:
            raise ValueError("a backoff can be declared as a duration, or a Backoff with factor >= 1 and jitter 0 to 1")
        return backoff
    if name == "permanent_errors":
        return [error if isinstance(error, str) else error.__name__ for error in value]
    if name == "breaker":
        return {"after": value.after, "window": seconds(value.window), "pause": seconds(value.pause)}
    return written(name, value)
