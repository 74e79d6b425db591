"""Tidemill: durable background jobs on Postgres. A client for threads and one for asyncio, jobs enqueued in your own
transaction (`tidemill.sql`), tasks, and the worker that runs them (`tidemill-worker`).
"""

from . import errors, sql
from .app import App, default_app, task
from .async_client import AsyncClient
from .backoff import Backoff
from .client import Client
from .context import Context, current
from .errors import JobCancelled, JobFailed, Problem, TidemillError, WaitTimeout
from .handle import AsyncHandle, Handle
from .kind_rules import Breaker
from .models import Event, Job, JobFile
from .stops import Cancelled, Permanent, Retry, Snooze, SoftTimeout, StopReason
from .task import Task

__all__ = [
    "App",
    "AsyncClient",
    "AsyncHandle",
    "Backoff",
    "Breaker",
    "Cancelled",
    "Client",
    "Context",
    "Event",
    "Handle",
    "Job",
    "JobCancelled",
    "JobFailed",
    "JobFile",
    "Permanent",
    "Problem",
    "Retry",
    "Snooze",
    "SoftTimeout",
    "StopReason",
    "Task",
    "TidemillError",
    "WaitTimeout",
    "current",
    "default_app",
    "errors",
    "sql",
    "task",
]
