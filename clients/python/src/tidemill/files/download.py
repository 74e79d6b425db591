"""Downloads a job's files in pieces, to the caller or to a path. Must never hold a whole file in memory, nor leave an
incomplete file at the path.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from ..calls.call import path, pause_before, refusal
from ..errors import TidemillError
from ..transport import TRIES, AsyncTransport, Transport, unreachable

PathLike = str | os.PathLike[str]


class _Opening:
    """The tries to open a file: what each asks for, and how long to wait before the next."""

    def __init__(self, transport: Transport | AsyncTransport, job: str, name: str) -> None:
        self.settings = transport.settings
        self.path = path("jobs", job, "artifacts", name)
        self._tries = 0

    @property
    def timeout(self) -> httpx.Timeout:
        return httpx.Timeout(self.settings.timeout, connect=min(10.0, self.settings.timeout))

    def pause(self, failure: TidemillError, response: httpx.Response | None = None) -> float:
        """Seconds until the next try. Raises the failure where there is none."""
        self._tries += 1
        status = None if response is None else response.status_code
        pause = pause_before(self._tries, status, getattr(failure, "retry_after", None))
        if pause is None or self._tries >= TRIES:
            raise failure
        return pause


def pieces(transport: Transport, job: str, name: str) -> Iterator[bytes]:
    """The bytes of a file in their order. Raises Problem for a refusal, ConnectionFailed where the file ends too early."""
    opening = _Opening(transport, job, name)
    while True:
        began = False
        try:
            with transport.http.stream("GET", opening.path, timeout=opening.timeout) as response:
                if response.is_success:
                    began = True
                    yield from response.iter_bytes()
                    return
                response.read()
            pause = opening.pause(refusal(response), response)
        except httpx.TransportError as error:
            failure = unreachable(opening.settings, error)
            if began:
                raise failure from error
            failure.__cause__ = error
            pause = opening.pause(failure)
        time.sleep(pause)


async def pieces_async(transport: AsyncTransport, job: str, name: str) -> AsyncIterator[bytes]:
    """The bytes of a file in their order. Raises Problem for a refusal, ConnectionFailed where the file ends too early."""
    opening = _Opening(transport, job, name)
    while True:
        began = False
        try:
            async with transport.http.stream("GET", opening.path, timeout=opening.timeout) as response:
                if response.is_success:
                    began = True
                    async for piece in response.aiter_bytes():
                        yield piece
                    return
                await response.aread()
            pause = opening.pause(refusal(response), response)
        except httpx.TransportError as error:
            failure = unreachable(opening.settings, error)
            if began:
                raise failure from error
            failure.__cause__ = error
            pause = opening.pause(failure)
        await asyncio.sleep(pause)


def download(transport: Transport, job: str, name: str, to: PathLike) -> Path:
    """Writes a file to a path, or into a folder under its own name; whole, or not at all."""
    target = _target(name, to)
    with _beside(target) as part:
        with open(part, "xb") as file:
            for piece in pieces(transport, job, name):
                file.write(piece)
        os.replace(part, target)
    return target


async def download_async(transport: AsyncTransport, job: str, name: str, to: PathLike) -> Path:
    """Writes a file to a path, or into a folder under its own name; whole, or not at all."""
    target = await asyncio.to_thread(_target, name, to)
    with _beside(target) as part:
        file = await asyncio.to_thread(open, part, "xb")
        try:
            async for piece in pieces_async(transport, job, name):
                await asyncio.to_thread(file.write, piece)
        finally:
            await asyncio.to_thread(file.close)
        await asyncio.to_thread(os.replace, part, target)
    return target


def _target(name: str, to: PathLike) -> Path:
    to = Path(to)
    if not to.is_dir():
        return to
    # The server has no such names; a folder must not be left by one that was made up.
    if not name or name.startswith(".") or "/" in name or os.sep in name:
        raise ValueError(f"{name!r} is not the name of a file: use one that files(job) lists")
    return to / name


def _part(target: Path) -> Path:
    return target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex}.part")


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A path for what is not whole yet, in the same folder; nothing is there afterwards."""
    part = _part(target)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)
