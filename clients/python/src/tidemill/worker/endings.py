"""The end of an attempt: the request to the server for a value, for an exception, and for a function that had to stop.
A requested stop is not a success: a function that only returns because of it ends as stopped.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import codec
from ..backoff import delay_after
from ..context import Context
from ..signature import BadArgs
from ..stops import WORDS, Cancelled, Permanent, Retry, StopReason, Suspend
from ..task import TaskSettings

BACKTRACE_CHARACTERS = 16_000


@dataclass(frozen=True)
class Ending:
    """The verb of the API, `complete`, `fail`, `snooze` or `wait`, and its body; `drop` sends nothing."""

    verb: str
    body: dict[str, Any] = field(default_factory=dict)


HAND_BACK = Ending("snooze", {"delay": 0})


def failure(
    kind: str, message: str, *, permanent: bool = False, backtrace: str | None = None, retry_after: float | None = None
) -> Ending:
    """A failed attempt."""
    error = {"type": kind, "message": message or kind}
    if backtrace:
        error["backtrace"] = backtrace[-BACKTRACE_CHARACTERS:]
    body: dict[str, Any] = {"error": error, "permanent": permanent}
    if retry_after is not None and not permanent:
        body["retry_after"] = retry_after
    return Ending("fail", body)


def stopped(reason: StopReason, settings: TaskSettings, attempt: int) -> Ending:
    """The end of an attempt that stopped because it was asked to."""
    if reason is StopReason.LOST:
        return Ending("drop")
    if reason in (StopReason.SHUTDOWN, StopReason.CONTACT):
        return HAND_BACK
    if reason is StopReason.CANCEL:
        # Without a result the server takes it for what was asked.
        return Ending("complete")
    return failure("timeout", f"timed out: {WORDS[reason]}", retry_after=_delay(settings, attempt))


def of_value(value: Any, context: Context, settings: TaskSettings) -> Ending:
    """The end of a function that returned."""
    reason = context.asked_to_stop
    if reason is StopReason.LOST:
        return Ending("drop")
    if value is None and context.looked:
        # It may have returned because it saw a stop: the server judges, or the stop that only the worker knows of.
        return Ending("complete") if reason is None else stopped(reason, settings, context.attempt)
    try:
        return Ending("complete", {"result": codec.encode(value)})
    except (TypeError, ValueError, RecursionError) as error:
        return failure("bad_result", f"the result cannot be sent: {error}", permanent=True)


def of_error(error: BaseException, context: Context, settings: TaskSettings) -> Ending:
    """The end of a function that raised."""
    reason = context.asked_to_stop
    if reason is StopReason.LOST:
        return Ending("drop")
    if isinstance(error, Suspend):
        return Ending(error.verb, error.body)
    permanent = isinstance(error, (Permanent, BadArgs, *settings.permanent))
    if reason is not None and not (permanent and reason is StopReason.SOFT_TIMEOUT):
        return stopped(reason, settings, context.attempt)
    after = error.after if isinstance(error, Retry) else None
    return failure(
        _class_of(error, settings),
        str(error) or ("it stopped by itself" if isinstance(error, Cancelled) else ""),
        permanent=permanent,
        backtrace=None if isinstance(error, (Retry, BadArgs)) else backtrace_of(error),
        retry_after=_delay(settings, context.attempt) if after is None else after,
    )


def _class_of(error: BaseException, settings: TaskSettings) -> str:
    if isinstance(error, BadArgs):
        return "bad_args"
    return type(error).__name__ if settings.error_type is None else settings.error_type(error)


def _delay(settings: TaskSettings, attempt: int) -> float | None:
    try:
        return delay_after(settings.backoff, attempt)
    except Exception:
        # A backoff of the user's own that fails must not keep the failure from being reported.
        return None


def backtrace_of(error: BaseException) -> str:
    """The trace of an exception, without the frames of this package above the function's."""
    trace = error.__traceback__
    while trace is not None and "/tidemill/worker/" in trace.tb_frame.f_code.co_filename and trace.tb_next:
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))


def died(code: int | None, reason: StopReason | None, settings: TaskSettings, job: Mapping[str, Any]) -> Ending:
    """The end of an attempt whose process died; `code` is its exit code, negative for a signal."""
    if reason is not None:
        return stopped(reason, settings, job["attempt"])
    what = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    return failure("crash", f"its process died with {what}", retry_after=_delay(settings, job["attempt"]))
