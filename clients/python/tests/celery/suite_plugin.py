"""A plugin of pytest for Celery's own integration suite. Tests that need Redis only to write down what happened are
skipped by the suite unless the result backend's address begins with `redis`; here it does as far as they ask, so that
they run, and the suite's files stay as they are published. Tests that look into Redis itself are named in
`suite_excluded.txt`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

EXCLUDED = Path(__file__).with_name("suite_excluded.txt")
SELECTION = Path(__file__).with_name("suite_selection.txt")


class Address(str):
    """An address that says yes when it is asked for Redis."""

    __slots__ = ()

    def startswith(self, prefix: Any, *place: Any) -> bool:
        return "redis" in (prefix, *(prefix if isinstance(prefix, tuple) else ())) or str.startswith(self, prefix, *place)


def _short(item: pytest.Item) -> str:
    return item.nodeid.split("/")[-1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives the suite's configuration such an address, and leaves out what tests Redis."""
    conftest = sys.modules.get("t.integration.conftest") or next(
        module for name, module in sys.modules.items() if name.endswith("conftest") and hasattr(module, "TEST_BACKEND")
    )
    address = str(conftest.TEST_BACKEND)
    if not address.startswith("tidemill"):
        return
    conftest.TEST_BACKEND = Address(address)
    if os.environ.get("SUITE_SELECTION"):
        chosen = {line.strip() for line in SELECTION.read_text().splitlines() if line and line[0] != "#"}
        items[:] = [item for item in items if _short(item) in chosen]
    names = {line.split("  ")[0].strip() for line in EXCLUDED.read_text().splitlines() if line and line[0] != "#"}
    for item in items:
        if _short(item) in names:
            item.add_marker(pytest.mark.skip(reason="it tests Redis itself"))


_outcomes: dict[str, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Notes what became of a test, of which each subtest is a part; a test that runs again has its last outcome."""
    if report.outcome == "rerun":  # type: ignore[comparison-overlap]  (of pytest-rerunfailures)
        _outcomes.pop(report.nodeid, None)
    elif report.outcome == "failed":
        _outcomes[report.nodeid] = "failed"
    elif report.outcome == "skipped" or report.when == "call":
        _outcomes.setdefault(report.nodeid, report.outcome)


def pytest_sessionfinish() -> None:
    """Writes it down."""
    if path := os.environ.get("SUITE_OUTCOMES"):
        Path(path).write_text(json.dumps(_outcomes))
