"""The functions of a task manager: the task's name is the kind of its jobs. Must never run a function that a job names
by a path: only functions that this program has registered can run.
"""

from __future__ import annotations

import functools
import inspect
import re
import threading
from collections.abc import Callable
from typing import Any

from ..app import App
from ..task import Task

_NOT_IN_A_KIND = re.compile(r"[^A-Za-z0-9._-]+")


class Functions:
    """Registers functions as tasks of an app."""

    def __init__(self, app: App, queue: str) -> None:
        self.app = app
        self._queue = queue
        self._known: dict[str, Callable[..., Any]] = {}
        self._lock = threading.Lock()

    def register(self, function: Callable[..., Any], name: str | None, **settings: Any) -> Task[..., Any]:
        """The task of a function. Raises ValueError where the name is another function's, or where it cannot be kept."""
        kind = kind_of(function, name)
        check_can_be_kept(function, kind)
        with self._lock:
            known = self._known.get(kind)
            if known is not None and _place(known) != _place(function):
                raise ValueError(f"the name {kind} is that of {_place(known)[1]}: give {_place(function)[1]} another one")
            if known is None:
                self._known[kind] = function
                self.app.add(_plain(function), kind, {"queue": self._queue, **settings})
            return self.app.tasks[kind]


def kind_of(function: Callable[..., Any], name: str | None) -> str:
    """The kind of a name, or of the function's own: letters, digits, '.', '_' and '-', at most 63."""
    text = name or str(getattr(function, "__name__", type(function).__name__))
    kind = _NOT_IN_A_KIND.sub("-", text).strip("-._")[:63]
    if not kind:
        raise ValueError(f"{text!r} names no task: give it a name with a letter or a digit")
    return kind


def check_can_be_kept(function: Callable[..., Any], kind: str) -> None:
    """Raises ValueError for a function with values of its surroundings: another process, or this one later, lacks them."""
    if not callable(function):
        raise TypeError(f"{kind}: {function!r} is not a function")
    free = getattr(getattr(function, "__code__", None), "co_freevars", ())
    if free:
        raise ValueError(f"{kind} takes {', '.join(free)} from where it is defined: give it as an argument instead")


def _place(function: Callable[..., Any]) -> tuple[Any, ...]:
    code = getattr(function, "__code__", None)
    name = f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', function)}"
    return getattr(code, "co_filename", None), name, getattr(code, "co_firstlineno", None)


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """Something with a signature and a name, as `time.sleep` has none, nor has a partial."""
    try:
        inspect.signature(function)
        has_signature = inspect.isfunction(function) or inspect.ismethod(function)
    except ValueError:
        has_signature = False
    if has_signature:
        return function

    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    # Only the names: the signature of the wrapped function is the one that cannot be read.
    functools.update_wrapper(call, function)
    del call.__wrapped__  # type: ignore[attr-defined]
    return call
