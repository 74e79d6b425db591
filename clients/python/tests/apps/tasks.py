"""The tasks that the tests run."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import tidemill
from tidemill import Backoff, Permanent, Retry, Snooze, SoftTimeout, current, task

log = logging.getLogger("shop")
SHARED = {"queue": "shared"}


@task("add", **SHARED)
def add(a: int, b: int = 1) -> int:
    return a + b


@task("add.async", **SHARED)
async def add_async(a: int, b: int = 1) -> int:
    await asyncio.sleep(0)
    return a + b


@task("add.process", pool="processes", **SHARED)
def add_process(a: int, b: int = 1) -> int:
    return a + b


@task("echo", **SHARED)
def echo(value: Any) -> Any:
    return {"value": value, "type": type(value).__name__}


@task("gather", **SHARED)
def gather(first: int, /, *rest: int, key: str = "none", **more: int) -> dict[str, Any]:
    return {"first": first, "rest": list(rest), "key": key, "more": more}


def _talk() -> None:
    print("printed")
    print("to err", file=sys.stderr)
    sys.stdout.write("unfinished")
    log.info("logged %s", 7)
    try:
        raise KeyError("lost")
    except KeyError:
        log.exception("it went wrong")
    current().log("said\ntwice", "mine")
    current().progress(25, "quarter", {"n": 1})


@task("talk", **SHARED)
def talk() -> str:
    _talk()
    return "done"


@task("talk.async", **SHARED)
async def talk_async() -> str:
    _talk()
    return "done"


@task("talk.process", pool="processes", **SHARED)
def talk_process() -> str:
    _talk()
    return "done"


@task("report.flood", **SHARED)
def flood(lines: int) -> int:
    for number in range(lines):
        print("line", number)
        current().progress(100 * number / lines)
    current().progress(100)
    return lines


class Unwanted(ValueError):
    pass


@task("fail", max_attempts=3, backoff=0.1, permanent=(Unwanted,), **SHARED)
def fail(how: str) -> str:
    attempt = current().attempt
    if how == "once" and attempt == 1:
        raise RuntimeError("the first time")
    if how == "always":
        raise RuntimeError(f"attempt {attempt}")
    if how == "permanent":
        raise Permanent("never again")
    if how == "unwanted":
        raise Unwanted("of that class")
    if how == "exit":
        sys.exit(3)
    if how == "retry" and attempt == 1:
        raise Retry("busy", after="0.2s")
    return f"attempt {attempt}"


@task("fail.backoff", max_attempts=3, backoff=Backoff(first=50, factor=2, jitter=0), **SHARED)
def fail_backoff() -> None:
    raise RuntimeError("slowly")


@task("bad.result", max_attempts=3, **SHARED)
def bad_result(how: str) -> Any:
    return {"object": object(), "nan": float("nan"), "number": {"n": 25000000000000000001}}[how]


def _loop(mark: str, seconds: float, returns: Any) -> Any:
    """Works until it is stopped, and says on disk that it began and how it ended."""
    path = Path(mark)
    path.with_suffix(".began").write_text(str(os.getpid()))
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if current().cancelled():
            path.with_suffix(".stopped").write_text(current().stop_reason.name)
            return returns
        time.sleep(0.02)
    return "whole"


@task("loop", stop_grace=20, **SHARED)
def loop(mark: str, seconds: float = 60, returns: Any = None) -> Any:
    return _loop(mark, seconds, returns)


@task("loop.process", pool="processes", stop_grace=20, **SHARED)
def loop_process(mark: str, seconds: float = 60, returns: Any = None) -> Any:
    return _loop(mark, seconds, returns)


@task("loop.killed", pool="processes", queue="killed", max_attempts=3, backoff="1h")
def loop_killed(mark: str) -> Any:
    return _loop(mark, 600, None)


@task("loop.async", **SHARED)
async def loop_async(mark: str, seconds: float = 60, swallow: bool = False) -> str | None:
    Path(mark).with_suffix(".began").write_text(str(os.getpid()))
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        Path(mark).with_suffix(".stopped").write_text(current().stop_reason.name)
        if swallow:
            return None
        raise
    return "whole"


def _deaf(mark: str, seconds: float) -> str:
    """Never looks."""
    Path(mark).with_suffix(".began").write_text(str(os.getpid()))
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.02)
    Path(mark).with_suffix(".ended").write_text("whole")
    return "whole"


@task("deaf", stop_grace=0.2, **SHARED)
def deaf(mark: str, seconds: float = 60) -> str:
    return _deaf(mark, seconds)


@task("deaf.process", pool="processes", stop_grace=0.2, max_attempts=1, **SHARED)
def deaf_process(mark: str, seconds: float = 60) -> str:
    return _deaf(mark, seconds)


@task("quiet", **SHARED)
def quiet(mark: str, seconds: float) -> None:
    """Brings nothing, and never asks."""
    Path(mark).with_suffix(".began").write_text(str(os.getpid()))
    time.sleep(seconds)


def _soft(mark: str, how: str) -> str | None:
    path = Path(mark)
    path.with_suffix(".began").write_text(str(os.getpid()))
    until = time.monotonic() + 60
    try:
        while time.monotonic() < until:
            time.sleep(0.02)
    except SoftTimeout:
        path.with_suffix(".soft").write_text("raised")
        if how == "raise":
            raise
        return None if how == "return" else "in time"
    return "whole"


@task("soft", soft_timeout=12, hard_timeout=60, max_attempts=1, **SHARED)
def soft(mark: str, how: str) -> str | None:
    return _soft(mark, how)


@task("soft.process", pool="processes", soft_timeout=12, hard_timeout=60, max_attempts=1, **SHARED)
def soft_process(mark: str, how: str) -> str | None:
    return _soft(mark, how)


@task("soft.async", soft_timeout=12, hard_timeout=60, max_attempts=1, **SHARED)
async def soft_async(mark: str, how: str) -> str | None:
    Path(mark).with_suffix(".began").write_text(str(os.getpid()))
    try:
        await asyncio.sleep(60)
    except SoftTimeout:
        Path(mark).with_suffix(".soft").write_text("raised")
        if how == "raise":
            raise
        return None if how == "return" else "in time"
    return "whole"


@task("soft.blocked", pool="processes", soft_timeout=12, hard_timeout=60, max_attempts=1, **SHARED)
def soft_blocked() -> str:
    """One long call into C."""
    try:
        time.sleep(60)
    except SoftTimeout:
        return "woken"
    return "whole"


@task("die", pool="processes", max_attempts=2, backoff=0.1, **SHARED)
def die(mark: str) -> str:
    """Kills its process at its first attempt."""
    if current().attempt == 1:
        Path(mark).with_suffix(".began").write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return f"attempt {current().attempt}"


@task("children", pool="processes", max_attempts=1, stop_grace=0.2, **SHARED)
def starts_children(mark: str) -> None:
    """Starts a process of its own, which is to end with it."""
    import subprocess

    child = subprocess.Popen(["sleep", "300"])
    Path(mark).with_suffix(".began").write_text(str(child.pid))
    child.wait()


@task("memory", pool="processes", memory=400_000_000, max_attempts=1, **SHARED)
def allocate(megabytes: int) -> int:
    return len(bytearray(megabytes * 1_000_000)) // 1_000_000


@task("pid", pool="processes", **SHARED)
def pid() -> int:
    return os.getpid()


@task("durable", max_attempts=3, backoff=0.1, **SHARED)
def durable(mark: str) -> dict[str, Any]:
    """Fails once after its step, which is not done again."""

    def work() -> dict[str, Any]:
        with open(mark, "a") as file:
            file.write("x")
        return {"password": "secret", "n": {1, 2}}

    output = current().step("charge", work)
    if current().attempt == 1:
        raise RuntimeError("after the step")
    return {"output": output, "times": len(Path(mark).read_text())}


@task("durable.async", max_attempts=3, backoff=0.1, **SHARED)
async def durable_async(mark: str) -> Any:
    async def work() -> int:
        with open(mark, "a") as file:
            file.write("x")
        return 7

    output = await current().aio.step("charge", work)
    if current().attempt == 1:
        raise RuntimeError("after the step")
    try:
        current().step("other", lambda: 1)
    except RuntimeError as error:
        return [output, len(Path(mark).read_text()), str(error)]
    return None


@task("durable.process", pool="processes", max_attempts=3, backoff=0.1, **SHARED)
def durable_process(mark: str) -> list[int]:
    page = current().cursor("page", 0)
    with open(mark, "a") as file:
        file.write("x")
    current().save_cursor("page", page + 1)
    if page < 2:
        raise RuntimeError("not yet")
    return [page, len(Path(mark).read_text())]


@task("approve", **SHARED)
def approve(timeout: float | None = None) -> Any:
    return {"approved": current().signal("approved", timeout)}


@task("sleepy", **SHARED)
def sleepy(seconds: float) -> int:
    current().sleep("nap", seconds)
    return current().attempt


@task("snooze", **SHARED)
def snooze(mark: str) -> str:
    path = Path(mark)
    if not path.exists():
        path.write_text("1")
        raise Snooze(0.5)
    return f"attempt {current().attempt}"


@task("spawn", **SHARED)
def spawn() -> list[str]:
    context = current()
    return [context.spawn("one", add, {"a": 1}), context.spawn("one", add, {"a": 2}), context.spawn("two", "add", {"a": 3})]


@task("extend", soft_timeout=4, hard_timeout=50, max_attempts=1, **SHARED)
def extend() -> str:
    current().extend("30s")
    time.sleep(5)
    return "had the time"


@task("no.context", **SHARED)
def no_context() -> str:
    """A thread that the function started has no job."""
    import threading

    said: list[str] = []

    def look() -> None:
        try:
            current()
        except RuntimeError as error:
            said.append(str(error))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return said[0]


other = tidemill.App()


@other.task("other.only", queue="other")
def only() -> str:
    return "of the other app"
