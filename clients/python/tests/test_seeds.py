"""The programs of older systems with other imports and nothing else: each text in `seeds/` is run as it stands, on a real
server. What it takes for granted (functions, a file) stands before it, and what must have come of it behind it.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import until
from server import ROOT, Server

import tidemill
from tidemill.compat import background, config, monitor
from tidemill.compat.sessions import SessionManager

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


@pytest.mark.parametrize("name", sorted(path.stem for path in SEEDS.iterdir()))
def test_a_text_differs_in_its_imports_alone(name: str) -> None:
    now = text(name)
    tried = {now}
    for new, olds in IMPORTS.items():
        for old in olds:
            tried |= {
                re.sub(rf"^(\s*)from {re.escape(new)} import", rf"\1from {old} import", one, flags=re.M) for one in tried
            }
    assert ORIGINALS[name] in {hashlib.sha256(one.encode()).hexdigest()[:16] for one in tried}


@pytest.fixture
def run(server: Server, tmp_path: Path) -> Any:
    """Runs a program in a folder of its own; answers what it printed."""

    def run(*parts: str, at: Server = server, **variables: str) -> str:
        (tmp_path / "program.py").write_text("\n".join([TOOLS, *parts]))
        environment = {**os.environ, "TIDEMILL_URL": at.url, "TIDEMILL_KEY": at.key, **variables}
        done = subprocess.run(
            [sys.executable, "program.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200
        )
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"
        return done.stdout

    return run


def test_003_tasks_and_schedules(run: Any) -> None:
    said = run(
        text("003-basic"),
        "once, = [task_id]",
        text("003-scheduling"),
        """
from tidemill.compat.background import TaskStatus
first = until(lambda: (task := task_manager.get_task(once)) and task.status is TaskStatus.COMPLETED and task)
assert first.result == 30, first
schedule = task_manager.client.schedules.get(task_id)
assert (schedule.job["kind"], schedule.every_seconds) == ("my_task", 3600)
jobs = task_manager.client.list(kind="my_task")
[later] = [job for job in jobs if job.status == "scheduled" and job.args == {"x": 5, "y": 10}]
assert 200 < (later.run_at - later.created_at).total_seconds() <= 301
assert task_manager.cancel_task(task_id)
assert task_manager.cancel_task(later.id)
assert not task_manager.cancel_task(once)
task_manager.shutdown()
""",
    )
    assert re.match(r"Task status: TaskStatus\.\w+\nResult: ", said), said


def test_003_an_orchestrator(run: Any) -> None:
    said = run(
        """
from tidemill.compat.orchestration import phase
done = []
@phase("design")
def design(request): done.append("design"); return request
@phase("code")
def code(request): done.append("code"); return len(request)
""",
        text("003-orchestrator"),
        """
until(lambda: all(orchestrator.get_background_task_status(each).value == "completed" for each in task_ids))
assert done == ["design", "code"], done
assert orchestrator.manager.get_task(task_ids[1]).result == len("Develop a web API with authentication")
""",
    )
    assert said.count("Phase status: TaskStatus.") == 2


def test_003_configuration(run: Any, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text("003-yaml"))
    lines = re.findall(r'^export (\w+)="?([^"\n]*)"?$', text("003-environment"), re.M)
    assert len(lines) == 8
    # The path of the text is one to be put in.
    code = text("003-configuration").replace("/path/to/config.yaml", str(tmp_path / "config.yaml"))
    before = "from tidemill.compat.background import BackgroundTaskManager\n"
    run(
        before,
        code,
        """
of_file = load_config("config.yaml")
assert of_file.celery_worker.default_queue == "omni_dev"
assert of_file.monitoring.avg_execution_time_threshold == 300
assert of_file.shutdown_timeout_seconds == 30
assert config.threaded_worker.queue_size == 100 and config.monitoring.error_rate_threshold == 0.1
assert auto_load_config().to_dict() == config.to_dict()
assert (task_manager.worker_type, task_manager.max_workers) == ("threaded", 4)
assert task_manager.client.queues.get("background").max_queued == 100
""",
        **dict(lines),
    )


def test_003_wrong_settings_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wrong.yaml").write_text("threaded_worker: {max_worker: 4}")
    with pytest.raises(ValueError, match=r"threaded_worker: there is no setting max_worker; did you mean max_workers\?"):
        config.load_config(tmp_path / "wrong.yaml")
    monkeypatch.setenv("BG_THREADED_MAX_WORKERS", "many")
    with pytest.raises(ValueError, match="max_workers is 'many'; it is to be a int"):
        config.load_config("env")
    monkeypatch.setenv("BG_THREADED_MAX_WORKERS", "2")
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://ann:secret@host/0")
    found = config.load_config("env")
    assert found.threaded_worker.max_workers == 2
    assert found.to_dict()["celery_worker"]["broker_url"] == "redis://…@host/0"


def test_003_the_monitor_its_alerts_and_retries(run: Any, tmp_path: Path) -> None:
    said = run(
        """
