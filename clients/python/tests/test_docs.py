"""docs/python.md as it stands: its modules are written, its workers started, its programs run. And the example application,
as its users start it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import RunningWorker, until
from server import ROOT, Server, free_port

PAGE = ROOT / "docs/python.md"
EXAMPLE = ROOT / "examples/python"


def blocks() -> list[tuple[str, str]]:
    """The page's code, each with its language."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.M | re.S)


def test_the_page_runs_as_printed(server: Server, tmp_path: Path) -> None:
    environment = {**os.environ, "TIDEMILL_URL": server.url, "TIDEMILL_KEY": server.key, "DATABASE_URL": server.database}
    workers: list[RunningWorker] = []
    programs = 0
    try:
        for language, code in blocks():
            if language == "python" and (named := re.match(r"# (\w+\.py)\n", code)):
                (tmp_path / named[1]).write_text(code)
            elif language == "python":
                programs += 1
                (tmp_path / "program.py").write_text(code)
                done = subprocess.run(
                    [sys.executable, "program.py"],
                    cwd=tmp_path,
                    env=environment,
                    timeout=120,
                    capture_output=True,
                    text=True,
                )
                assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}{[one.output() for one in workers]}"
            elif language == "sh":
                commands = [line.split() for line in code.splitlines() if line.startswith("tidemill-worker ")]
                for _, app, *words in commands:
                    workers.append(RunningWorker(server.url, server.worker_key, app, *words, folder=tmp_path))
    finally:
        for worker in workers:
            worker.end()
    assert (programs, len(workers)) == (5, 2)


def test_the_page_has_every_option_of_the_worker() -> None:
    from tidemill.worker.cli import parser

    [usage] = [code for language, code in blocks() if language == "text"]
    options = {option for action in parser()._actions for option in action.option_strings if option.startswith("--")}
    assert options - {"--help"} == set(re.findall(r"--[a-z-]+", usage))


def test_the_page_has_every_setting_of_a_task() -> None:
    import inspect
    import typing

    from tidemill import App

    overload = typing.get_overloads(App.task)[1] if hasattr(typing, "get_overloads") else None
    if overload is None:
        pytest.skip("this Python does not keep overloads")
    table = PAGE.read_text().split("## Settings of a task")[1].split("## ")[0]
    names = [name for name in inspect.signature(overload).parameters if name not in ("self", "name")]
    assert [name for name in names if f"`{name}`" not in table] == []


@pytest.fixture
def shop(server: Server) -> Iterator[str]:
    """The example application and its worker."""
    port = free_port()
    environment = {**os.environ, "TIDEMILL_URL": server.url, "TIDEMILL_KEY": server.key}
    application = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port), "--log-level", "warning"],
        cwd=EXAMPLE,
        env=environment,
    )
    worker = RunningWorker(server.url, server.worker_key, "tasks", folder=EXAMPLE)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: application.poll() is None and answers(f"{url}/docs"))
        yield url
    finally:
        worker.end()
        application.terminate()
        application.wait(30)


def answers(url: str) -> bool:
    """True if something is there."""
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except OSError:
        return False
    return True


def call(method: str, url: str, body: Any = None) -> Any:
    """One request of the application."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=150) as answer:
        return json.load(answer)


def test_the_example_application(shop: str) -> None:
    made = call("POST", f"{shop}/reports", {"customer": "ada"})
    with urllib.request.urlopen(f"{shop}/reports/{made['id']}/events", timeout=150) as stream:
        types = [line.decode().split()[1] for line in stream if line.startswith(b"event:")]
    assert types[0] == "snapshot"
    assert types[-1] == "completed"
    assert "progress" in types
    done = call("GET", f"{shop}/reports/{made['id']}")
    assert (done["status"], done["percent"]) == ("completed", 100)
    assert done["result"] == {"customer": "ada", "pages": [f"ada-{page}.html" for page in (1, 2, 3)]}
    long = call("POST", f"{shop}/reports", {"customer": "bob", "pages": 500})
    assert call("POST", f"{shop}/reports", {"customer": "bob", "pages": 500})["id"] == long["id"]
    until(lambda: call("GET", f"{shop}/reports/{long['id']}")["percent"])
    call("DELETE", f"{shop}/reports/{long['id']}")
    until(lambda: call("GET", f"{shop}/reports/{long['id']}")["status"] == "cancelled")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        call("GET", f"{shop}/reports/execution:nobody")
