"""Tasks of an unchanged Celery application: their results, retries, limits and canvas, and what Tidemill knows of them."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import chain, chord, group
from celery.exceptions import SoftTimeLimitExceeded, TaskRevokedError
from celery.exceptions import TimeoutError as CeleryTimeout
from running import until

import tidemill

LONG = 120


@pytest.fixture(autouse=True)
def _ready(worker: Any) -> None:
    """There is a worker."""


def test_a_result_is_that_of_its_job(shop: Any, jobs: Any) -> None:
    result = shop.add.delay(2, 3)
    assert result.get(timeout=LONG) == 5
    assert (result.status, result.successful()) == ("SUCCESS", True)
    job = jobs(result.id)
    assert (job.kind, job.state, job.queue) == ("celery_app.add", "completed", "celery")
    assert job.args["args"] == [2, 3]
    assert job.result["result"] == 5


@pytest.mark.parametrize(
    "value",
    [
        1e16,
        1.0,
        -0.0,
        5e-324,
        2**70,
        "\x00",
        "ü\u2028",
        {"zz": 1, "a": [1, {"b": None}], "": 0},
        [[[[]]]],
        {"1": 2},
        decimal.Decimal("1.10"),
        uuid.UUID(int=7),
        datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc),
        b"bytes",
        "x" * 2_000_000,
    ],
    ids=lambda value: repr(value)[:20],
)
def test_values_come_and_go_as_they_are(shop: Any, value: Any) -> None:
    (args, kwargs) = shop.echo.delay(value, named=value).get(timeout=LONG)
    for got in (args[0], kwargs["named"]):
        assert got == value
        assert type(got) is type(value)
        assert repr(got) == repr(value)


def test_a_retry_is_the_same_job(shop: Any, client: tidemill.Client, jobs: Any) -> None:
    result = shop.flaky.delay(2)
    assert result.get(timeout=LONG) == [2, 2]
    job = jobs(result.id)
    assert (job.state, job.attempt) == ("completed", 1)
    assert sum(event.type == "snoozed" for event in client.history(job.id)) == 2


def test_a_failure_is_celerys_and_the_jobs(shop: Any, jobs: Any) -> None:
    result = shop.fail.delay("no")
    with pytest.raises(ValueError, match="no") as raised:
        result.get(timeout=LONG)
    assert raised.value.args == ("no", 3)
    assert "raise ValueError" in result.traceback
    job = jobs(result.id)
    assert (job.state, job.error["type"]) == ("failed", "ValueError")
    assert "raise ValueError" in job.error["backtrace"]


def test_canvas(shop: Any) -> None:
    add, total = shop.add, shop.total
    assert chain(add.s(1, 2), add.s(10), add.s(100)).apply_async().get(timeout=LONG) == 113
    assert group(add.s(i, i) for i in range(8)).apply_async().get(timeout=LONG) == [2 * i for i in range(8)]
    assert chord((add.s(i, 1) for i in range(20)), total.s()).apply_async().get(timeout=LONG) == 210
    nested = group(add.s(1, 1), chord([add.s(2, 2), add.s(3, 3)], total.s())) | total.s()
    assert nested.apply_async().get(timeout=LONG) == 12
    inner = chain(add.si(1, 2), group(add.s(1), add.s(2)))
    assert chord(group(inner), shop.echo.s()).apply_async().get(timeout=LONG) == [[[[4, 5]]], {}]
    assert add.chunks([(i, 1) for i in range(6)], 2)().get(timeout=LONG) == [[1, 2], [3, 4], [5, 6]]
    with pytest.raises(Exception, match="broken"):
        chord([add.s(1, 1), shop.fail.si("broken")], total.s()).apply_async().get(timeout=LONG)


def test_results_as_they_come(shop: Any) -> None:
    from celery.result import ResultSet

    results = [shop.add.delay(number, 1) for number in range(4)]
    found = dict(ResultSet(results, app=shop.app).iter_native(timeout=LONG))
    assert [found[result.id]["result"] for result in results] == [1, 2, 3, 4]
    missing = ResultSet([shop.app.AsyncResult(uuid.uuid4().hex)], app=shop.app)
    with pytest.raises(CeleryTimeout):
        missing.join_native(timeout=0)


def test_a_group_is_restored(shop: Any) -> None:
    from celery.result import GroupResult

    made = group(shop.add.s(i, 1) for i in range(3)).apply_async()
    made.save()
    assert GroupResult.restore(made.id, app=shop.app).get(timeout=LONG) == [1, 2, 3]
    made.delete()
    assert GroupResult.restore(made.id, app=shop.app) is None


def test_an_error_callback(shop: Any, tmp_path: Path) -> None:
    path = tmp_path / "lines"
    result = shop.fail.apply_async(("oh",), link_error=shop.note.si("caught", str(path)))
    with pytest.raises(ValueError, match="oh"):
        result.get(timeout=LONG)
    until(lambda: path.exists() and path.read_text() == "caught\n")


def test_a_replaced_task(shop: Any) -> None:
    assert shop.replaced.delay(41).get(timeout=LONG) == 42


def test_a_soft_limit(shop: Any) -> None:
    with pytest.raises(SoftTimeLimitExceeded):
        shop.slow.delay().get(timeout=LONG)


def test_progress_is_shown(shop: Any, jobs: Any, tmp_path: Path) -> None:
    mark = tmp_path / "go"
    result = shop.measure.delay(str(mark))
    until(lambda: result.state == "PROGRESS")
    assert result.info == {"current": 1, "total": 4, "status": "first part"}
    progress = jobs(result.id).progress
    assert (progress.percent, progress.step) == (25, "PROGRESS: first part")
    mark.touch()
    assert result.get(timeout=LONG) == "measured"


def test_eta_is_a_column(shop: Any, jobs: Any) -> None:
    result = shop.add.apply_async((1, 1), countdown=3600)
    job = jobs(result.id)
    assert job.status == "scheduled"
    assert 3500 < (job.run_at - job.created_at).total_seconds() <= 3600
    result.revoke()
    with pytest.raises(TaskRevokedError):
        result.get(timeout=LONG)
    assert (result.state, jobs(result.id).state) == ("REVOKED", "cancelled")


def test_what_expires_does_not_run(shop: Any, jobs: Any) -> None:
    result = shop.add.apply_async((1, 1), countdown=60, expires=1)
    until(lambda: result.state == "REVOKED")
    assert jobs(result.id).state == "cancelled"


def test_priorities(shop: Any, jobs: Any) -> None:
    results = {given: shop.add.apply_async((1, 1), priority=given, countdown=60) for given in (0, 4, 9)}
    plain = shop.add.apply_async((1, 1), countdown=60)
    assert {given: jobs(result.id).priority for given, result in results.items()} == {0: 5, 4: 3, 9: 1}
    assert jobs(plain.id).priority == 5
    for result in (*results.values(), plain):
        result.revoke()


def test_revoke_ends_what_runs_only_if_it_says_so(shop: Any, jobs: Any, tmp_path: Path) -> None:
    mark = tmp_path / "mild"
    result = shop.hold.delay(str(mark))
    until(Path(f"{mark}.began").exists)
    result.revoke()
    until(lambda: jobs(result.id).cancel_requested_at)
    mark.touch()
    assert result.get(timeout=LONG) == "held"
    mark = tmp_path / "strict"
    result = shop.hold.delay(str(mark))
    until(Path(f"{mark}.began").exists)
    result.revoke(terminate=True)
    with pytest.raises(TaskRevokedError, match="terminated"):
        result.get(timeout=LONG)
    assert until(lambda: jobs(result.id).state == "cancelled")


@pytest.mark.parametrize("state", ["STARTED", "PROGRESS", "FAILURE"])
def test_a_revoke_leaves_a_state_that_is_kept_without_a_job(shop: Any, state: str) -> None:
    backend, control = shop.app.backend, shop.app.control
    kept, unknown = str(uuid.uuid4()), str(uuid.uuid4())
    said = KeyError("x") if state == "FAILURE" else {"hostname": "other@host"}
    backend.store_result(kept, said, state)
    # Workers answer once they have heard it.
    assert control.revoke([kept, unknown], reply=True, timeout=LONG, limit=1)
    assert (backend.get_state(kept), backend.get_state(unknown)) == (state, "REVOKED")


def test_a_cancel_of_tidemill_ends_what_runs(shop: Any, client: tidemill.Client, tmp_path: Path) -> None:
    mark = tmp_path / "go"
    result = shop.hold.delay(str(mark))
    until(Path(f"{mark}.began").exists)
    client.cancel(f"execution:{result.id}", "the order was withdrawn")
    with pytest.raises(TaskRevokedError):
        result.get(timeout=LONG)


def test_a_job_of_somebody_else_is_a_task(shop: Any, client: tidemill.Client) -> None:
    first = client.enqueue("celery_app.add", {"x": 2, "y": 5}, queue="celery")
    second = client.enqueue("celery_app.add", {"args": [4, 4]}, queue="celery", execution_id=uuid.uuid4().hex)
    assert shop.app.AsyncResult(first.id).get(timeout=LONG) == 7
    assert shop.app.AsyncResult(second.execution_id).get(timeout=LONG) == 8


def test_an_id_that_is_in_use_makes_another_job(shop: Any, client: tidemill.Client) -> None:
    task_id = uuid.uuid4().hex
    for x in (1, 2):
        shop.add.apply_async((x, x), task_id=task_id)
    assert shop.app.AsyncResult(task_id).get(timeout=LONG) == 2
    assert client.result(f"execution:{task_id}#1", LONG)["result"] == 4


def test_ignored_results(shop: Any, jobs: Any) -> None:
    result = shop.add.apply_async((1, 1), ignore_result=True)
    assert result.get() is None
    until(lambda: jobs(result.id).state == "completed")
    assert shop.app.AsyncResult(result.id).state == "PENDING"


def test_many(shop: Any) -> None:
    from tidemill.celery import enqueue_many

    results = enqueue_many(shop.add.s(i, 1) for i in range(300))
    assert [result.get(timeout=LONG) for result in results] == [i + 1 for i in range(300)]
    mixed = enqueue_many([shop.echo.s(1e16), shop.add.s(1, 1).set(countdown=0.1), shop.echo.s(a="it's")])
    assert [result.get(timeout=LONG) for result in mixed] == [[[1e16], {}], 2, [[], {"a": "it's"}]]
    with pytest.raises(TypeError, match="single tasks"):
        enqueue_many([group(shop.add.s(1, 1))])


def test_very_many_come_in_order_and_what_is_refused_is_told(shop: Any, client: tidemill.Client, queue: str) -> None:
    from tidemill.celery import enqueue_many

    calls = [shop.add.s(i, 1).set(queue=queue) for i in range(4_500)]
    results = enqueue_many(calls)
    found = shop.app.backend.api.get_many([f"execution:{result.id}" for result in results])
    assert [job and job["args"]["args"] for job in found] == [[i, 1] for i in range(4_500)]
    headers = found[7]["args"]["celery"]["headers"]
    assert (headers["id"], headers["argsrepr"], headers["task"]) == (results[7].id, "(7, 1)", "celery_app.add")
    client.queues.drain(queue)
    with pytest.raises(tidemill.Problem, match="draining"):
        enqueue_many(calls)


def test_results_that_nobody_ran(shop: Any) -> None:
    task_id = uuid.uuid4().hex
    shop.app.backend.store_result(task_id, {"b": 1, "a": 2}, "SUCCESS")
    assert shop.app.AsyncResult(task_id).get(timeout=LONG) == {"b": 1, "a": 2}
    shop.app.AsyncResult(task_id).forget()
    assert shop.app.AsyncResult(task_id).state == "PENDING"


def test_only_an_admin_empties_queues(shop: Any, server: Any) -> None:
    with pytest.raises(tidemill.errors.Forbidden, match="admin"):
        shop.app.control.purge()
    queue = shop.app.amqp.queues["celery"]
    with shop.app.connection_for_write(f"tidemill://:{server.key}@127.0.0.1:{server.port}") as connection:
        assert queue(connection.default_channel).purge() == 0


def test_control(shop: Any, worker: Any) -> None:
    inspect = shop.app.control.inspect(destination=[worker.name], timeout=LONG)
    assert inspect.ping() == {worker.name: {"ok": "pong"}}
    assert "celery_app.add" in inspect.registered()[worker.name]
    assert inspect.active() == {worker.name: []}
    assert inspect.stats()[worker.name]["pool"]["max-concurrency"] == 2
    assert [queue["name"] for queue in inspect.active_queues()[worker.name]] == ["celery"]
    answer = shop.app.control.rate_limit("celery_app.note", "100/s", destination=[worker.name], reply=True, timeout=LONG)
    assert "ok" in answer[0][worker.name]


@pytest.mark.parametrize("pool", ["threads", "solo", "gevent", "eventlet"])
def test_other_pools(shop: Any, start: Callable[..., Any], queue: str, pool: str) -> None:
    start(queue, "-P", pool, "-c", "2")
    with_queue = {"queue": queue}
    assert shop.flaky.apply_async((1,), **with_queue).get(timeout=LONG) == [1, 1]
    body = shop.total.s().set(**with_queue)
    assert chord([shop.add.s(i, 1).set(**with_queue) for i in range(4)], body).apply_async().get(timeout=LONG) == 10
    with pytest.raises(ValueError):
        shop.fail.apply_async(("no",), **with_queue).get(timeout=LONG)


@pytest.mark.parametrize("pool", ["gevent", "eventlet"])
def test_green_pools_run_many_at_once(
    shop: Any, start: Callable[..., Any], queue: str, pool: str, tmp_path: Path, jobs: Any
) -> None:
    start(queue, "-P", pool, "-c", "8")
    path = tmp_path / "go"
    results = [shop.measure.apply_async((str(path),), queue=queue) for _ in range(8)]
    # All of them wait for the file, in one process.
    until(lambda: all(result.state == "PROGRESS" for result in results), "all eight run")
    lease = jobs(results[0].id).started_at
    path.touch()
    assert [result.get(timeout=LONG) for result in results] == ["measured"] * 8
    assert jobs(results[0].id).started_at == lease


def test_celerys_own_consumer(shop: Any, start: Callable[..., Any], queue: str) -> None:
    worker = start(queue, "-c", "2", env={"TEST_CONSUMER": "celery.worker.consumer:Consumer"})
    assert shop.add.apply_async((1, 2), queue=queue).get(timeout=LONG) == 3
    assert shop.flaky.apply_async((1,), queue=queue).get(timeout=LONG) == [1, 1]
    assert shop.app.control.ping(destination=[worker.name], timeout=LONG) == [{worker.name: {"ok": "pong"}}]
