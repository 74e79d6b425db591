"""The example application, started by the commands of its README in a folder of its own, and the statement of
docs/from-celery.md that enqueues one of its tasks. Must change nothing of the application but its two addresses.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
from running import until
from server import ROOT, Server

import tidemill

EXAMPLE = ROOT / "examples/celery"
LONG = 120.0


def commands() -> list[list[str]]:
    """What the README says to call, for this Python; the server and the package are here already."""
    block = re.findall(r"^```sh\n(.*?)^```$", (EXAMPLE / "README.md").read_text(), re.M | re.S)[0]
    lines = [line.partition("#")[0].strip(" &").split() for line in block.splitlines()]
    programs = {"celery": [sys.executable, "-m", "celery"], "python": [sys.executable]}
    return [[*programs[line[0]], *line[1:]] for line in lines if line[0] in programs]


def test_the_example_runs_as_its_page_says(server: Server, client: tidemill.Client, tmp_path: Path) -> None:
    text, address = (EXAMPLE / "shop.py").read_text(), f"tidemill://:{server.key}@127.0.0.1:{server.port}"
    assert text.count("tidemill://localhost:8080") == 2
    (tmp_path / "shop.py").write_text(text.replace("tidemill://localhost:8080", address))
    *services, program = commands()
    assert [command[5] for command in services] == ["worker", "beat"]
    with (tmp_path / "log").open("w") as log:
        started = [
            subprocess.Popen(
                command, cwd=tmp_path, env=os.environ, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
            for command in services
        ]
        try:
            done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=LONG, check=False)
            said = done.stderr + (tmp_path / "log").read_text()
            assert done.stdout.splitlines() == ["cat.png at 300", "an album of 3"], said
            until(lambda: any(one.name == "report" for one in client.schedules.list()))
            page = (ROOT / "docs/from-celery.md").read_text()
            statement = re.findall(r"`(select tidemill\.enqueue\('shop\.resize'.*?)`", page)[0]
            with psycopg.connect(server.database, autocommit=True) as connection:
                row = connection.execute(statement).fetchone()
            assert row is not None
            assert client.result(str(row[0]), LONG)["result"] == "cat.png at 100"
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(LONG)
    client.schedules.delete("report")
