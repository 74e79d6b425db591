"""The object that `delay()` returns: a job by its id, with the client to reach it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from .async_client import AsyncClient
from .client import Client
from .duration import Duration
from .models import Event, Job


@dataclass(frozen=True)
class Handle:
    """A job that was enqueued, for threads. `job` is how it was then."""

    job: Job
    client: Client = field(repr=False, compare=False)

    @property
    def id(self) -> str:
        """The job's id."""
        return self.job.id

    def get(self, timeout: Duration | None = None) -> Any:
        """What the job brought, once it has. Raises JobFailed, JobCancelled or WaitTimeout."""
        return self.client.result(self.id, timeout)

    def wait(self, timeout: Duration | None = None) -> Job:
        """The job once it has ended, however that was. Raises WaitTimeout."""
        return self.client.wait(self.id, timeout)

    def refresh(self) -> Job:
        """The job as it is now."""
        return self.client.get(self.id)

    def cancel(self, reason: str | None = None) -> Job:
        """Cancels it."""
        return self.client.cancel(self.id, reason)

    def events(self) -> Iterator[Event]:
        """Follows it live to its end."""
        return self.client.events(self.id)


@dataclass(frozen=True)
class AsyncHandle:
    """A job that was enqueued, for asyncio. `job` is how it was then."""

    job: Job
    client: AsyncClient = field(repr=False, compare=False)

    @property
    def id(self) -> str:
        """The job's id."""
        return self.job.id

    async def get(self, timeout: Duration | None = None) -> Any:
        """What the job brought, once it has. Raises JobFailed, JobCancelled or WaitTimeout."""
        return await self.client.result(self.id, timeout)

    async def wait(self, timeout: Duration | None = None) -> Job:
        """The job once it has ended, however that was. Raises WaitTimeout."""
        return await self.client.wait(self.id, timeout)

    async def refresh(self) -> Job:
        """The job as it is now."""
        return await self.client.get(self.id)

    async def cancel(self, reason: str | None = None) -> Job:
        """Cancels it."""
        return await self.client.cancel(self.id, reason)

    def events(self) -> AsyncIterator[Event]:
        """Follows it live to its end."""
        return self.client.events(self.id)
