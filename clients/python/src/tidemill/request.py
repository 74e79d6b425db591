"""Builds the body of POST /jobs from Python options. Durations become seconds, times get an offset. An unknown option
is an error here, with the most similar name, and not on the server.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

from .duration import Duration, seconds


class JobOptions(TypedDict, total=False):
    """What a job may have beside its kind and args; all of it is optional.

    - `queue`, `priority` (1 first to 9 last, or `critical`, `high`, `normal`, `low`), `tags`, `metadata`
    - `run_at` (an aware datetime, or RFC 3339) or `delay`; `expires_at` or `expires_in`
    - `max_attempts`, `soft_timeout`, `hard_timeout`, `retain` (how long it is kept after its end)
    - `execution_id`: your own name for it, that no two jobs share
    - `unique`: True (with its kind and args), a key as text, or the fields of the API
    - `concurrency_key`: the limits that it counts for; `fair_key`: its group for fairness
    - `owner`: the user for whom it runs, an id of your application
    - `after`: ids of jobs that it waits for; `run_if`: which ends of these let it run
    """

    queue: str
    priority: int | str
    run_at: datetime | str
    delay: Duration
    max_attempts: int
    soft_timeout: Duration
    hard_timeout: Duration
    execution_id: str
    tags: Sequence[str]
    metadata: Mapping[str, Any]
    retain: Duration
    concurrency_key: str | Sequence[str] | None
    fair_key: str | None
    owner: str
    unique: bool | str | Mapping[str, Any] | None
    expires_at: datetime | str
    expires_in: Duration | None
    after: Sequence[str | Mapping[str, str]]
    run_if: str


_DURATIONS = {"delay", "soft_timeout", "hard_timeout", "stop_grace", "retain", "expires_in"}
_TIMES = {"run_at", "expires_at"}
_LISTS = {"tags", "after"}
# What a job can turn off of its kind, by None.
TURNED_OFF = frozenset({"concurrency_key", "fair_key", "unique", "expires_in"})
OPTIONS = frozenset(JobOptions.__annotations__)


def check_options(options: Mapping[str, Any]) -> None:
    """Raises TypeError for a name that is no option, with what may have been meant."""
    for name in options:
        if name not in OPTIONS:
            near = difflib.get_close_matches(name, OPTIONS, 1)
            meant = f": did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(OPTIONS))}"
            raise TypeError(f"a job has no option {name}{meant}")


def job_body(kind: str, args: Mapping[str, Any] | None = None, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The job as the API takes it; None turns off what its kind says, or is left out where nothing can be turned off.

    Raises TypeError for an unknown option, ValueError for a duration or a time that is none.
    """
    options = options or {}
    check_options(options)
    body: dict[str, Any] = {"kind": kind, "args": dict(args or {})}
    for name, value in options.items():
        if value is not None:
            body[name] = written(name, value)
        elif name in TURNED_OFF:
            body[name] = None
    if body.get("unique", True) is False:
        body["unique"] = None
    return body


def written(name: str, value: Any) -> Any:
    """A value as the API takes it under that name."""
    if name in _DURATIONS:
        return seconds(value)
    if name in _TIMES:
        return time_text(value, name)
    if name in _LISTS:
        if isinstance(value, str):
            raise TypeError(f"{name} is a list: write [{value!r}]")
        return list(value)
    if name == "concurrency_key" and not isinstance(value, str):
        return list(value)
    if name == "unique":
        return unique_body(value)
    return value


def time_text(value: datetime | str, name: str) -> str:
    """A time with its offset; raises ValueError for a naive datetime."""
    if isinstance(value, str):
        return value
    if value.tzinfo is None:
        raise ValueError(f"{name} has no time zone: give an aware datetime, as datetime.now(timezone.utc) is")
    return value.isoformat()


def unique_body(value: bool | str | Mapping[str, Any]) -> Any:
    """What makes a job unique: True for the kind and args, a text for a key of its own, or the API's fields."""
    if value is True:
        return {}
    if value is False:
        return False
    if isinstance(value, str):
        return {"key": value}
    # In whole seconds, as text that the API and SQL's intervals both read.
    return {
        name: f"{round(seconds(part))} seconds" if name in ("window", "period") else part for name, part in value.items()
    }
