"""The task manager of an older system: each text in `seeds/` runs as it stands, on a real server, with other imports and
nothing else. What it takes for granted (functions, a file) stands before it, and what must have come of it behind it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from seed_texts import IMPORTS, ORIGINALS, SEEDS, text
from server import ROOT, Server

from tidemill.compat import background, config, monitor


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
    with pytest.raises(ValueError, match="max_workers is 'many'; it must be a int"):
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
