"""Its settings; the database is that of the test server, DATABASE_URL."""

import os
from urllib.parse import urlsplit

import django


def parts(url: str) -> dict[str, object]:
    """The database at a URL, as Django wants it."""
    where = urlsplit(url)
    names = {"NAME": where.path.lstrip("/"), "HOST": where.hostname, "PORT": where.port, "USER": where.username}
    return {"ENGINE": "django.db.backends.postgresql", **names, "PASSWORD": where.password}


SECRET_KEY = "tests"
USE_TZ = True
DATABASES = {"default": parts(os.environ.get("DATABASE_URL", "postgres://nowhere"))}
INSTALLED_APPS = ["tidemill.django", "project.shop"]
if django.VERSION < (6, 0):
    INSTALLED_APPS += ["django_tasks"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TASKS = {
    "default": {
        "BACKEND": "tidemill.django.TidemillBackend",
        "QUEUES": ["default", "slow", "quiet"],
        "OPTIONS": {"modules": ["project.shop.more"]},
    }
}
