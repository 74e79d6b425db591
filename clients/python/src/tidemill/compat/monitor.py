"""The monitor of the task manager: statistics by task name, over all processes and also after restarts, because the
server counts them; and alerts, for which it calls functions of this process.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from .. import errors
from ..calls.call import Call, path
from ..client import Client
from ..documents import Counts, Point
from .background import get_task_manager
from .functions import kind_of

log = logging.getLogger("tidemill.compat")

AlertCallback = Callable[[str, dict[str, Any]], None]

# As long as the server counts at all.
_ALL_HOURS = 17_568
_LOOK_EVERY = 1.0
_RULE = "background-"


class TaskMonitor:
    """Names are those of tasks: `name=` of `submit_task`, else the function's."""

    def __init__(self, client: Client, error_rate: float | None = 0.1, average_time: float | None = 300.0) -> None:
        self.client = client
        self._thresholds = {"error_rate": error_rate, "average_time": average_time}
        self._callbacks: list[AlertCallback] = []
        self._told: set[Any] = set()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._lock = threading.Lock()

    def get_task_metrics(self, task_name: str | None = None) -> dict[str, Any]:
        """The numbers of a task; without a name of each by its name. A task that never ran has zeros."""
        found = {counts.kind: _metrics(counts) for counts in self.client.stats.kinds(_ALL_HOURS)}
        if task_name is None:
            return found
        return found.get(kind_of(print, task_name), _metrics(None))

    def get_system_metrics(self) -> dict[str, Any]:
        """What waits, what runs, and how busy the workers are (0 to 1)."""
        system = self.client.stats.now().system
        return {
            "tasks_in_queue": system.queued,
            "active_tasks": system.active,
            "workers": system.workers,
            "worker_slots": system.slots,
            "worker_utilization": system.utilisation,
            "memory_bytes": system.memory_bytes,
        }

    def get_performance_summary(self, time_window: timedelta = timedelta(hours=1)) -> dict[str, Any]:
        """The numbers of the last time, and those of each task."""
        summary = self.client.stats.summary(time_window)
        return {
            "total_tasks": summary.executions,
            "tasks_per_minute": summary.executions_per_minute,
            "time_window_seconds": summary.seconds,
            **_metrics(summary),
            "by_task": {counts.kind: _metrics(counts) for counts in summary.kinds},
        }

    def get_task_trends(self, task_name: str, hours: int = 24) -> dict[str, Any]:
        """The numbers of a task in the last hours, and those of each hour. `success_rate` is 1 where nothing ran."""
        kind = kind_of(print, task_name)
        counts = next((each for each in self.client.stats.kinds(hours) if each.kind == kind), None)
        points = self.client.stats.trends(hours, kind)
        trends = [{"at": point.at, **_metrics(point)} for point in points]
        return {"task_name": task_name, "hours": hours, **_metrics(counts), "trends": trends}

    def export_metrics(self, format: str = "json", hours: int = 24) -> str:
        """The counts of each minute as a text, `json` or `csv`."""
        params = {"format": format, "since": f"{hours}h"}
        return self.client.send(Call("GET", path("stats", "export"), lambda answer: answer.text, params=params, wait=30.0))

    def add_alert_callback(self, callback: AlertCallback) -> None:
        """Calls `callback(type, data)` from a thread for each alert that fires from now on.

        `data` has `message`, `value`, `above`, `subject`, `rule` and `fired_at`. Sets
        the rules of the configuration at the server, for which the key has to be an admin's.
        """
        with self._lock:
            self._callbacks.append(callback)
            if self._thread is None:
                self._set_rules()
                self._told = {alert["id"] for alert in self._alerts()}
                self._thread = threading.Thread(target=self._watch, name="tidemill-alerts", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Delivers no more alerts."""
        self._closed.set()

    def _set_rules(self) -> None:
        for condition, above in self._thresholds.items():
            if above is not None:
                body = {"condition": condition, "above": above, "over": "15m", "hold": "0s"}
                at = path("alert-rules", _RULE + condition)
                self.client.send(Call("PUT", at, lambda answer: None, body))

    def _alerts(self) -> list[dict[str, Any]]:
        call: Call[list[dict[str, Any]]] = Call(
            "GET", path("alerts"), lambda answer: answer.json()["items"], params={"limit": 1000}
        )
        # One that is pending has not fired yet.
        return [alert for alert in self.client.send(call) if alert["fired_at"]]

    def _watch(self) -> None:
        while not self._closed.wait(_LOOK_EVERY):
            try:
                alerts = [alert for alert in self._alerts() if alert["id"] not in self._told]
            except errors.TidemillError as error:
                log.warning("the alerts cannot be read: %s", error)
                continue
            for alert in reversed(alerts):
                self._told.add(alert["id"])
                self._tell(alert)

    def _tell(self, alert: dict[str, Any]) -> None:
        for callback in list(self._callbacks):
            try:
                callback(alert["rule"].removeprefix(_RULE), alert)
            except Exception:
                log.exception("an alert callback failed")


def _metrics(counts: Counts | Point | None) -> dict[str, Any]:
    executions = counts.executions if counts else 0
    return {
        "total_executions": executions,
        "successful_executions": counts.completed if counts else 0,
        "failed_executions": executions - counts.completed if counts else 0,
        "success_rate": 1.0 if counts is None or counts.success_rate is None else counts.success_rate,
        "error_rate": 0.0 if counts is None or counts.error_rate is None else counts.error_rate,
        "avg_execution_time": counts.average_run_seconds if counts else None,
        "min_execution_time": counts.least_run_seconds if counts else None,
        "max_execution_time": counts.most_run_seconds if counts else None,
        "retries": counts.retried if counts else 0,
    }


_monitor: TaskMonitor | None = None
_monitor_lock = threading.Lock()


def get_task_monitor() -> TaskMonitor:
    """The one monitor of this process, with the thresholds of the configuration."""
    from .config import auto_load_config

    global _monitor
    with _monitor_lock:
        if _monitor is None:
            limits = auto_load_config().monitoring
            _monitor = TaskMonitor(
                get_task_manager().client,
                limits.error_rate_threshold if limits.alert_enabled else None,
                limits.avg_execution_time_threshold if limits.alert_enabled else None,
            )
        return _monitor
