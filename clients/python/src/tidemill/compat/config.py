"""The configuration of the task manager and its monitor: from a YAML file, from variables `BG_*`, or the defaults. Keys
that Tidemill does not need (brokers, intervals) are accepted without effect. Must never accept an unknown key.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

FILES = ("omni_dev_bg_config.yaml", "omni_dev_bg_config.yml", "config/omni_dev_bg_config.yaml")
_VARIABLES = {
    "BG_WORKER_TYPE": "worker_type",
    "BG_THREADED_MAX_WORKERS": "threaded_worker.max_workers",
    "BG_THREADED_QUEUE_SIZE": "threaded_worker.queue_size",
    "CELERY_BROKER_URL": "celery_worker.broker_url",
    "CELERY_RESULT_BACKEND": "celery_worker.result_backend",
    "BG_MONITORING_ENABLED": "monitoring.enabled",
    "BG_MONITORING_ERROR_THRESHOLD": "monitoring.error_rate_threshold",
    "BG_LOG_LEVEL": "log_level",
}
_YES, _NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


@dataclass
class ThreadedWorkerConfig:
    """Tasks that run at once in this process, and how many may wait over all."""

    max_workers: int = 4
    queue_size: int = 100


@dataclass
class CeleryWorkerConfig:
    """Kept as it is: Postgres is the broker and the result backend."""

    broker_url: str = "redis://localhost:6379/0"
    result_backend: str = "redis://localhost:6379/0"
    default_queue: str = "omni_dev"
    priority_queue: str = "priority"


@dataclass
class MonitoringConfig:
    """The thresholds of the alerts: a share of failures, and seconds. History is kept by the server."""

    enabled: bool = True
    max_history_size: int = 1000
    alert_enabled: bool = True
    error_rate_threshold: float = 0.1
    avg_execution_time_threshold: float = 300.0
    export_enabled: bool = False
    export_interval_seconds: int = 1800


@dataclass
class SchedulerConfig:
    """Kept as it is: the server sleeps until the next time."""

    enabled: bool = True
    check_interval_seconds: float = 1.0


@dataclass
class BackgroundTaskConfig:
    """All of it."""

    worker_type: str = "threaded"
    threaded_worker: ThreadedWorkerConfig = field(default_factory=ThreadedWorkerConfig)
    celery_worker: CeleryWorkerConfig = field(default_factory=CeleryWorkerConfig)
    monitoring: MonitoringConfig = field(default_factory=MonitoringConfig)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    log_level: str = "INFO"
    shutdown_timeout_seconds: float = 30.0

    def to_dict(self) -> dict[str, Any]:
        """As plain values, without the passwords of addresses."""
        values = dataclasses.asdict(self)
        for name in ("broker_url", "result_backend"):
            values["celery_worker"][name] = _without_password(values["celery_worker"][name])
        return values


def load_config(source: str | os.PathLike[str] | None = None) -> BackgroundTaskConfig:
    """The configuration of a YAML file, or with "env" of the variables. Raises ValueError for what it does not know."""
    if source is None:
        return auto_load_config()
    if source == "env":
        return _of_variables()
    return _of_file(Path(source))


def auto_load_config() -> BackgroundTaskConfig:
    """Of the variables where OMNI_DEV_BG_USE_ENV is true, else of the first file of `FILES` in the working folder."""
    if os.environ.get("OMNI_DEV_BG_USE_ENV", "").lower() in _YES:
        return _of_variables()
    found = next((path for path in map(Path, FILES) if path.exists()), None)
    return BackgroundTaskConfig() if found is None else _of_file(found)


def _of_file(path: Path) -> BackgroundTaskConfig:
    try:
        import yaml
    except ImportError:
        raise ImportError("a configuration in YAML needs PyYAML: pip install 'tidemill[yaml]'") from None
    values = yaml.safe_load(path.read_text()) or {}
    return _build(BackgroundTaskConfig, values, str(path))


def _of_variables() -> BackgroundTaskConfig:
    values: dict[str, Any] = {}
    for variable, place in _VARIABLES.items():
        if os.environ.get(variable):
            *parts, last = place.split(".")
            inner = values
            for part in parts:
                inner = inner.setdefault(part, {})
            inner[last] = os.environ[variable]
    return _build(BackgroundTaskConfig, values, "the environment")


def _build(cls: type[T], values: Any, where: str) -> T:
    if not isinstance(values, Mapping):
        raise ValueError(f"{where}: {values!r} must be a mapping")
    hints = typing.get_type_hints(cls)
    for name in values:
        if name not in hints:
            near = difflib.get_close_matches(str(name), hints, 1)
            meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(hints)}"
            raise ValueError(f"{where}: there is no setting {name}; {meant}")
    return cls(**{name: _read(hints[name], value, f"{where}: {name}") for name, value in values.items()})


def _read(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast("type[Any]", hint), value, where)
    if hint is bool and isinstance(value, str) and value.lower() in (*_YES, *_NO):
        return value.lower() in _YES
    try:
        if hint is bool and not isinstance(value, bool):
            raise ValueError
        return hint(value)
    except (TypeError, ValueError):
        raise ValueError(f"{where} is {value!r}; it must be a {hint.__name__}") from None


def _without_password(url: str) -> str:
    head, at, tail = url.rpartition("@")
    return f"{head.split('://')[0]}://…@{tail}" if at else url
