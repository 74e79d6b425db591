"""The worker keeps the protocol of remote workers, by the server's own scenarios."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from running import APPS
from server import ROOT, binary

SCENARIOS = sorted(path.stem for path in (ROOT / "conformance/remote-worker").glob("*.json"))
WORKER = [sys.executable, "-m", "tidemill.worker.cli", "conformance", "--grace", "1s"]


@pytest.fixture(scope="module")
def told() -> list[str]:
    """What the runner says of the worker."""
    ran = subprocess.run(
        [str(binary()), "conformance", "--", *WORKER],
        cwd=APPS,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    print(ran.stdout, ran.stderr)
    assert ran.returncode in (0, 1), ran.stderr
    return ran.stdout.splitlines()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_worker_keeps_the_protocol_in(scenario: str, told: list[str]) -> None:
    assert [line.split()[0] for line in told if line.split()[1:2] == [scenario]] == ["ok"]
