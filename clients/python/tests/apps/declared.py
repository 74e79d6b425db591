"""Tasks whose settings the worker declares, on queues that the tests' workers do not serve."""

from __future__ import annotations

from datetime import timedelta

from tidemill import Backoff, Breaker, task

UNSERVED = "declared.unserved"


class Unwanted(ValueError):
    pass


@task(
    "declared.whole",
    queue=UNSERVED,
    priority="high",
    max_attempts=4,
    backoff=Backoff(first="10s", factor=3, max="1h", jitter=0),
    permanent=(Unwanted,),
    breaker=Breaker(after=7),
    soft_timeout="1m",
    hard_timeout=timedelta(minutes=2),
    stop_grace=5,
    unique={"args": ["key"], "window": "1h"},
    concurrency_key="shop:{key}",
    fair_key="{key}",
    expires_in="1d",
    retain="2 days",
)
def whole(key: str, n: int = 0) -> None:
    raise Unwanted(key)


@task("declared.taken")
def taken() -> str:
    return "taken"


@task("declared.plain", max_attempts=9, backoff=lambda attempt: 10 * attempt)
def plain() -> str:
    return "plain"
