"""Operations from Python, on a real server: preview, start, report and undo, by both clients."""

from __future__ import annotations

import asyncio
import time

import pytest
from server import Server

import tidemill
from tidemill import errors
from tidemill.documents import OperationReport


def ended(client: tidemill.Client, id: str) -> OperationReport:
    until = time.monotonic() + 30
    while (report := client.operations.get(id)).state == "running":
        assert time.monotonic() < until, report
        time.sleep(0.05)
    return report


def test_all_that_match_are_moved_and_put_back(client: tidemill.Client) -> None:
    jobs = [client.enqueue("nobodys", {"n": n}, queue="here", delay="1h") for n in range(3)]
    only = {"queue": "here", "state": "scheduled"}
    preview = client.operations.preview("move", only, queue="there")
    assert (preview.matched, preview.skipped, preview.complete, preview.looked_to) == (3, {}, True, None)
    rest = client.operations.preview("move", only, queue="there", after=preview.sample[0])
    assert (rest.matched, rest.sample) == (2, preview.sample[1:])
    started = client.operations.start("move", only, queue="there", rate="600/min")
    report = ended(client, started.id)
    assert (report.done, report.failed, report.left, report.can_be_undone) == (3, 0, [], True)
    assert {client.get(job.id).queue for job in jobs} == {"there"}
    undone = ended(client, client.operations.undo(started.id).id)
    assert (undone.undoes, undone.done) == (started.id, 3)
    assert {client.get(job.id).queue for job in jobs} == {"here"}
    assert [one.id for one in client.operations.list()][:2] == [undone.id, started.id]
    with pytest.raises(errors.InvalidRequest):
        client.operations.start("cancel", {})


def test_the_asynchronous_client_starts_and_stops_one(client: tidemill.Client, server: Server) -> None:
    for n in range(40):
        client.enqueue("nobodys", {"n": n}, queue="slow", delay="1h")

    async def act() -> OperationReport:
        async with tidemill.AsyncClient(server.url, server.key) as operator:
            all_of_them = await operator.operations.preview("cancel", {"queue": "slow"})
            rest = await operator.operations.preview("cancel", {"queue": "slow"}, after=all_of_them.sample[0])
            assert (all_of_them.matched, rest.matched) == (40, 39)
            started = await operator.operations.start("set_priority", {"queue": "slow"}, priority="high", rate="30/min")
            stopped = await operator.operations.cancel(started.id)
            assert [one.id async for one in operator.operations.list()][:1] == [started.id]
            return stopped

    stopped = asyncio.run(act())
    assert (stopped.state, stopped.priority) == ("cancelled", 3)
    assert stopped.done < 40
