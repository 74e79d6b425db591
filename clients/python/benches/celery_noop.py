"""Celery's no-op tasks on Tidemill and on Redis, one after the other in rounds, so that both meet the same machine: how long
`delay` takes, how long `enqueue_many`, and how many tasks two processes run a second. Needs both servers:
`python benches/celery_noop.py tidemill://localhost:8080 redis://localhost:6379/0`. Compare only within one run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from celery import Celery

BROKER = os.environ.get("BENCH_BROKER", "memory://")
app = Celery("celery_noop", broker=BROKER, backend=BROKER, task_default_queue=os.environ.get("BENCH_QUEUE", "celery"))


@app.task(name="bench.noop")
def noop() -> None:
    """Nothing."""


def measure(broker: str, jobs: int, words: list[str]) -> dict[str, float]:
    """One round on one broker."""
    queue = f"bench-{os.getpid()}-{time.monotonic_ns()}"
    app.conf.update(broker_url=broker, result_backend=broker, task_default_queue=queue)
    noop.apply_async()
    few = max(100, jobs // 10)
    began = time.perf_counter()
    results = [noop.delay() for _ in range(few)]
    found = {"delay, us": 1e6 * (time.perf_counter() - began) / few}
    if broker.startswith("tidemill"):
        from tidemill.celery import enqueue_many

        began = time.perf_counter()
        results += enqueue_many((noop.s() for _ in range(jobs - few)), app=app)
        found["enqueue_many, us"] = 1e6 * (time.perf_counter() - began) / (jobs - few)
    else:
        results += [noop.delay() for _ in range(jobs - few)]
    environment = {**os.environ, "BENCH_BROKER": broker, "BENCH_QUEUE": queue}
    command = [sys.executable, "-m", "celery", "-A", "celery_noop", "worker", "-Q", queue, "-l", "error", *words]
    worker = subprocess.Popen(command, cwd=Path(__file__).parent, env=environment)
    try:
        for result in results[-200:]:
            result.get(timeout=600)
        ends = sorted(moment(result) for result in (*results[:200], *results[-200:]))
        found["tasks a second"] = jobs / (ends[-1] - ends[0]).total_seconds()
    finally:
        worker.terminate()
        worker.wait()
    return found


def moment(result: Any) -> datetime:
    """When a task ended."""
    at = result.date_done
    return at if isinstance(at, datetime) else datetime.fromisoformat(at)


def main() -> None:
    """Runs the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("brokers", nargs="+")
    parser.add_argument("--jobs", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pool", default="prefork")
    parser.add_argument("--concurrency", default="2")
    options = parser.parse_args()
    words = ["-P", options.pool, "-c", options.concurrency]
    for number in range(options.rounds):
        for broker in options.brokers:
            found = measure(broker, options.jobs, words)
            name = broker.split("://")[0]
            print(f"{number + 1} {name:9}", ", ".join(f"{key}: {value:.0f}" for key, value in found.items()), flush=True)


if __name__ == "__main__":
    # The worker imports this file by its name; the task has to be the same.
    sys.path.insert(0, str(Path(__file__).parent))
    import celery_noop

    celery_noop.main()
