"""How many no-op jobs the worker runs a second: enqueues them, starts a worker, and measures from its first claim to the
last end. Needs a running server: `TIDEMILL_URL=… TIDEMILL_KEY=… python benches/noop.py --jobs 20000`. What it prints is of
this machine and this build of the server; compare only within one run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import tidemill

QUEUE = f"noop-{os.getpid()}"
app = tidemill.App()


@app.task("bench.threads")
def in_thread() -> None:
    """Nothing."""


@app.task("bench.processes", pool="processes")
def in_process() -> None:
    """Nothing."""


@app.task("bench.asyncio")
async def in_loop() -> None:
    """Nothing."""


def main() -> None:
    """Runs one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--pool", choices=["threads", "processes", "asyncio"], default="threads")
    options = parser.parse_args()
    client = tidemill.Client()
    began = time.monotonic()
    for begin in range(0, options.jobs, 5_000):
        count = min(5_000, options.jobs - begin)
        client.enqueue_many([{"kind": f"bench.{options.pool}", "queue": QUEUE}] * count)
    print(f"enqueue_many: {options.jobs / (time.monotonic() - began):.0f} jobs/s")
    command = [sys.executable, "-m", "tidemill.worker.cli", "noop:app", "--queue", f"{QUEUE}={options.slots}"]
    worker = subprocess.Popen([*command, "--log-level", "warning"], cwd=Path(__file__).parent)
    try:
        print(f"{options.pool}, {options.slots} slots: {rate(client, options.jobs):.0f} jobs/s")
    finally:
        worker.terminate()
        _, _, used = os.wait4(worker.pid, 0)
    # What the machine had to spare does not change this one: a core runs at most a second's worth.
    print(f"the worker's own work: {1e6 * (used.ru_utime + used.ru_stime) / options.jobs:.0f} µs a job")


def rate(client: tidemill.Client, jobs: int) -> float:
    """Jobs a second, from the moment that the first ones are gone."""
    began, first = None, jobs
    while True:
        queue = client.queues.get(QUEUE)
        left = queue.available + queue.running
        now = time.monotonic()
        if began is None and left < jobs:
            began, first = now, left
        if began is not None and left == 0:
            return first / (now - began)
        time.sleep(0.02)


if __name__ == "__main__":
    main()