from datetime import timedelta
import tidemill
from tidemill.compat.background import get_task_manager, TaskStatus
from tidemill.compat.monitor import get_task_monitor
def my_task(x): return x
def problematic_task(): raise ValueError("always")
def unreliable_function():
    if tidemill.current().attempt < 3: raise ConnectionError("not yet")
    return "at last"
task_manager = get_task_manager()
ids = [task_manager.submit_task(my_task, n) for n in range(4)]
until(lambda: get_task_monitor().get_task_metrics("my_task")["successful_executions"] == 4)
""",
        text("003-monitor"),
        "alerts = []",
        text("003-alerts"),
        "monitor.add_alert_callback(lambda kind, data: alerts.append((kind, data['message'])))",
        text("003-retries"),
        """
failing = task_manager.submit_task(problematic_task, max_retries=0)
done = until(lambda: (task := task_manager.get_task(task_id)) and task.status is TaskStatus.COMPLETED and task)
assert (done.result, done.retry_count, done.max_retries) == ("at last", 2, 3)
until(lambda: any("problematic_task" in message for kind, message in alerts if kind == "error_rate"))
until(lambda: monitor.get_task_trends("problematic_task")["total_executions"])
""",
        text("003-trends"),
        'assert task_trends["success_rate"] == 0 and task_trends["failed_executions"] == 1, task_trends',
    )
    assert "Success rate: 100.00%" in said
    assert re.search(r"Tasks in queue: \d+", said)
    assert re.search(r"Tasks last hour: [1-9]", said)
    assert re.search(r"ALERT: .*problematic_task", said)
    assert "Error rate last 24h: 100.00%" in said
    assert json.loads((tmp_path / "metrics.json").read_text())


def test_003_tuning_and_debugging(run: Any) -> None:
    run(
        "from tidemill.compat.background import BackgroundTaskManager\n"
        "from tidemill.compat.config import BackgroundTaskConfig, MonitoringConfig",
        text("003-threads"),
        "assert task_manager.client.queues.get('background').max_queued == 1000",
        text("003-memory"),
        "assert config.to_dict()['monitoring']['export_interval_seconds'] == 1800",
        text("003-debug"),
        "assert task_manager.get_stats()['worker_type'] == 'threaded'",
    )


def test_003_flask(run: Any) -> None:
    run(
        "from tidemill.compat.background import TaskPriority\ndef process_data(data): return {'seen': data['n']}",
        text("003-flask"),
        """
client = app.test_client()
made = client.post("/submit_task", json={"n": 7}).get_json()
ask = lambda: client.get(f"/task_status/{made['task_id']}").get_json()
found = until(lambda: (answer := ask())["status"] == "completed" and answer)
assert found == {"status": "completed", "result": {"seen": 7}}, found
assert get_task_manager().get_task(made["task_id"]).name == "api_task"
assert get_task_manager().get_task(made["task_id"]).priority is TaskPriority.HIGH
""",
    )


def test_003_django(run: Any) -> None:
    run(
        """
from django.conf import settings
settings.configure(SECRET_KEY="x", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["testserver"])
import django
django.setup()
urlpatterns = []
def long_running_function(data): return data.upper()
""",
        text("003-django"),
        """
