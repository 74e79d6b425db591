"""Tidemill's included tasks under the names of the older programs: `execute_ai_task.delay(…)` lets a model work in a
browser (docs/agent.md), `run_crawl_session.delay(…)` searches a site for bugs (docs/crawling.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from .. import errors
from ..app import default_app
from ..calls.call import Call, Reply, keyed
from ..client import Client
from ..handle import Handle

__all__ = ["celery_app", "execute_ai_task", "run_crawl_session"]


class _Task:
    @cached_property
    def client(self) -> Client:
        """The server, by TIDEMILL_URL and TIDEMILL_KEY."""
        return default_app.client


class _ExecuteAiTask(_Task):
    def delay(
        self, task_description: str, session_data: Mapping[str, Any] | None = None, execution_id: str | None = None
    ) -> Handle:
        """Enqueues a task for the model; `execution_id` is your own name for it.

        Raises Unavailable where the server has no model, InvalidRequest for a session that no browser takes.
        """
        args = {"task_description": task_description, "session_data": session_data}
        given: Any = {} if execution_id is None else {"execution_id": execution_id}
        return Handle(self.client.enqueue("agent.execute", args, **given), self.client)


class _RunCrawlSession(_Task):
    def delay(self, session_id: str, config: Mapping[str, Any]) -> Handle:
        """Enqueues a crawl and makes its session, both or none; `config` has `base_url`, `max_pages`, `max_depth`."""
        body = {**config, "session_id": session_id}
        call: Call[str] = Call("POST", "/api/crawl/start", _task_id, body, headers=keyed(None), repeatable=False)
        return Handle(self.client.get(self.client.send(call)), self.client)


class _Control(_Task):
    def revoke(self, task_id: str, terminate: bool = False, signal: str = "SIGTERM") -> None:
        """Cancels a task, also one that runs: it is asked to stop, and killed if it does not. One that ended stays so."""
        try:
            self.client.cancel(task_id)
        except errors.Conflict:
            return


class _CeleryApp:
    control = _Control()


def _task_id(answer: Reply) -> str:
    return str(answer.json()["task_id"])


execute_ai_task = _ExecuteAiTask()
run_crawl_session = _RunCrawlSession()
celery_app = _CeleryApp()
