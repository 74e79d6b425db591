"""The calls of a job's context that wait for the server, for async functions. The other calls (`progress`, `log`,
`cancelled`) do not wait, and are the same for all functions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .context import _SHORT_SLEEP, Context
from .duration import Duration
from .files.kept import Content
from .stops import Snooze

if TYPE_CHECKING:
    from .task import Task

T = TypeVar("T")


class AsyncContext:
    """As the methods of `Context` of the same names."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def step(self, name: str, work: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """What `work` brings, done once for the job: later attempts get the stored output."""
        is_known, output = await asyncio.to_thread(self._context.known_step, name)
        if is_known:
            return cast(T, output)
        output = await work(*args, **kwargs)
        return cast(T, await asyncio.to_thread(self._context.store_step, name, output))

    async def cursor(self, name: str, default: Any = None) -> Any:
        """What was saved last under that name."""
        return await asyncio.to_thread(self._context.cursor, name, default)

    async def save_cursor(self, name: str, value: Any) -> None:
        """Saves how far it is; the last value counts."""
        await asyncio.to_thread(self._context.save_cursor, name, value)

    async def sleep(self, name: str, duration: Duration) -> None:
        """Sleeps once for the job, over restarts; above a second it holds no slot."""
        left = await asyncio.to_thread(self._context.time_left, name, duration)
        if left > _SHORT_SLEEP:
            raise Snooze(left)
        await asyncio.sleep(max(0.0, left))

    async def signal(self, name: str, timeout: Duration | None = None) -> Any:
        """The payload of a signal to the job; None if it did not come within `timeout`."""
        return await asyncio.to_thread(self._context.signal, name, timeout)

    async def extend(self, by: Duration) -> None:
        """Asks for more time."""
        await asyncio.to_thread(self._context.extend, by)

    async def keep(self, content: Content, name: str | None = None, content_type: str | None = None) -> str:
        """Keeps a file with the job; answers the path under which the API serves it."""
        return await asyncio.to_thread(self._context.keep, content, name, content_type)

    async def spawn(
        self, name: str, kind: str | Task[..., Any], args: Mapping[str, Any] | None = None, **options: Any
    ) -> str:
        """Enqueues a child, once for each name; answers its id."""
        return await asyncio.to_thread(self._context.spawn, name, kind, args, **options)
