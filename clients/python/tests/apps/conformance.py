"""The kinds that `tidemill conformance` demands, as tasks."""

from __future__ import annotations

import time
from typing import Any

from tidemill import Permanent, current, task


@task("conformance.echo")
def echo(**args: Any) -> Any:
    return args


@task("conformance.fail")
def fail(message: str, permanent: bool = False) -> None:
    raise Permanent(message) if permanent else RuntimeError(message)


@task("conformance.flaky", backoff="1s")
def flaky(failures: int) -> dict[str, int]:
    if current().attempt <= failures:
        raise RuntimeError("not yet")
    return {"attempt": current().attempt}


@task("conformance.report")
def report(lines: list[str], percents: list[float]) -> dict[str, int]:
    for line, percent in zip(lines, percents, strict=True):
        current().log(line)
        current().progress(percent)
    return {"reported": len(lines)}


@task("conformance.slow")
def slow(seconds: float, every: float | None = None, extend: float | None = None) -> dict[str, float] | None:
    if extend is not None:
        current().extend(extend)
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if current().wait_stopped(min(left, every or left)):
            return None
        if every is not None:
            current().log("tick")
    return {"slept": seconds}


@task("conformance.steps")
def steps(steps: list[str], fails_after: int) -> dict[str, list[str]]:
    done: list[str] = []
    for name in steps:
        if current().attempt == 1 and len(done) == fails_after:
            raise RuntimeError("stopped on the way")
        current().step(name, lambda name=name: done.append(name))
    return {"done": done}


@task("conformance.children", backoff="1s")
def children(names: list[str], failures: int) -> dict[str, list[str]]:
    ids = [current().spawn(name, "conformance.echo", {"name": name}) for name in names]
    if current().attempt <= failures:
        raise RuntimeError("not yet")
    return {"children": ids}


@task("conformance.wait")
def wait(signal: str) -> dict[str, Any]:
    return {"payload": current().signal(signal)}
