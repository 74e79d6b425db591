"""What a call costs its caller on Tidemill and on Redis, by turns, so that both meet the same machine: `delay`, and on
Tidemill `enqueue_many`. Needs the servers: `python benches/celery_calls.py tidemill://localhost:8080
redis://localhost:6379/0`; a second Redis may be one that syncs each write to the disk (`--appendonly yes --appendfsync
always`), as Tidemill's Postgres does. Medians by the clock, and the processor time of this process. Compare only within
one run.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

from celery import Celery

from tidemill.celery import enqueue_many

QUEUE = "bench-calls"


def application(broker: str) -> Any:
    """A task on a broker."""
    app = Celery("celery_calls", broker=broker, backend=broker, task_default_queue=QUEUE, set_as_current=False)

    def noop() -> None:
        """Nothing."""

    return app.task(name="bench.noop")(noop)


class Clock:
    """What calls took, each by the clock, and all of them by the processor."""

    def __init__(self) -> None:
        self.each: list[float] = []
        self.processor = 0.0

    def time(self, call: Callable[[], Any], times: int, jobs: int = 1) -> None:
        """Calls it so often; each makes so many jobs."""
        began = time.process_time()
        for _ in range(times):
            at = time.perf_counter()
            call()
            self.each.append(1e6 * (time.perf_counter() - at) / jobs)
        self.processor += 1e6 * (time.process_time() - began) / jobs

    def __str__(self) -> str:
        fastest = statistics.quantiles(self.each, n=10)[0]
        middle = statistics.median(self.each)
        return f"{middle:7.0f} µs (a tenth within {fastest:.0f}), processor {self.processor / len(self.each):.0f} µs"


def main() -> None:
    """Runs the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tidemill")
    parser.add_argument("redis", nargs="+")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--many", type=int, default=8_000)
    options = parser.parse_args()
    ours, theirs = application(options.tidemill), [application(one) for one in options.redis]
    on_tidemill, on_redis, many = Clock(), [Clock() for _ in theirs], Clock()
    for task in (ours, *theirs):
        for _ in range(50):
            task.delay()
    for _ in range(options.rounds):
        for task, clock in zip(theirs, on_redis, strict=True):
            clock.time(task.delay, options.calls)
        on_tidemill.time(ours.delay, options.calls)
        many.time(lambda: enqueue_many((ours.s() for _ in range(options.many)), app=ours.app), 1, options.many)
    print("delay on Tidemill    ", on_tidemill)
    print("enqueue_many, a task ", many)
    for address, clock in zip(options.redis, on_redis, strict=True):
        usual = statistics.median(clock.each)
        print(f"delay on {address}", clock)
        print(f"  delay on Tidemill takes {statistics.median(on_tidemill.each) / usual:.2f} times that")
        print(f"  enqueue_many is {usual / statistics.median(many.each):.1f} times faster")


if __name__ == "__main__":
    main()
