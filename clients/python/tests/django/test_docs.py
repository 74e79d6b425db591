"""docs/django.md in an empty folder, as it stands; and the example, as its users start it. Both are for Django 6."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import pytest
from running import until
from server import ROOT, Server, binary, free_port

PAGE = ROOT / "docs/django.md"
EXAMPLE = ROOT / "examples/django"
LONG = ("tidemill dev", "python manage.py tidemill_worker")

needs_6 = pytest.mark.skipif(django.VERSION < (6, 1), reason="the page and the example are for Django 6.1")


def programs(folder: Path) -> str:
    """A PATH with the commands that the page calls by their names."""
    (folder / "bin").mkdir()
    (folder / "bin/tidemill").symlink_to(binary().resolve())
    return os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])


def write(folder: Path, code: str) -> None:
    """Writes a module as its first line says: `# shop/tasks.py`, or `# shop/settings.py, at its end`."""
    named = re.match(r"# (\S+\.py)(, at its end)?\n", code)
    assert named, code
    with open(folder / named[1], "a" if named[2] else "w") as file:
        file.write(code)


def test_the_page_has_every_further_word() -> None:
    from tidemill.django import TidemillTask

    table = PAGE.read_text().split("## Further words")[1].split("## ")[0]
    words = {field.name for field in dataclasses.fields(TidemillTask)}
    django_s = {"func", "priority", "backend", "queue_name", "run_after", "takes_context"}
    assert [word for word in words - django_s if f"`{word}`" not in table] == []


@needs_6
def test_the_page_runs_as_printed(tmp_path: Path) -> None:
    text = PAGE.read_text().split("## From nothing to a task")[1].split("## ")[0]
    folder = tmp_path / "clean"
    folder.mkdir()
    address = f"127.0.0.1:{free_port()}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("TIDEMILL", "DJANGO", "DATABASE"))},
        "PATH": programs(tmp_path), "TIDEMILL_URL": f"http://{address}",
    }  # fmt: skip
    began: list[subprocess.Popen[bytes]] = []
    ran = 0

    def begin(command: str) -> None:
        words = f"{command} --listen {address}" if command == "tidemill dev" else command
        with open(tmp_path / "log", "a") as log:
            began.append(
                subprocess.Popen(words.split(), cwd=folder, env=environment, stdout=log, stderr=log)  # type: ignore[arg-type]
            )
        if command == "tidemill dev":
            until(lambda: answers(f"http://{address}/readyz") and (folder / ".tidemill/urls.json").exists())

    def run(script: str) -> str:
        done = subprocess.run(
            ["bash", "-ec", f"{script}\nenv -0 > {tmp_path}/env"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{script}{done.stdout}{done.stderr}{(tmp_path / 'log').read_text()[-3000:]}"
        # What a block exports is there for the next one.
        for entry in (tmp_path / "env").read_text().split("\0"):
            if entry.startswith("DATABASE_URL="):
                environment["DATABASE_URL"] = entry.partition("=")[2]
        return done.stdout

    try:
        for language, code in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S):
            if language == "python":
                write(folder, code)
                continue
            ran += 1
            short: list[str] = []
            for line in code.splitlines():
                if line in LONG:
                    output = run("\n".join(short))
                    begin(line)
                    short = []
                elif not line.startswith("pip install"):
                    short.append(line)
            output = run("\n".join(short))
    finally:
        for process in reversed(began):
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    assert (ran, len(began), output.splitlines()[-1]) == (3, 2, "Welcome, ada")


def answers(url: str) -> bool:
    """True if something good is there."""
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except OSError:
        return False
    return True


@pytest.fixture
def shop(server: Server, tmp_path: Path) -> Iterator[str]:
    """The example, with its worker and its web server, in the words that it says itself; its address."""
    port = free_port()
    environment = {
        **os.environ, "DATABASE_URL": server.database, "TIDEMILL_URL": server.url, "TIDEMILL_KEY": server.worker_key,
        "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    del environment["DJANGO_SETTINGS_MODULE"]

    def manage(*words: str) -> subprocess.Popen[bytes]:
        with open(tmp_path / "log", "a") as log:
            return subprocess.Popen(
                [sys.executable, "manage.py", *words], cwd=EXAMPLE, env=environment, stdout=log, stderr=log
            )

    assert manage("migrate").wait(120) == 0, (tmp_path / "log").read_text()
    running = [
        manage("tidemill_worker", "--queue", "default", "--queue", "mails"),
        manage("runserver", "--noreload", str(port)),
    ]
    try:
        until(lambda: port_answers(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        for process in running:
            process.terminate()
            process.wait(60)
        print((tmp_path / "log").read_text())


def port_answers(port: int) -> bool:
    """True once somebody listens."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def ask(url: str, **form: str) -> Any:
    """One request of the shop; a POST if there is a form."""
    data = urllib.parse.urlencode(form).encode() if form else None
    with urllib.request.urlopen(url, data, timeout=60) as answer:
        return json.load(answer)


@needs_6
def test_the_example_project(shop: str, client: Any) -> None:
    made = ask(f"{shop}/orders", customer="ada", amount="12.50")
    order = until(lambda: (found := ask(f"{shop}/orders/{made['id']}"))["task"] == "SUCCESSFUL" and found)
    assert order["invoice"] == f"Invoice {made['id']}: ada owes 12.50"
    mail = until(lambda: next((job for job in client.list(kind="shop.tasks.send_mail") if job.state == "completed"), None))
    assert mail.args == {"to": "ada", "text": order["invoice"]}
    known = {job.id for job in client.list(kind="shop.tasks.write_invoice")}
    with pytest.raises(urllib.error.HTTPError, match="500"):
        ask(f"{shop}/orders", customer="bob", amount="1", fail="yes")
    assert {job.id for job in client.list(kind="shop.tasks.write_invoice")} == known
    assert made["task"] in known
