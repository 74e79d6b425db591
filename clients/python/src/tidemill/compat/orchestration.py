"""An orchestrator: a request passes through phases one after the other; each phase is a job that waits for the previous
one. The phases are functions of the program, `@phase("plan")`; each receives the request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .background import BackgroundTaskManager, get_task_manager
from .background_task import TaskStatus

_phases: dict[str, Callable[..., Any]] = {}


def phase(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a function a phase of every orchestrator, in the order of their definition."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        _phases[name] = function
        return function

    return add


class Orchestrator:
    """Runs requests, here or as a workflow in the background."""

    def __init__(self, use_background_processing: bool = False, manager: BackgroundTaskManager | None = None) -> None:
        self.use_background_processing = use_background_processing
        self._manager = manager

    @property
    def manager(self) -> BackgroundTaskManager:
        """What the phases are submitted to."""
        return self._manager or get_task_manager()

    def execute(self, request: str, use_background: bool | None = None) -> list[Any]:
        """Runs all phases here and answers what they brought, or answers the ids of their tasks."""
        if not _phases:
            raise RuntimeError("there are no phases: define some with @tidemill.compat.orchestration.phase('plan')")
        if not (self.use_background_processing if use_background is None else use_background):
            return [function(request) for function in _phases.values()]
        jobs: list[dict[str, Any]] = []
        for name, function in _phases.items():
            after = [jobs[-1]["name"]] if jobs else []
            jobs.append({"name": name, "after": after, **self.manager.job(function, request, name=name)})
        made = self.manager.client.workflows.create(name="orchestrator", jobs=jobs)
        members = self.manager.client.workflows.get(made.id).jobs
        ids = {member.name: member.id for member in members}
        return [ids[name] for name in _phases]

    def get_background_task_status(self, task_id: str) -> TaskStatus:
        """How a phase stands."""
        return self.manager.get_task_status(task_id)
