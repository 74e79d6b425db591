"""What `manage.py check` says of a backend."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.core import checks
from django.core.management import call_command
from django.db import connections

from tidemill.django import TidemillBackend


def found(**options: Any) -> list[checks.CheckMessage]:
    """The messages about a backend with these options."""
    return list(TidemillBackend("default", {"OPTIONS": options}).check())


@pytest.fixture
def other() -> Any:
    """Another database of the project, by its settings."""

    def add(**changes: Any) -> None:
        connections.settings["other"] = {**settings.DATABASES["default"], **changes}

    yield add
    if "other" in connections.settings:
        del connections["other"]
        del connections.settings["other"]


def test_a_good_project_is_good() -> None:
    assert found() == []
    call_command("check")


def test_a_schema_without_tidemill_is_an_error() -> None:
    [message] = found(schema="nowhere")
    assert message.id == "tidemill.E003"
    assert "tidemill migrate" in message.hint


def test_a_database_that_is_not_there_is_an_error() -> None:
    assert [message.id for message in found(database="other")] == ["tidemill.E001"]


def test_a_database_that_is_no_postgres_is_an_error(other: Any) -> None:
    other(ENGINE="django.db.backends.sqlite3", NAME=":memory:")
    assert [message.id for message in found(database="other")] == ["tidemill.E002"]


def test_a_database_that_does_not_answer_is_a_warning(other: Any) -> None:
    other(PORT=1)
    assert [message.id for message in found(database="other")] == ["tidemill.W001"]
