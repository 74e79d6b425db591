"""The texts in `seeds/`: programs of older systems with other imports, what they were before, and what runs before each."""

from __future__ import annotations

from pathlib import Path

SEEDS = Path(__file__).resolve().parent / "seeds"
# Where each name comes from, and where it came from.
IMPORTS = {
    "tidemill.compat.background": ["src.core.background_worker"],
    "tidemill.compat.config": ["src.config.background_config"],
    "tidemill.compat.monitor": ["src.core.task_monitor"],
    "tidemill.compat.orchestration": ["src.core.orchestration"],
    "tidemill.compat.sessions": ["src.workers.session_manager"],
    "tidemill.compat.tasks": ["src.workers.tasks", "src.workers.celery_app", "services.tasks"],
}
# What each text was, before its imports were changed.
ORIGINALS = {
    "003-basic": "dacba43ec72698b9",
    "003-scheduling": "cdb7fc99af2c7f76",
    "003-orchestrator": "2a331b1f6c22a797",
    "003-configuration": "4aa352184c96df28",
    "003-monitor": "1dbbdbf0cd9337c5",
    "003-alerts": "a21e8cb689ea88ad",
    "003-retries": "0cba739434ceee01",
    "003-trends": "87be7e30896ebd27",
    "003-threads": "fad16ae23126afee",
    "003-memory": "3eeacdcd829c5341",
    "003-debug": "9b537b2daf164c32",
    "003-flask": "124bf88dfe96ece3",
    "003-django": "e5685b1f574d3855",
    "003-yaml": "cee64f077b9e55bc",
    "003-environment": "43da575ff51d9275",
    "004-queuing": "fd2096eca0e5c4eb",
    "004-progress": "5b07fa30c70c8d91",
    "004-cancellation": "df464d6a3b1e4f4e",
    "000-delay": "06ede77c71f08afd",
}
TOOLS = """
import time
def until(look, seconds=90):
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)
    return found
"""


def text(name: str) -> str:
    """One text."""
    return (SEEDS / f"{name}.txt").read_text()
