"""`celery beat -S tidemill` writes the app's schedule into Tidemill's, and takes away what the app no longer has."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from celery.schedules import crontab, schedule
from running import APPS, until
from server import Server

import tidemill
from tidemill.celery.beat import when_of


def start_beat(**env: str) -> subprocess.Popen[bytes]:
    """`celery beat` as users start it."""
    command = [sys.executable, "-m", "celery", "-A", "celery_app", "beat", "-S", "tidemill", "-l", "info", "--pidfile="]
    return subprocess.Popen(
        command,
        cwd=APPS,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def end(beat: subprocess.Popen[bytes]) -> str:
    """Ends it; what it said."""
    beat.terminate()
    return beat.communicate(timeout=30)[0].decode()


def test_beat(shop: Any, worker: Any, client: tidemill.Client, server: Server) -> None:
    refused = start_beat()
    said = refused.communicate(timeout=120)[0].decode()
    assert "needs the scope admin" in said
    admin = {"TIDEMILL_BROKER": f"tidemill://:{server.key}@127.0.0.1:{server.port}"}
    beat = start_beat(**admin)
    try:
        until(lambda: any(one.name == "each-second" for one in client.schedules.list()))
        fired = until(lambda: [slot for slot in client.schedules.slots("each-second") if slot.job_id])
    finally:
        end(beat)
    found = {one.name: one for one in client.schedules.list()}
    assert found["each-second"].every_seconds == 1
    assert found["nightly"].every_seconds == 86_400
    job = str(fired[-1].job_id)
    assert shop.app.AsyncResult(job).get(timeout=120) == 42
    beat = start_beat(TEST_NO_SCHEDULE="1", **admin)
    try:
        until(lambda: not {"each-second", "nightly"} & {one.name for one in client.schedules.list()})
    finally:
        end(beat)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (schedule(timedelta(seconds=90)), {"every": 90.0}),
        (schedule(timedelta(seconds=0.5)), None),
        (crontab(minute="*/15"), {"cron": "*/15 * * * *", "timezone": "UTC"}),
        (crontab(hour=[3, 1], minute=0, day_of_week="mon-fri"), {"cron": "0 1,3 * * mon-fri", "timezone": "UTC"}),
        (crontab(minute=0, hour=0, day_of_month=1, day_of_week=1), None),
        (SimpleNamespace(), None),
    ],
)
def test_what_a_schedule_becomes(given: Any, wanted: Any) -> None:
    assert when_of(given, "UTC") == wanted
