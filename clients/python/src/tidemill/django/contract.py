"""The parts of Django's tasks, each under one name: from `django.tasks` if Django has it, otherwise from the package
django-tasks, which uses other names for some. No other module of this package may check which it is.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import django

ROOT = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"

_root: Any = import_module(ROOT)
_base: Any = import_module(f"{ROOT}.base")
_exceptions: Any = import_module(f"{ROOT}.exceptions")
_signals: Any = import_module(f"{ROOT}.signals")
_json: Any = import_module("django.utils.json" if ROOT == "django.tasks" else "django_tasks.utils")

BaseTaskBackend: Any = import_module(f"{ROOT}.backends.base").BaseTaskBackend
ImmediateBackend: Any = import_module(f"{ROOT}.backends.immediate").ImmediateBackend
DummyBackend: Any = import_module(f"{ROOT}.backends.dummy").DummyBackend
Task: Any = _base.Task
TaskContext: Any = _base.TaskContext
TaskError: Any = _base.TaskError
TaskResult: Any = _base.TaskResult
TaskResultStatus: Any = _base.TaskResultStatus
TaskResultDoesNotExist: Any = _exceptions.TaskResultDoesNotExist
InvalidTask: Any = getattr(_exceptions, "InvalidTask", None) or _exceptions.InvalidTaskError
task_backends: Any = _root.task_backends
task_enqueued: Any = _signals.task_enqueued
task_started: Any = _signals.task_started
task_finished: Any = _signals.task_finished
normalize_json: Any = _json.normalize_json
