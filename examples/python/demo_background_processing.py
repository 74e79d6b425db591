"""A demonstration of the task manager: tasks in threads of this process, priorities and retries, schedules, numbers, alerts,
an orchestrator, and the configuration. What is submitted is in Postgres, so a task outlives this process.

    pip install ./clients/python PyYAML
    tidemill dev &
    cd examples/python
    python demo_background_processing.py

The server and the key come from TIDEMILL_URL and TIDEMILL_KEY; the key is to be an admin's, for this sets an alert rule.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import tidemill
from tidemill.compat.background import BackgroundTaskManager, TaskPriority, TaskStatus
from tidemill.compat.config import BackgroundTaskConfig, auto_load_config
from tidemill.compat.monitor import TaskMonitor
from tidemill.compat.orchestration import Orchestrator, phase

order: list[str] = []


def calculate(x: int, y: int) -> int:
    """The simplest task."""
    return x + y


def unreliable() -> str:
    """Works at the third attempt."""
    attempt = tidemill.current().attempt
    if attempt < 3:
        raise ConnectionError(f"attempt {attempt} found nobody")
    return f"attempt {attempt} worked"


def hopeless() -> None:
    """Never works."""
    raise ValueError("this never works")


def note(name: str) -> None:
    """Writes down when it ran."""
    order.append(name)


def endless() -> None:
    """Runs until it is cancelled."""
    while not tidemill.current().cancelled():
        time.sleep(0.05)


def tick(mark: str) -> str:
    """A recurring task."""
    return f"{mark} at {datetime.now():%H:%M:%S}"


def wait(manager: BackgroundTaskManager, task_id: str, *wanted: TaskStatus, seconds: float = 60) -> TaskStatus:
    """Waits until a task has one of these statuses, by default until it has ended."""
    ends = wanted or (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED)
    deadline = time.monotonic() + seconds
    while (status := manager.get_task_status(task_id)) not in ends:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the task {task_id} is {status.value} after {seconds:.0f} s")
        time.sleep(0.05)
    return status


def until(look: Callable[[], object], seconds: float = 90) -> object:
    """The first answer that is true."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come")
        time.sleep(0.1)
    return found


def basic(manager: BackgroundTaskManager) -> None:
    """Submit, ask, get, cancel."""
    task_id = manager.submit_task(calculate, 10, 20, name="calculation", priority=TaskPriority.NORMAL)
    wait(manager, task_id)
    task = manager.get_task(task_id)
    assert task is not None
    print(f"  calculation: {task.status.value}, {task.result} after {task.execution_time:.3f} s")
    task_id = manager.submit_task(endless)
    wait(manager, task_id, TaskStatus.RUNNING)
    print(f"  endless: cancelled is {manager.cancel_task(task_id)}, then {wait(manager, task_id).value}")


def priorities_and_retries(manager: BackgroundTaskManager) -> None:
    """What is urgent goes first; what fails is tried again."""
    manager.client.queues.pause(manager.queue)
    named = {"low": TaskPriority.LOW, "normal": TaskPriority.NORMAL, "critical": TaskPriority.CRITICAL}
    ids = [manager.submit_task(note, name, name="note", priority=priority) for name, priority in named.items()]
    manager.client.queues.resume(manager.queue)
    for task_id in ids:
        wait(manager, task_id)
    print(f"  order of submission: {', '.join(named)}; they ran: {', '.join(order)}")
    task_id = manager.submit_task(unreliable, name="might_fail", max_retries=3, timeout=30)
    wait(manager, task_id)
    task = manager.get_task(task_id)
    assert task is not None
    print(f"  might_fail: {task.result}, {task.retry_count} retries of {task.max_retries}")


def schedules(manager: BackgroundTaskManager) -> None:
    """Once, and again and again."""
    once = manager.schedule_task_once(calculate, datetime.now() + timedelta(seconds=1), 5, 10, name="calculation")
    print(f"  once: {manager.get_task_status(once).value}, then {wait(manager, once).value}")
    every = manager.schedule_task_interval(tick, timedelta(seconds=1), "tick")
    ran = until(lambda: (task := manager.get_task(every)) and task.result and task)
    print(f"  every second: {ran.result}")  # type: ignore[attr-defined]
    print(f"  ended: {manager.cancel_task(every)}")


def monitoring(manager: BackgroundTaskManager) -> None:
    """Numbers and alerts."""
    monitor = TaskMonitor(manager.client, error_rate=0.1, average_time=300)
    alerts: list[str] = []
    monitor.add_alert_callback(lambda kind, data: alerts.append(f"{kind}: {data['message']}"))
    # A name of its own in each run: an alert that is open since the last one does not fire again.
    name = f"hopeless-{datetime.now():%H%M%S}"
    task_id = manager.submit_task(hopeless, name=name, max_retries=0)
    wait(manager, task_id)
    task = manager.get_task(task_id)
    assert task is not None
    print(f"  hopeless: {task.status.value}, {task.error}")
    metrics: dict[str, object] = {}

    def counted() -> object:
        metrics.update(monitor.get_task_metrics("might_fail"))
        return metrics["successful_executions"]

    until(counted)
    print(f"  might_fail: {metrics['successful_executions']} of {metrics['total_executions']} attempts worked")
    system = monitor.get_system_metrics()
    print(f"  the system: {system['tasks_in_queue']} wait, {system['active_tasks']} run")
    summary = monitor.get_performance_summary(timedelta(hours=1))
    print(f"  the last hour: {summary['total_tasks'] > 0 and 'there were tasks'}")
    print(f"  the export is JSON: {monitor.export_metrics(format='json')[:1] in '[{'}")
    until(lambda: any(name in text for text in alerts))
    print("  an alert: the error rate of hopeless")
    monitor.close()


@phase("plan")
def plan(request: str) -> str:
    """The first phase."""
    return f"a plan for: {request}"


@phase("build")
def build(request: str) -> str:
    """The second one."""
    return f"built: {request}"


def orchestrator(manager: BackgroundTaskManager) -> None:
    """Phases that wait for one another."""
    ids = Orchestrator(use_background_processing=True, manager=manager).execute("a web API with authentication")
    for name, task_id in zip(("plan", "build"), ids, strict=True):
        wait(manager, task_id)
        task = manager.get_task(task_id)
        assert task is not None
        print(f"  {name}: {task.result}")


def configuration() -> None:
    """From a file or from the environment."""
    config = auto_load_config()
    print(f"  found: {config.worker_type}, {config.threaded_worker.max_workers} workers")
    print(f"  by default: {BackgroundTaskConfig().to_dict()['threaded_worker']}")


def main() -> None:
    """All of it, one after the other."""
    manager = BackgroundTaskManager(worker_type="threaded", max_workers=1, queue_size=1000, retry_delay=0.2)
    try:
        for title, show in (
            ("Tasks in threads", basic),
            ("Priorities and retries", priorities_and_retries),
            ("Schedules", schedules),
            ("Monitoring", monitoring),
            ("Orchestrator", orchestrator),
        ):
            print(title)
            show(manager)
        print("Configuration")
        configuration()
        stats = manager.get_stats()
        print(f"Done: {stats['completed'] > 0 and 'tasks completed'}, {stats['queue_size']} wait")
    finally:
        manager.shutdown()


if __name__ == "__main__":
    main()
