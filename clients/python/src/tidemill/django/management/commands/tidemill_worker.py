"""`manage.py tidemill_worker`: the command `tidemill-worker` for the tasks of this project."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connections

from ....worker import cli
from ... import worker


class Command(BaseCommand):
    """Checks the project as `manage.py check` does, and then runs its tasks until a signal ends it."""

    help = "Runs the tasks of this project. The server and the key come from TASKS or from TIDEMILL_URL and TIDEMILL_KEY."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Those of `tidemill-worker`, and the backend."""
        parser.add_argument("--backend", default="default", help="the backend of TASKS whose server is asked (default)")
        cli.add_options(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        """Does not return."""
        # The checks have used one, and it would stay open.
        connections.close_all()
        words = [f"{worker.__name__}:{options['backend']}"]
        for queue, slots in options["queue"]:
            words += ["--queue", f"{queue}={slots}"]
        for name in ("name", "url", "grace", "max_tasks_per_child", "log_level"):
            if options[name] is not None:
                words += [f"--{name.replace('_', '-')}", str(options[name])]
        sys.exit(cli.main([*words, "--reload"] if options["reload"] else words))
