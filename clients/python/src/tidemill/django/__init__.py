"""A backend for Django's tasks that stores them in Postgres, over Django's own connection: a task is committed or
rolled back with the transaction that enqueues it. For `django.tasks` (Django 6), and the package django-tasks on older
versions.
"""

from .backend import TidemillBackend
from .task import TidemillTask

__all__ = ["TidemillBackend", "TidemillTask"]
