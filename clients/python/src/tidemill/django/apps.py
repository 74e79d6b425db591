"""The Django application: in INSTALLED_APPS it adds `manage.py tidemill_worker`."""

from django.apps import AppConfig


class TidemillConfig(AppConfig):
    """`tidemill.django` in INSTALLED_APPS."""

    name = "tidemill.django"
    label = "tidemill"
    verbose_name = "Tidemill"
