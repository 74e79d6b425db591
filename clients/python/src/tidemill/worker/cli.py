"""The command `tidemill-worker`: `tidemill-worker shop.tasks --queue default=8 --queue crawl=2`."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from ..errors import TidemillError
from . import capture
from .load import load
from .worker import Worker

log = logging.getLogger("tidemill.worker")


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    parser = argparse.ArgumentParser(
        prog="tidemill-worker",
        description="Runs the jobs of a program's tasks. The server and the key come from TIDEMILL_URL and TIDEMILL_KEY.",
    )
    parser.add_argument("app", help="module, or module:name of a tidemill.App")
    add_options(parser)
    return parser


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options alone, for commands of other programs that run a worker."""
    parser.add_argument(
        "--queue", "-q", action="append", default=[], type=queue_slots, metavar="NAME[=SLOTS]",
        help="a queue and how many of its jobs run at once here (4); repeatable; by default those of the tasks",
    )  # fmt: skip
    parser.add_argument("--name", help="the worker's name, unique among those that run (host and process id)")
    parser.add_argument("--url", help="the server (TIDEMILL_URL)")
    parser.add_argument(
        "--grace", default="20s", help="how long jobs may go on at shutdown before they are handed back (20s)"
    )
    parser.add_argument("--max-tasks-per-child", type=int, metavar="N", help="a process is replaced after that many jobs")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    parser.add_argument("--reload", action="store_true", help="restart when a Python file changes, for development")


def queue_slots(text: str) -> tuple[str, int]:
    """`crawl=2` as a queue and its slots."""
    name, _, slots = text.partition("=")
    if not name or (slots and not (slots.isdecimal() and int(slots) > 0)):
        raise argparse.ArgumentTypeError(f"{text!r} is no queue with slots: write crawl=2")
    return name, int(slots or 4)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; answers its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(words)
    if options.reload:
        from .reload import run_with_reload

        return run_with_reload([word for word in words if word != "--reload"])
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        app = load(options.app)
        queues = dict(options.queue) or dict.fromkeys(
            {str(task.options.get("queue", "default")) for task in app.tasks.values()} | {*app.queues}, 4
        )
        worker = Worker(
            app,
            queues,
            url=options.url,
            name=options.name,
            grace=options.grace,
            app_path=options.app,
            max_tasks_per_child=options.max_tasks_per_child,
        )
    except (ImportError, ValueError, TypeError, TidemillError) as error:
        sys.stderr.write(f"tidemill-worker: {error}\n")
        return 2
    capture.install()
    run_until_signal(worker)
    sys.stdout.flush()
    sys.stderr.flush()
    logging.shutdown()
    # Threads whose functions did not end must not hold up the exit.
    os._exit(0)


def run_until_signal(worker: Worker) -> None:
    """Runs a worker until SIGTERM or SIGINT; a second one cuts the grace short."""
    asked, hurry = threading.Event(), threading.Event()

    def hear(number: int, _: FrameType | None) -> None:
        if asked.is_set():
            hurry.set()
        asked.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, hear)
    worker.start()
    # With a bound, so that Python gets to run the handler.
    while not asked.wait(1.0):
        pass
    log.info("worker %s stops", worker.name)
    worker.stop(hurry)


if __name__ == "__main__":
    sys.exit(main())
