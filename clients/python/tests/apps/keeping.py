"""Tasks that keep files with their jobs."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from tidemill import current, task

QUEUE = {"queue": "keep"}


def keep_all(keep: Any, folder: str) -> list[str]:
    """Keeps a report and bytes, and what is refused; answers the addresses, and the exceptions by name."""
    report = Path(folder) / "report.csv"
    report.write_text("a;b")
    (Path(folder) / "large.bin").write_bytes(b"x" * (6 << 20))
    (Path(folder) / "too-large.bin").write_bytes(b"x" * ((8 << 20) + 1))
    kept = [keep(report), keep(b"\xff\x00", name="data.bin"), keep(str(report), "r.txt", "text/plain")]
    kept += [keep(os.path.join(folder, "large.bin"))]
    for content, name in ((f"{folder}/too-large.bin", None), (b"x", "a/b"), (f"{folder}/none", None), (b"x", None)):
        try:
            keep(content, name)
        except Exception as error:
            kept.append(type(error).__name__)
    return kept


@task("keep", max_attempts=1, **QUEUE)
def keep(folder: str) -> list[str]:
    return keep_all(current().keep, folder)


@task("keep.process", pool="processes", max_attempts=1, **QUEUE)
def keep_process(folder: str) -> list[str]:
    return keep_all(current().keep, folder)


@task("keep.async", max_attempts=1, **QUEUE)
async def keep_async(folder: str) -> list[str]:
    context, loop = current(), asyncio.get_running_loop()
    refusal = ""
    try:
        context.keep(b"x", "held-up")
    except RuntimeError as error:
        refusal = str(error)
    assert "await current().aio.keep" in refusal

    def keep(*args: Any, **kwargs: Any) -> str:
        return asyncio.run_coroutine_threadsafe(context.aio.keep(*args, **kwargs), loop).result()

    return await asyncio.to_thread(keep_all, keep, folder)


@task("keep.late", max_attempts=1, **QUEUE)
def keep_late(mark: str) -> None:
    Path(mark).with_suffix(".began").write_text(str(os.getpid()))
    try:
        while not Path(mark).exists():
            time.sleep(0.02)
        current().keep(b"late", "late.txt")
    except BaseException as error:
        Path(mark).with_suffix(".ended").write_text(type(error).__name__)
        raise
