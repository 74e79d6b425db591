"""Steps, cursors, sleeps, signals and children of a running job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from apps import tasks
from running import until

import tidemill

pytestmark = pytest.mark.usefixtures("shared_worker")


def test_a_step_is_not_done_again_and_its_output_is_whole(tmp_path: Path, client: tidemill.Client) -> None:
    handle = tasks.durable.delay(str(tmp_path / "mark"))
    handle.wait("120s")
    [step] = client.steps(handle.id)
    # People see it redacted; the function, which got it back from the server, had it whole.
    assert step.output == {"password": "[redacted]", "n": {1, 2}}
    assert handle.get()["times"] == 1
    assert handle.get()["output"]["n"] == {1, 2}
    assert handle.refresh().attempt == 2


def test_a_step_of_a_coroutine(tmp_path: Path) -> None:
    output, times, refusal = tasks.durable_async.delay(str(tmp_path / "mark")).get("120s")
    assert (output, times) == (7, 1)
    assert "await current().aio.step" in refusal


def test_a_cursor_goes_on_over_attempts(tmp_path: Path) -> None:
    assert tasks.durable_process.delay(str(tmp_path / "mark")).get("120s") == [2, 3]


def test_a_signal_wakes_a_job_that_waits_without_a_slot(client: tidemill.Client) -> None:
    handle = tasks.approve.delay()
    until(lambda: handle.refresh().state == "waiting")
    assert client.signal(handle.id, "approved", {"by": {"ada"}}) is True
    assert client.signal(handle.id, "approved", "again") is False
    assert handle.get("120s") == {"approved": {"by": {"ada"}}}
    assert handle.refresh().attempt == 1


def test_a_signal_that_does_not_come_in_time_is_none() -> None:
    assert tasks.approve.delay(0.5).get("120s") == {"approved": None}


@pytest.mark.parametrize("seconds", [0.2, 2.5])
def test_a_sleep_costs_no_attempt(seconds: float) -> None:
    assert tasks.sleepy.delay(seconds).get("120s") == 1


def test_a_snooze_costs_no_attempt(tmp_path: Path) -> None:
    assert tasks.snooze.delay(str(tmp_path / "mark")).get("120s") == "attempt 1"


def test_a_child_is_enqueued_once_for_its_name(client: tidemill.Client) -> None:
    one, again, two = tasks.spawn.delay().get("120s")
    assert one == again != two
    assert client.result(one, "120s") == 2
    assert client.get(two).args == {"a": 3}


def test_a_redacted_step_is_read_back_whole(client: tidemill.Client, tmp_path: Path) -> None:
    result: Any = tasks.durable.delay(str(tmp_path / "mark")).get("120s")
    # What a person reads of the result is redacted as well.
    assert result["output"]["password"] == "[redacted]"
