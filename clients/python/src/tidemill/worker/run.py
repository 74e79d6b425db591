"""Runs a task's plain function in its job's context and returns how the attempt ended. The same in a thread of the
worker and in a separate process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import codec
from ..context import Context, enter, leave
from ..task import Task
from .capture import flush_lines
from .endings import Ending, of_error, of_value


def run(task: Task[..., Any], context: Context, guard: Callable[[Callable[[], Any]], Any]) -> Ending:
    """The end of one attempt; `guard` calls the function where an interrupt reaches it. Raises nothing."""
    token = enter(context)
    try:
        try:
            args, kwargs = task.signature.to_call(codec.decode(context.job["args"]))
            value = guard(lambda: task.function(*args, **kwargs))
        except BaseException as error:
            ending = of_error(error, context, task.settings)
        else:
            ending = of_value(value, context, task.settings)
        flush_lines(context)
        return ending
    finally:
        leave(token)
