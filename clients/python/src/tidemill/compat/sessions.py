"""Sessions of crawls by the names that their callers chose: the live progress of each, and its errors. The server
stores the sessions of Tidemill's own crawls; the session of your own crawl is its job, whose `execution_id` is the
session's id.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from .. import errors
from ..app import default_app
from ..calls.call import Call, path
from ..client import Client
from ..context import current
from ..models import Job

_FIRST = {"pages_crawled": 0, "bugs_found": 0}


class SessionManager:
    """Reads sessions, and writes that of the job that runs here. One that has ended is hidden after `ttl`."""

    def __init__(self, client: Client | None = None, *, ttl: timedelta = timedelta(hours=24)) -> None:
        self.client = client or default_app.client
        self.ttl = ttl

    def get_session_state(self, session_id: str) -> dict[str, Any] | None:
        """`status` (queued, starting, running, completed, failed), `pages_crawled`, `bugs_found`, `error` and times; None
        for a session that is not there, or no more.
        """
        try:
            call: Call[dict[str, Any]] = Call("GET", path("sessions", session_id), lambda answer: answer.json())
            return self.client.send(call)
        except errors.NotFound:
            pass
        try:
            job = self.client.get(f"execution:{session_id}")
        except errors.NotFound:
            return None
        if job.finished_at is not None and job.finished_at + self.ttl < datetime.now(timezone.utc):
            return None
        return self._state(session_id, job)

    def update_session_state(self, session_id: str, **fields: Any) -> dict[str, Any]:
        """Sets fields of the session of the job that runs here, as `pages_crawled=7`; answers all that were set.

        Raises ValueError in the job of another session.
        """
        job = current()
        if job.job.get("execution_id") != session_id:
            raise ValueError(f"the job that runs here is not that of the session {session_id}")
        known: dict[str, Any] = job.__dict__.setdefault(
            "session_state", dict((job.job.get("progress") or {}).get("data") or {})
        )
        known.update(fields)
        job.progress(data=known)
        return dict(known)

    def _state(self, session_id: str, job: Job) -> dict[str, Any]:
        told = job.progress.data if job.progress and isinstance(job.progress.data, dict) else {}
        times = [job.created_at, job.started_at, job.finished_at, job.progress.updated_at if job.progress else None]
        updated_at = max(at for at in times if at is not None)
        error = (job.error or {}).get("message") or ("the job was cancelled" if job.state == "cancelled" else None)
        return {
            **_FIRST,
            **told,
            "session_id": session_id,
            "task_id": job.id,
            "status": _status(job),
            "error": None if job.state == "completed" else error,
            "created_at": job.created_at.isoformat(),
            "updated_at": updated_at.isoformat(),
            "expires_at": (updated_at + self.ttl).isoformat(),
        }


def _status(job: Job) -> str:
    if job.is_final:
        return "completed" if job.state == "completed" else "failed"
    if job.state == "running":
        has_told = job.progress is not None and (job.started_at is None or job.progress.updated_at >= job.started_at)
        return "running" if has_told else "starting"
    # One that was tried before runs on after a pause.
    return "running" if job.attempt else "queued"
