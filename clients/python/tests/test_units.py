"""What needs no server: the codec beside kombu's own, durations, signatures, backoff, and how a task is made."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date, datetime, timedelta, timezone
from datetime import time as clock
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from kombu.utils import json as kombu

import tidemill
from tidemill import Backoff, codec
from tidemill.backoff import delay_after
from tidemill.calls.call import keyed
from tidemill.duration import seconds
from tidemill.signature import BadArgs, Signature
from tidemill.stops import SoftTimeout
from tidemill.worker.interrupt import ThreadInterrupt
from tidemill.worker.mail import Mail
from tidemill.worker.queue_slots import QueueSlots

OF_KOMBU = [
    datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone.utc),
    datetime(2026, 1, 2),
    date(2026, 1, 2),
    clock(3, 4),
    Decimal("1.10"),
    UUID("6f7d2b1e-9c55-4c0e-8a4f-2f6f3f5f0b1d"),
    b"text",
    b"\xff",
]


@pytest.mark.parametrize("value", OF_KOMBU, ids=repr)
def test_values_are_written_as_kombu_writes_them(value: Any) -> None:
    assert json.loads(codec.dumps({"v": value})) == json.loads(kombu.dumps({"v": value}))
    assert codec.loads(kombu.dumps([value])) == [value]
    if type(value) is not date:
        assert kombu.loads(codec.dumps([value])) == [value]


@pytest.mark.parametrize(
    "value", [{1, 2}, frozenset("ab"), timedelta(days=2, microseconds=5), set()], ids=lambda value: type(value).__name__
)
def test_values_that_kombu_refuses_come_through_as_well(value: Any) -> None:
    assert codec.loads(codec.dumps(value)) == value
    assert codec.decode(codec.encode({"deep": [value]})) == {"deep": [value]}


@pytest.mark.parametrize("form", [("uuid", "x"), ("nobody", 1), ("decimal", "1,1"), ("base64", "§"), (["list"], 1)], ids=str)
def test_what_only_looks_like_a_form_stays(form: tuple[Any, Any]) -> None:
    value = {"__type__": form[0], "__value__": form[1]}
    assert codec.decode(value) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_json_is_refused(value: float) -> None:
    with pytest.raises(ValueError):
        codec.dumps(value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (1.5, 1.5),
        ("90s", 90),
        ("1h30m", 5400),
        ("2 days", 172800),
        ("250ms", 0.25),
        ("1.5h", 5400),
        (timedelta(minutes=1), 60),
    ],
)
def test_durations(given: Any, expected: float) -> None:
    assert seconds(given) == expected


@pytest.mark.parametrize("given", ["", "soon", "5", "1h and", "-1s"])
def test_what_is_no_duration(given: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        seconds(given)


def test_no_number_is_a_duration_either() -> None:
    with pytest.raises(TypeError):
        seconds(True)


def test_a_signature_goes_both_ways() -> None:
    def function(a: int, /, b: int, *rest: int, c: int = 3, **more: int) -> Any:
        return a, b, rest, c, more

    signature = Signature(function)
    for args, kwargs in [((1, 2), {}), ((1,), {"b": 2}), ((1, 2, 3, 4), {"c": 5}), ((1, 2), {"x": 9, "c": 1})]:
        given = signature.to_object(args, kwargs)
        by_place, by_name = signature.to_call(given)
        assert function(*by_place, **by_name) == function(*args, **kwargs)
    with pytest.raises(BadArgs, match="a missing"):
        signature.to_call({"b": 1})
    with pytest.raises(BadArgs, match="rest is not a list"):
        signature.to_call({"a": 1, "b": 1, "rest": 2})


def test_a_backoff_is_bounded_and_varied() -> None:
    backoff = Backoff(first="1s", factor=2, max="10s", jitter=0.5)
    for attempt, middle in [(1, 1), (2, 2), (3, 4), (9, 10), (5000, 10)]:
        assert all(middle * 0.5 <= backoff(attempt) <= middle * 1.5 for _ in range(50))
    assert len({backoff(3) for _ in range(20)}) > 1
    assert delay_after(lambda attempt: f"{attempt}m", 3) == 180
    assert delay_after(7, 1) == 7
    assert delay_after(None, 1) is None


def test_mistakes_in_a_task_are_named_where_it_stands() -> None:
    app = tidemill.App()
    with pytest.raises(ValueError, match="no pool gpu"):
        app.task("a", pool="gpu")(print)
    with pytest.raises(TypeError, match="async functions run in the pool asyncio"):
        app.task("a", pool="asyncio")(print)
    with pytest.raises(ValueError, match="longer than soft_timeout"):
        app.task("a", soft_timeout="2s", hard_timeout="1s")(print)
    with pytest.raises(TypeError, match="did you mean queue"):
        app.task("a", queu="x")(print)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="needs pool='processes'"):
        app.task("a", memory=1)(print)
    with pytest.raises(ValueError, match="is no kind"):
        app.task("a b")(print)
    app.task("taken")(print)
    with pytest.raises(ValueError, match=r"is taken by builtins\.print"):
        app.task("taken")(len)


def test_a_task_without_a_name_is_called_as_celery_does() -> None:
    app = tidemill.App()

    @app.task
    def resize(width: int = 1) -> int:
        """Makes it fit."""
        return width

    assert resize.kind == "test_units.resize"
    assert resize.__doc__ == "Makes it fit."
    assert resize(3) == 3
    assert resize.job(2) == {"kind": resize.kind, "args": {"width": 2}}


def test_a_task_that_is_called_directly_has_a_job_of_its_own() -> None:
    app = tidemill.App()

    @app.task("direct")
    def direct() -> Any:
        job = tidemill.current()
        job.progress(10)
        job.save_cursor("page", 2)
        return job.step("once", lambda: {1, 2}), job.cursor("page"), job.cancelled()

    @app.task("direct.async")
    async def direct_async() -> Any:
        return await tidemill.current().aio.step("once", returns_seven)

    async def returns_seven() -> int:
        return 7

    assert direct() == ({1, 2}, 2, False)
    assert asyncio.run(direct_async()) == 7
    with pytest.raises(RuntimeError, match="no job runs here"):
        tidemill.current()


def test_an_interrupt_strikes_the_function_and_nothing_after_it() -> None:
    import threading

    for _ in range(200):
        interrupt, began = ThreadInterrupt(), threading.Event()
        caught: list[str] = []

        def work(began: threading.Event = began) -> str:
            began.set()
            for _ in range(2_000):
                pass
            return "whole"

        def run(interrupt: ThreadInterrupt = interrupt, work: Any = work, caught: list[str] = caught) -> None:
            try:
                caught.append(interrupt.run(work))
            except SoftTimeout:
                caught.append("struck")
            # Anything that strikes from here on would leave the list as it is.
            for _ in range(500):
                pass
            caught.append("after")

        thread = threading.Thread(target=run)
        thread.start()
        began.wait()
        interrupt.throw(SoftTimeout)
        thread.join()
        assert caught in (["whole", "after"], ["struck", "after"])


def test_an_interrupt_that_comes_early_strikes_at_the_beginning() -> None:
    interrupt = ThreadInterrupt()
    assert interrupt.throw(SoftTimeout) is False
    with pytest.raises(SoftTimeout):
        interrupt.run(lambda: "whole")


def test_mail_gathers_lines_and_keeps_the_last_progress() -> None:
    mail = Mail()
    for number in range(3):
        mail.add("log", {"stream": "stdout", "lines": [f"line {number}"]})
        mail.add("progress", {"percent": number, **({"step": "first"} if number == 0 else {})})
    mail.add("log", {"stream": "stderr", "lines": ["other"]})
    assert mail.next() == ("log", {"stream": "stdout", "lines": ["line 0", "line 1", "line 2"]})
    assert mail.next() == ("progress", {"percent": 2, "step": "first"})
    assert mail.next() == ("log", {"stream": "stderr", "lines": ["other"]})
    assert mail.next() is None


class FakeAttempt:
    """As much of an attempt as its queue looks at."""

    def __init__(self) -> None:
        self.claimed_at = time.monotonic()
        self.started_at: float | None = None


def test_a_queue_claims_ahead_only_what_is_short() -> None:
    started: list[Any] = []
    queue_slots = QueueSlots("q", 2, started.append)
    assert queue_slots.wanted() == 2
    first: Any = [FakeAttempt() for _ in range(2)]
    assert queue_slots.add(first) == []
    assert (len(started), queue_slots.wanted()) == (2, 0)
    started[0].started_at = time.monotonic() - 5
    queue_slots.released(started[0])
    assert queue_slots.wanted() == 1
    quick: Any = FakeAttempt()
    for _ in range(200):
        queue_slots.add([quick])
        quick.started_at = time.monotonic()
        queue_slots.released(quick)
    assert queue_slots.wanted() == 100
    behind: Any = [FakeAttempt() for _ in range(9)]
    queue_slots.add(behind)
    assert queue_slots.stale(60) == []
    assert len(queue_slots.stale(0)) == 8
    assert queue_slots.close() == []
    assert queue_slots.add(behind) == behind


def test_no_two_processes_make_the_same_key() -> None:
    own = [keyed(None)["Idempotency-Key"] for _ in range(3)]
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as child:
        others = [child.submit(keyed, None).result()["Idempotency-Key"] for _ in range(3)]
    assert len({*own, *others}) == 6
    assert {one.partition("-")[0] for one in own}.isdisjoint(one.partition("-")[0] for one in others)
    assert keyed("mine") == {"Idempotency-Key": "mine"}
