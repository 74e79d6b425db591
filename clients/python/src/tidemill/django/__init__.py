"""A backend of Django's tasks that keeps them in Postgres, written on Django's own connection: a task commits with the rows
of its transaction, or vanishes with it. For `django.tasks` (Django 6), and the package django-tasks on older versions.
"""

from .backend import TidemillBackend
from .task import TidemillTask

__all__ = ["TidemillBackend", "TidemillTask"]
