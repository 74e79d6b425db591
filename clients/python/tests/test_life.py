"""A worker's own life: shutdown, kill -9, a server that is away, several queues, drains, and its command line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from running import RunningWorker, began, until
from server import Server

import tidemill

Start = Callable[..., RunningWorker]


@pytest.mark.parametrize("kind", ["loop", "loop.process", "loop.async", "deaf", "deaf.process"])
def test_a_shutdown_hands_back_at_no_cost(
    kind: str, start_worker: Start, queue: str, tmp_path: Path, client: tidemill.Client
) -> None:
    worker = start_worker("tasks", "--queue", queue, "--grace", "200ms")
    job = client.enqueue(kind, {"mark": str(tmp_path / "mark")}, queue=queue)
    began(tmp_path / "mark")
    worker.terminate()
    assert worker.wait() == 0
    found = client.get(job.id)
    assert (found.state, found.attempt, found.error) == ("available", 0, None)
    assert client.attempts(job.id) == []
    client.cancel(job.id)


def test_a_shutdown_waits_for_what_ends_within_its_grace(
    start_worker: Start, queue: str, tmp_path: Path, client: tidemill.Client
) -> None:
    worker = start_worker("tasks", "--queue", f"{queue}=1", "--grace", "120s")
    job = client.enqueue("quiet", {"mark": str(tmp_path / "mark"), "seconds": 2}, queue=queue)
    began(tmp_path / "mark")
    later = client.enqueue("add", {"a": 1}, queue=queue)
    worker.terminate()
    assert worker.wait() == 0
    assert client.get(job.id).state == "completed"
    assert client.get(later.id).state == "available"


def test_a_second_signal_cuts_the_grace_short(
    start_worker: Start, queue: str, tmp_path: Path, client: tidemill.Client
) -> None:
    worker = start_worker("tasks", "--queue", queue, "--grace", "10m")
    job = client.enqueue("loop", {"mark": str(tmp_path / "mark"), "seconds": 300}, queue=queue)
    began(tmp_path / "mark")
    worker.terminate()
    until(lambda: "stops" in worker.output())
    worker.terminate()
    assert worker.wait() == 0
    assert client.get(job.id).state == "available"
    assert (tmp_path / "mark.stopped").read_text() == "SHUTDOWN"


def test_a_killed_worker_costs_an_attempt_and_its_processes_end(
    killed: tuple[str, int], start_worker: Start, client: tidemill.Client
) -> None:
    job, child = killed
    stat = Path(f"/proc/{child}/stat")
    until(lambda: not stat.exists() or "(python" not in stat.read_text())
    found = until(lambda: (found := client.get(job)).state != "running" and found, "the sweep")
    assert (found.state, found.attempt, found.queue, found.max_attempts) == ("available", 1, "killed", 3)
    lost = next(client.history(job))
    assert lost.type == "lease_lost"
    # After the task's backoff: the server's own is five seconds.
    assert lost.at is not None
    assert found.run_at is not None
    assert abs((found.run_at - lost.at).total_seconds() - 3600) < 60
    start_worker("tasks", "--queue", found.queue)
    client.run_now(job)
    until(lambda: client.get(job).state == "running")
    client.cancel(job)
    assert client.wait(job, "120s").attempt == 2


def test_a_restart_of_the_server_costs_nothing(
    server: Server, start_worker: Start, queue: str, tmp_path: Path, client: tidemill.Client
) -> None:
    worker = start_worker("tasks", "--queue", f"{queue}=8")
    goes_on = client.enqueue("loop", {"mark": str(tmp_path / "on"), "seconds": 8}, queue=queue)
    ends_unheard = client.enqueue("quiet", {"mark": str(tmp_path / "quiet"), "seconds": 1.5}, queue=queue)
    watched = client.enqueue("loop", {"mark": str(tmp_path / "watched"), "seconds": 300}, queue=queue)
    stream = client.events(watched.id)
    assert next(stream).type == "snapshot"
    for name in ("on", "quiet", "watched"):
        began(tmp_path / name)
    waited: list[tidemill.Job] = []
    waiting = threading.Thread(target=lambda: waited.append(client.wait(goes_on.id, "250s")), daemon=True)
    waiting.start()
    time.sleep(0.5)
    server.stop()
    time.sleep(2)
    server.start()
    unheard = client.wait(ends_unheard.id, "120s")
    assert (unheard.state, unheard.attempt) == ("completed", 1)
    assert client.result(goes_on.id, "120s") == "whole"
    assert client.get(goes_on.id).attempt == 1
    waiting.join()
    assert [job.state for job in waited] == ["completed"]
    client.cancel(watched.id)
    rest = [event for event in stream if event.type != "snapshot"]
    assert [event.type for event in rest][-2:] == ["cancel_requested", "cancelled"]
    # A server that was away for longer than a lease has had jobs handed back meanwhile; no event is missing.
    assert [event.seq for event in rest[:-1]] == list(range(1, len(rest)))
    assert client.result(client.enqueue("add", {"a": 1}, queue=queue).id, "120s") == 2
    assert worker.process.poll() is None


def test_queues_have_slots_of_their_own(start_worker: Start, queue: str, tmp_path: Path, client: tidemill.Client) -> None:
    start_worker("tasks", "--queue", f"{queue}-a=1", "--queue", f"{queue}-b=2")
    jobs = [
        client.enqueue("loop", {"mark": str(tmp_path / f"{lane}{number}"), "seconds": 300}, queue=f"{queue}-{lane}")
        for lane in "ab"
        for number in range(3)
    ]
    until(lambda: len(list(tmp_path.glob("*.began"))) == 3)
    assert client.queues.get(f"{queue}-a").running == 1
    assert client.queues.get(f"{queue}-b").running == 2
    for job in jobs:
        client.cancel(job.id)
    assert {client.wait(job.id, "120s").state for job in jobs} == {"cancelled"}


def test_jobs_that_were_claimed_ahead_and_wait_are_handed_back(
    start_worker: Start, queue: str, tmp_path: Path, client: tidemill.Client
) -> None:
    start_worker("tasks", "--queue", f"{queue}=1")
    quick = [client.enqueue("add", {"a": 1}, queue=queue) for _ in range(5)]
    assert [client.result(job.id, "120s") for job in quick] == [2] * 5
    long = client.enqueue("loop", {"mark": str(tmp_path / "long"), "seconds": 300}, queue=queue, priority=1)
    began(tmp_path / "long")
    behind = [client.enqueue("add", {"a": 2}, queue=queue) for _ in range(5)]
    start_worker("tasks", "--queue", f"{queue}=1")
    assert [client.result(job.id, "120s") for job in behind] == [3] * 5
    assert {client.get(job.id).attempt for job in behind} == {1}
    client.cancel(long.id)


def test_a_worker_that_is_to_drain_claims_no_more(start_worker: Start, queue: str, client: tidemill.Client) -> None:
    name = f"drained-{queue}"
    start_worker("tasks", "--queue", queue, "--name", name)
    assert client.result(client.enqueue("add", {"a": 1}, queue=queue).id, "120s") == 2
    client.workers.drain(name)
    until(lambda: [worker.state for worker in client.workers.list() if worker.name == name] == ["draining"])
    job = client.enqueue("add", {"a": 1}, queue=queue)
    other = start_worker("tasks", "--queue", queue)
    assert client.wait(job.id, "120s").worker_id != name
    assert other.process.poll() is None


def test_a_program_may_have_more_kinds_than_a_claim(start_worker: Start, queue: str, client: tidemill.Client) -> None:
    start_worker("many", "--queue", queue)
    jobs = [client.enqueue(f"many.{number}", queue=queue) for number in (0, 99, 100, 149)]
    assert [client.result(job.id, "120s") for job in jobs] == [0, 99, 100, 149]


def test_a_worker_serves_the_app_that_is_named(start_worker: Start, client: tidemill.Client) -> None:
    start_worker("tasks:other")
    assert client.result(client.enqueue("other.only", queue="other").id, "120s") == "of the other app"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("no_such_module",), "No module named"),
        (("tasks:nobody",), "has no nobody"),
        (("empty",), "there are no tasks"),
        (("tasks", "--queue", "a=x"), "is no queue with slots"),
    ],
)
def test_what_cannot_be_started_says_why(words: tuple[str, ...], message: str, start_worker: Start) -> None:
    worker = start_worker(*words)
    assert worker.wait() == 2
    assert message in worker.output()


def test_a_key_that_may_not_work_is_named(server: Server, queue: str) -> None:
    worker = RunningWorker(server.url, server.make_key("read"), "tasks", "--queue", queue)
    try:
        until(lambda: "refuses this worker" in worker.output())
        assert "work" in worker.output().split("refuses this worker")[1]
    finally:
        worker.end()


def test_reload_starts_anew_when_a_file_changes(
    start_worker: Start, queue: str, tmp_path: Path, client: tidemill.Client
) -> None:
    module = tmp_path / "changing.py"
    source = "import tidemill\n\n@tidemill.task('changing')\ndef changing() -> str:\n    return 'VALUE'\n"
    module.write_text(source.replace("VALUE", "first"))
    worker = start_worker("changing", "--queue", queue, "--reload", folder=tmp_path)
    assert client.result(client.enqueue("changing", queue=queue).id, "120s") == "first"
    until(lambda: "claims" in worker.output())
    module.write_text(source.replace("VALUE", "second"))
    until(lambda: worker.output().count("claims") == 2)
    assert client.result(client.enqueue("changing", queue=queue).id, "120s") == "second"


def test_a_process_is_replaced_after_so_many_jobs(start_worker: Start, queue: str, client: tidemill.Client) -> None:
    start_worker("tasks", "--queue", f"{queue}=1", "--max-tasks-per-child", "1")
    pids = [client.result(client.enqueue("pid", queue=queue).id, "120s") for _ in range(3)]
    assert len(set(pids)) == 3