import json
from django.test import RequestFactory
from tidemill.compat.background import get_task_manager
answer = submit_task_view(RequestFactory().post("/tasks", {"data": "words"}))
made = json.loads(answer.content)["task_id"]
done = until(lambda: (task := get_task_manager().get_task(made)).status.value == "completed" and task)
assert (done.result, done.name) == ("WORDS", "django_task")
""",
    )


def test_003_the_reference_is_there() -> None:
    manager = "submit_task schedule_task_once schedule_task_interval get_task_status get_task cancel_task get_stats shutdown"
    numbers = "get_task_metrics get_system_metrics get_performance_summary get_task_trends export_metrics add_alert_callback"
    for cls, names in ((background.BackgroundTaskManager, manager), (monitor.TaskMonitor, numbers)):
        assert [name for name in names.split() if not callable(getattr(cls, name, None))] == []


def test_003_the_demonstration(server: Server) -> None:
    done = subprocess.run(
        [sys.executable, "demo_background_processing.py"],
        cwd=ROOT / "examples/python",
        env={**os.environ, "TIDEMILL_URL": server.url, "TIDEMILL_KEY": server.key},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert "they ran: critical, normal, low" in done.stdout
    assert done.stdout.splitlines()[-1] == "Done: tasks completed, 0 wait"


class Pages(http.server.BaseHTTPRequestHandler):
    """A site of two pages, the second with an error; and a model that says at once that a task is done."""

    def do_GET(self) -> None:
        """A page."""
        pages = {"/": "<a href='/two'>two</a>", "/two": "<script>throw new Error('planted')</script>"}
        body = f"<!doctype html><title>x</title><h1>x</h1>{pages.get(self.path, '')}".encode()
        self._answer(200 if self.path in pages else 404, "text/html", body)

    def do_POST(self) -> None:
        """The protocol of chat completions."""
        self.rfile.read(int(self.headers["Content-Length"]))
        call = {"name": "finish", "arguments": json.dumps({"success": True, "answer": "it is done"})}
        message = {"role": "assistant", "content": "x", "tool_calls": [{"id": "x", "type": "function", "function": call}]}
        answer = {
            "id": "1", "object": "chat.completion", "created": 1, "model": "scripted",
            "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10},
        }  # fmt: skip
        self._answer(200, "application/json", json.dumps(answer).encode())

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The site's address."""
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_address[1]}"
    serving.shutdown()


@pytest.fixture(scope="module")
def browsing(site: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose worker crawls and runs tasks of a model, in a real browser."""
    more = f"""
[bughive]
enabled = true
allow_private = true
page_delay = "0s"

[agent]
model = "scripted"
base_url = "{site}/v1"
api_key = "none"
allowed_hosts = ["127.0.0.1"]
allow_private = true
sandbox = false
"""
    server = Server(tmp_path_factory.mktemp("browsing"), more)
    yield server
    server.stop()


def test_004_a_crawl_and_its_session(run: Any, browsing: Server, site: str) -> None:
    said = run(
        # The address of the text is one to be put in.
        text("004-queuing").replace("https://example.com", site),
        """
session_id = "uuid-here"
from tidemill.compat.sessions import SessionManager
found = until(lambda: (state := SessionManager().get_session_state(session_id))["status"] == "completed" and state, 180)
assert found["pages_crawled"] == 2, found
""",
        text("004-progress"),
        "task_id = task.id",
        text("004-cancellation"),
        "assert task.refresh().state == 'completed'",
        at=browsing,
    )
    assert re.search(r"Task queued: [0-9a-f-]{36}", said)
    assert "Status: completed\nPages crawled: 2\nBugs found: 1" in said, said


def test_004_a_running_crawl_is_cancelled(run: Any, server: Server) -> None:
    run(
        """
import tidemill
task_id = tidemill.Client().enqueue("nobody.serves", queue="nobody").id
""",
        text("004-cancellation"),
        "assert tidemill.Client().get(task_id).state == 'cancelled'",
    )


def test_004_a_session_of_a_crawl_of_ones_own(client: tidemill.Client, start_worker: Any) -> None:
    worker = start_worker("crawls", "--queue", "own-crawl")
    manager = SessionManager(client)
    job = client.enqueue("own.crawl", {"session_id": "own-1", "pages": 3}, queue="own-crawl", execution_id="own-1")
    state = until(lambda: (found := manager.get_session_state("own-1")) and found["status"] == "completed" and found)
    assert (state["pages_crawled"], state["bugs_found"], state["job_id"]) == (3, 1, job.id)
    assert worker.process.poll() is None
    bad = client.enqueue(
        "own.crawl", {"session_id": "other", "pages": 1}, queue="own-crawl", execution_id="own-2", max_attempts=1
    )
    state = until(lambda: (found := manager.get_session_state("own-2")) and found["status"] == "failed" and found)
    assert "not that of the session other" in (state["error"] or "")
    assert bad.id == state["job_id"]
    assert manager.get_session_state("nobody") is None


def test_000_a_task_of_a_model(run: Any, browsing: Server) -> None:
    said = run(
        text("000-delay"),
        """
assert result.get("120s")["answer"] == "it is done"
import tidemill
assert tidemill.Client().get("execution:test-123").id == result.id
""",
        at=browsing,
    )
    assert re.match(r"[0-9a-f-]{36}\n", said), said
