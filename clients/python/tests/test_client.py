"""Both clients against a real server: jobs, lists, events, groups, errors, and what is repeated."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from apps import tasks
from running import RunningWorker, until
from server import Server

import tidemill
from tidemill import errors


def test_a_job_is_enqueued_with_all_its_options(client: tidemill.Client, queue: str) -> None:
    run_at = datetime.now(timezone.utc) + timedelta(hours=1)
    job = client.enqueue(
        "nobody.serves",
        {"at": run_at},
        queue=queue,
        priority="high",
        run_at=run_at,
        max_attempts=7,
        soft_timeout="1m",
        hard_timeout=timedelta(minutes=2),
        execution_id=f"e-{queue}",
        tags=["a", "b"],
        metadata={"who": "ann"},
        retain="1d",
        concurrency_key=["tenant:1", "all"],
        fair_key="ann",
        expires_in="2h",
    )
    assert (job.queue, job.priority, job.max_attempts, job.tags) == (queue, 3, 7, ["a", "b"])
    assert job.args == {"at": run_at}
    assert (job.metadata, job.fair_key, sorted(job.concurrency_keys)) == ({"who": "ann"}, "ann", ["all", "tenant:1"])
    assert job.run_at is None or abs(job.run_at - run_at) < timedelta(seconds=1)
    assert client.get(f"execution:e-{queue}").id == job.id
    assert client.cancel(job.id).state == "cancelled"


def test_a_unique_job_is_there_once(client: tidemill.Client, queue: str) -> None:
    one = client.enqueue("nobody.serves", {"n": {2, 1}}, queue=queue, unique=True)
    two = client.enqueue("nobody.serves", {"n": {1, 2}}, queue=queue, unique=True)
    assert (one.existing, two.existing) == (False, True)
    assert one.id == two.id
    key = {"key": f"key-{queue}", "on_conflict": "reject", "window": "1h"}
    client.enqueue("nobody.serves", queue=queue, unique=key)
    with pytest.raises(errors.NotUnique) as refused:
        client.enqueue("nobody.serves", {"other": 1}, queue=queue, unique=key)
    assert refused.value.field == "/unique"
    assert refused.value.document["job"]["id"]


def test_many_jobs_are_answered_in_order(client: tidemill.Client, queue: str) -> None:
    items = client.enqueue_many(
        [
            {"kind": "nobody.serves", "queue": queue, "delay": "1h"},
            {"kind": "not a name"},
            {"kind": "nobody.serves", "queue": queue, "unique": f"many-{queue}"},
            {"kind": "nobody.serves", "queue": queue, "unique": f"many-{queue}"},
        ]
    )
    assert [item.status for item in items] == ["created", "refused", "created", "existing"]
    assert items[2].id == items[3].id
    assert items[0].job is None
    assert isinstance(items[1].problem, errors.InvalidRequest)
    assert items[1].problem.field == "/1/kind"
    whole = client.enqueue_many([{"kind": "nobody.serves", "queue": queue, "delay": "1h"}], documents=True)
    assert whole[0].job is not None
    assert (whole[0].job.id, whole[0].job.status) == (whole[0].id, "scheduled")


def test_the_same_idempotency_key_is_the_same_job(client: tidemill.Client, queue: str) -> None:
    first = client.enqueue("nobody.serves", {"n": 1}, queue=queue, idempotency_key=f"once-{queue}")
    again = client.enqueue("nobody.serves", {"n": 1}, queue=queue, idempotency_key=f"once-{queue}")
    assert first.id == again.id
    with pytest.raises(errors.IdempotencyKeyReused):
        client.enqueue("nobody.serves", {"n": 2}, queue=queue, idempotency_key=f"once-{queue}")


def test_lists_go_on_over_pages(client: tidemill.Client, queue: str) -> None:
    made = [item.id for item in client.enqueue_many([{"kind": "nobody.serves", "queue": queue}] * 205)]
    assert [job.id for job in client.list(queue=queue)] == sorted((id or "" for id in made), reverse=True)
    assert len(list(client.list(queue=queue, most=3))) == 3
    later = datetime.now(timezone.utc) + timedelta(hours=1)
    assert list(client.list(queue=queue, created_after=later)) == []
    assert list(client.list(queue=queue, state="running")) == []
    assert client.queues.purge(queue) == 205


def test_a_job_that_waits_is_acted_on(client: tidemill.Client, queue: str) -> None:
    job = client.enqueue("nobody.serves", {"n": 1}, queue=queue, delay="1h")
    assert client.run_now(job.id).status == "available"
    assert client.snooze(job.id, "2h").status == "scheduled"
    assert client.change(job.id, priority="low", tags=["late"]).tags == ["late"]
    assert client.explain(job.id).reasons[0].code
    assert client.cancel(job.id, "done with").state == "cancelled"
    with pytest.raises(tidemill.JobCancelled):
        client.result(job.id)
    assert client.retry(job.id).state == "available"
    fork = client.fork(job.id)
    assert (fork.args, fork.id != job.id) == ({"n": 1}, True)
    with pytest.raises(tidemill.WaitTimeout):
        client.wait(job.id, 0.2)
    client.delete(job.id)
    with pytest.raises(errors.JobNotFound, match="Check the id"):
        client.get(job.id)


def test_refusals_are_typed(client: tidemill.Client, server: Server, queue: str) -> None:
    client.enqueue("nobody.serves", queue=queue, execution_id=f"taken-{queue}")
    with pytest.raises(errors.InvalidRequest) as invalid:
        client.enqueue("nobody.serves", max_attempts=0)
    assert invalid.value.field == "/max_attempts"
    assert invalid.value.remedy
    assert invalid.value.status == 422
    client.queues.change(queue, max_queued=0)
    with pytest.raises(errors.QueueFull) as full:
        client.enqueue("nobody.serves", queue=queue)
    assert full.value.status == 429
    client.queues.change(queue, max_queued=None)
    client.queues.drain(queue)
    with pytest.raises(errors.QueueDraining):
        client.enqueue("nobody.serves", queue=queue)
    client.queues.resume(queue)
    with pytest.raises(errors.Unauthorized):
        tidemill.Client(server.url, "tm_wrong").queues.list()
    with pytest.raises(errors.Forbidden):
        tidemill.Client(server.url, server.worker_key).enqueue("nobody.serves")
    with pytest.raises(errors.NotFound):
        client.schedules.get("nobody")


def test_mistakes_are_named_before_anything_is_sent(client: tidemill.Client) -> None:
    with pytest.raises(TypeError, match="did you mean priority"):
        client.enqueue("a", prioritty=1)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="'soon' is not a duration"):
        client.enqueue("a", delay="soon")
    with pytest.raises(ValueError, match="has no time zone"):
        client.enqueue("a", run_at=datetime(2026, 1, 1))
    with pytest.raises(TypeError, match="tags is a list"):
        client.enqueue("a", tags="one")
    with pytest.raises(TypeError, match="object cannot be written"):
        client.enqueue("a", {"x": object()})


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(errors.ConnectionFailed, match=r"127\.0\.0\.1:9.*TIDEMILL_URL"):
        tidemill.Client("http://127.0.0.1:9").queues.list()


def test_a_client_is_good_after_a_fork(client: tidemill.Client, queue: str) -> None:
    client.enqueue("nobody.serves", queue=queue)
    child = os.fork()
    if child == 0:
        try:
            client.enqueue("nobody.serves", queue=queue)
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert len(list(client.list(queue=queue))) == 2


def test_events_are_followed_from_where_one_left(client: tidemill.Client, queue: str) -> None:
    job = client.enqueue("nobody.serves", queue=queue, delay="1h")
    client.snooze(job.id, "2h")
    stream = client.events(job.id)
    assert next(stream).type == "snapshot"
    client.snooze(job.id, "3h")
    first, snoozed = next(stream), next(stream)
    assert (first.type, first.seq) == ("snoozed", 1)
    assert (snoozed.type, snoozed.seq, snoozed.job_id) == ("snoozed", 2, job.id)
    client.cancel(job.id)
    assert [event.type for event in stream] == ["cancel_requested", "cancelled"]
    again = [event for event in client.events(job.id, after=snoozed.id) if event.type != "snapshot"]
    assert [event.type for event in again] == ["cancel_requested", "cancelled"]
    assert list(client.events(job.id, after=again[-1].id)) == []
    assert [event.type for event in client.history(job.id)] == ["snoozed", "snoozed", "cancel_requested"]
    assert [event.type for event in client.history(job.id, "snoozed")] == ["snoozed", "snoozed"]
    with pytest.raises(errors.JobNotFound):
        list(client.events("execution:nobody"))


def test_many_jobs_are_followed_in_one_stream(client: tidemill.Client, queue: str) -> None:
    jobs = [client.enqueue("nobody.serves", queue=queue).id for _ in range(3)]
    stream = client.follow(jobs=jobs)
    assert {next(stream).job_id for _ in jobs} == set(jobs)
    for job in jobs:
        client.cancel(job)
    ended: list[str | None] = []
    for event in stream:
        if event.type == "cancelled":
            ended.append(event.job_id)
        if len(ended) == 3:
            break
    assert sorted(map(str, ended)) == sorted(jobs)
    follower = client.follow(queues=[queue])
    seen: list[Any] = []
    thread = threading.Thread(target=lambda: seen.append(next(follower)), daemon=True)
    thread.start()
    until(lambda: client.enqueue("nobody.serves", queue=queue) and seen)
    assert seen[0].type == "snapshot"


def test_queues_and_numbers(client: tidemill.Client, queue: str) -> None:
    client.enqueue("nobody.serves", queue=queue)
    assert client.queues.pause(queue).paused_at is not None
    assert client.queues.resume(queue).paused_at is None
    changed = client.queues.change(queue, max_running=2, rate=10, per="2m", slots=3)
    assert (changed.max_running, changed.rate, changed.per_seconds, changed.slots) == (2, 10, 120, 3)
    assert queue in [found.name for found in client.queues.list()]
    stats = client.stats.now()
    assert stats.system.queued >= 1
    assert client.stats.summary().seconds > 0
    assert client.stats.trends(hours=1)
    assert isinstance(client.stats.kinds(), list)
    assert isinstance(client.workers.kinds(), list)
    assert client.workers.list()


def test_schedules(client: tidemill.Client, queue: str) -> None:
    made = client.schedules.set(
        queue,
        "nobody.serves",
        {"n": 1},
        cron="30 4 * * *",
        timezone="Europe/Berlin",
        overlap="skip",
        queue=queue,
        priority=2,
    )
    assert (made.cron, made.timezone, made.job["priority"]) == ("30 4 * * *", "Europe/Berlin", 2)
    assert len(made.upcoming) > 1
    assert client.schedules.pause(queue).paused_at is not None
    assert client.schedules.resume(queue).paused_at is None
    job = client.schedules.run(queue)
    assert client.get(job).args == {"n": 1}
    assert [slot.job_id for slot in client.schedules.slots(queue)] in ([job], [])
    assert queue in [found.name for found in client.schedules.list()]
    assert client.schedules.set(queue, "nobody.serves", every="90s", jitter=5).every_seconds == 90
    assert len(client.schedules.preview(3, every="1h")) == 3
    client.schedules.delete(queue)
    with pytest.raises(errors.NotFound):
        client.schedules.get(queue)


@pytest.mark.usefixtures("shared_worker")
def test_workflows(client: tidemill.Client, queue: str) -> None:
    made = client.workflows.create(
        name=queue,
        jobs=[
            {"name": "both", "group": [tasks.add.job(1), tasks.add.job(2)]},
            {**tasks.echo.job(0), "args": {}, "name": "last", "after": [{"job": "both", "as": "value"}]},
        ],
    )
    assert client.result(made.id, "120s") is not None
    whole = client.workflows.get(made.id)
    assert (whole.status, whole.name) == ("completed", queue)
    last = next(job for job in whole.jobs if job.name == "last")
    assert client.get(last.id).result["value"] == [2, 3]
    assert made.id in [found.id for found in client.workflows.list()]
    waiting = client.workflows.create(name=f"{queue}-2", chain=[{"kind": "nobody.serves", "queue": queue}])
    assert client.workflows.cancel(waiting.id).id == waiting.id
    until(lambda: client.get(waiting.id).state == "cancelled")


@pytest.mark.usefixtures("shared_worker")
def test_the_client_for_asyncio_does_the_same(server: Server, queue: str) -> None:
    async def use() -> None:
        async with tidemill.AsyncClient(server.url, server.key) as client:
            job = await client.enqueue("add", {"a": 1, "b": 4}, queue="shared")
            assert await client.result(job.id, "120s") == 5
            assert [event.type async for event in client.events(job.id)] == ["snapshot", "completed"]
            items = await client.enqueue_many([{"kind": "nobody.serves", "queue": queue}] * 3)
            assert len([found async for found in client.list(queue=queue)]) == 3
            assert (await client.cancel(items[0].id or "")).state == "cancelled"
            with pytest.raises(tidemill.JobCancelled):
                await client.result(items[0].id or "")
            with pytest.raises(errors.JobNotFound):
                await client.get("execution:nobody")
            with pytest.raises(tidemill.WaitTimeout):
                await client.wait(items[1].id or "", 0.1)
            assert (await client.queues.pause(queue)).paused_at is not None
            assert (await client.queues.get(queue)).waiting == 0
            assert (await client.stats.now()).system.workers >= 1
            assert queue not in [found.name async for found in client.schedules.list()]
            assert [event.type async for event in client.history(items[0].id or "")] == ["cancel_requested"]
            assert await client.queues.purge(queue) == 2
            results = await asyncio.gather(*(tasks.add.submit(number) for number in range(5)))
            assert [await handle.get("120s") for handle in results] == [1, 2, 3, 4, 5]
            await tasks.add.app.async_client.close()

    asyncio.run(use())


def test_calls_and_streams_for_asyncio_outlast_a_restart(server: Server, queue: str, client: tidemill.Client) -> None:
    async def use() -> list[str]:
        async with tidemill.AsyncClient(server.url, server.key) as patient:
            job = await patient.enqueue("nobody.serves", queue=queue, delay="1h")
            seen: list[str] = []
            async for event in patient.events(job.id):
                if event.type == "snapshot" and not seen:
                    await asyncio.to_thread(server.stop)
                    starting = asyncio.create_task(asyncio.to_thread(server.start))
                    await asyncio.to_thread(enqueue_while_away)
                    await starting
                    await patient.cancel(job.id)
                seen.append(event.type)
            return seen

    def enqueue_while_away() -> None:
        for _ in range(60):
            try:
                client.enqueue("nobody.serves", queue=f"{queue}-away", idempotency_key=queue)
            except errors.ConnectionFailed:
                continue
            return
        raise AssertionError("the server did not come back")

    seen = asyncio.run(use())
    assert [type for type in seen if type != "snapshot"] == ["cancel_requested", "cancelled"]
    assert len(list(client.list(queue=f"{queue}-away"))) == 1


def test_an_answer_that_is_no_problem_document_is_told() -> None:
    from tidemill.calls.call import refusal

    problem = refusal(httpx.Response(502, text="<h1>Bad Gateway</h1>", headers={"Retry-After": "3"}))
    assert (problem.status, problem.retry_after) == (502, 3)
    assert "Bad Gateway" in str(problem)


def test_a_handle_follows_its_job(start_worker: Callable[..., RunningWorker], queue: str) -> None:
    handle = tasks.add.with_options(queue=queue).delay(1)
    assert handle.refresh().state == "available"
    start_worker("tasks", "--queue", queue)
    assert [event.type for event in handle.events()][-1] == "completed"
    assert handle.wait().result == 2
