"""A task's function called directly, as in a test: `current()` is there, reports go nowhere, steps last for the call, and
nothing asks it to stop. Speaks to no server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .context import Context, enter, here, leave

if TYPE_CHECKING:
    from .task import Task


class LocalLink:
    """Keeps what is said in `reports`."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, dict[str, Any]]] = []
        self._steps: dict[str, Any] = {}

    def report(self, verb: str, body: dict[str, Any]) -> None:
        """Keeps it."""
        self.reports.append((verb, body))

    def ask(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        """Keeps a step; more time is given always. Raises RuntimeError for a child."""
        if verb == "children":
            raise RuntimeError("spawn needs a worker: here nothing would run the child")
        if verb != "step":
            return {}
        if body.get("replace"):
            self._steps[body["name"]] = body["output"]
        return {"output": self._steps.setdefault(body["name"], body["output"])}

    def look(self, what: str) -> list[dict[str, Any]]:
        """The steps of this call; there are no signals."""
        return [{"name": name, "output": output} for name, output in self._steps.items()] if what == "steps" else []


def local_context(task: Task[..., Any]) -> Context:
    """The context of a call without a worker."""
    job: Mapping[str, Any] = {
        "id": "local",
        "kind": task.kind,
        "queue": "local",
        "attempt": 1,
        "max_attempts": 1,
        "args": {},
    }
    return Context(job, LocalLink(), task.is_async)


def call_here(task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Calls the function, in the job that runs here, else in a local one."""
    function: Callable[..., Any] = task.function
    if here() is not None:
        return function(*args, **kwargs)
    if task.is_async:
        return _await_here(task, args, kwargs)
    token = enter(local_context(task))
    try:
        return function(*args, **kwargs)
    finally:
        leave(token)


async def _await_here(task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    token = enter(local_context(task))
    try:
        return await task.function(*args, **kwargs)
    finally:
        leave(token)
