"""The context of a task's function that is called directly, as in a test: `current()` works, reports and files are
discarded, steps are kept during the call, and nothing requests a stop. Never calls a server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .context import Context, enter, here, leave
from .files.kept import KeptFile, size_of

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

    def keep(self, file: KeptFile) -> dict[str, Any]:
        """Keeps the name and the size. Raises OSError for a file that cannot be read."""
        with file.open() as content:
            size = size_of(content)
        self.reports.append(("keep", {"name": file.name, "content_type": file.content_type, "bytes": size}))
        return {"href": f"/api/v1/jobs/local/artifacts/{file.name}"}


@contextmanager
def at_hand(kind: str, is_async: bool) -> Iterator[None]:
    """Gives a call without a worker a job to speak to; one that runs in a job keeps that."""
    if here() is not None:
        yield
        return
    job: Mapping[str, Any] = {
        "id": "local",
        "kind": kind,
        "queue": "local",
        "attempt": 1,
        "max_attempts": 1,
        "args": {},
    }
    token = enter(Context(job, LocalLink(), is_async))
    try:
        yield
    finally:
        leave(token)


def call_here(task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Calls the function, in the job that runs here, else in a local one."""
    function: Callable[..., Any] = task.function
    if task.is_async:
        return _await_here(task, args, kwargs)
    with at_hand(task.kind, False):
        return function(*args, **kwargs)


async def _await_here(task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    with at_hand(task.kind, True):
        return await task.function(*args, **kwargs)
