"""The settings of tasks at the server: what a worker declares holds for jobs that others enqueue, and a server that does not
take it keeps no worker from its work.
"""

from __future__ import annotations

import asyncio
import http.server
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest
from apps.declared import UNSERVED
from running import RunningWorker, until
from server import Server

import tidemill
from tidemill import Backoff, Breaker, errors
from tidemill.backoff import declared_backoff
from tidemill.documents import Kind
from tidemill.kind_rules import kind_body

Start = Callable[..., RunningWorker]


def found(client: tidemill.Client, kind: str, **fields: Any) -> Kind | None:
    """The kind, if the server has it with these rules."""
    for each in client.workers.kinds():
        if each.name == kind and all(getattr(each, name) == value for name, value in fields.items()):
            return each
    return None


@pytest.fixture
def declared(start_worker: Start, client: tidemill.Client, queue: str) -> Kind:
    """The kind `declared.whole`, once a worker has started that serves another queue."""
    start_worker("declared", "--queue", queue)
    return until(lambda: found(client, "declared.whole", max_attempts=4)) or pytest.fail("it is not there")


def test_a_worker_declares_its_tasks(declared: Kind, server: Server, client: tidemill.Client) -> None:
    assert (declared.source, declared.queue, declared.priority) == ("remote", UNSERVED, 3)
    assert (declared.soft_timeout_seconds, declared.hard_timeout_seconds) == (60, 120)
    assert (declared.permanent_errors, declared.breaker_after) == (["Unwanted"], 7)
    with psycopg.connect(server.database) as connection:
        row = connection.execute(
            "select extract(epoch from backoff_first)::int, backoff_factor, extract(epoch from stop_grace)::int,"
            " extract(epoch from retain)::int from tidemill.kinds where name = 'declared.whole'"
        ).fetchone()
    assert row == (10, 3, 5, 172_800)
    # A function of the attempt stays with the worker, all else is declared.
    assert until(lambda: found(client, "declared.plain", max_attempts=9))


@pytest.mark.usefixtures("declared")
def test_they_hold_for_jobs_from_elsewhere(server: Server, client: tidemill.Client, queue: str) -> None:
    with psycopg.connect(server.database) as connection:
        by_sql = [
            connection.execute(
                "select tidemill.enqueue('declared.whole', jsonb_build_object('key', %s::text, 'n', %s::int))", [queue, n]
            ).fetchone()
            for n in range(2)
        ]
    assert by_sql[0] == by_sql[1], "it is unique by its key"
    job = client.enqueue("declared.whole", {"key": queue})
    assert (job.existing, job.id) == (True, str(by_sql[0][0] if by_sql[0] else None))
    assert (job.queue, job.priority, job.max_attempts) == (UNSERVED, 3, 4)
    assert (job.concurrency_keys, job.fair_key) == ([f"shop:{queue}"], queue)
    assert job.expires_at is not None
    client.cancel(job.id)


@pytest.mark.usefixtures("declared")
def test_the_server_knows_the_exceptions_that_are_permanent(server: Server, client: tidemill.Client, queue: str) -> None:
    made = client.enqueue("declared.whole", {"key": queue}, queue=queue)
    # As a worker in another language says it, that knows nothing of the task.
    headers = {"Authorization": f"Bearer {server.worker_key}"}
    with httpx.Client(base_url=f"{server.url}/api/v1/worker", headers=headers) as worker:
        claim = {"worker": "other", "kinds": ["declared.whole"], "queues": [queue], "wait_seconds": 20}
        [job] = worker.post("/claim", json=claim, timeout=60).json()["jobs"]
        assert (job["id"], job["hard_timeout_seconds"]) == (made.id, 120)
        body = {"lease_id": job["lease_id"], "error": {"type": "Unwanted", "message": "of that class"}}
        assert worker.post(f"/jobs/{made.id}/fail", json=body).json()["state"] == "failed"
    assert client.get(made.id).attempt == 1


def test_a_kind_of_others_keeps_its_rules(server: Server, client: tidemill.Client, start_worker: Start, queue: str) -> None:
    with psycopg.connect(server.database) as connection:
        connection.execute(
            "insert into tidemill.kinds (name, source) values ('declared.taken', 'rust')"
            " on conflict (name) do update set source = excluded.source"
        )
    try:
        worker = start_worker("declared", "--queue", queue)
        job = client.enqueue("declared.plain", queue=queue)
        assert client.result(job.id, "120s") == "plain"
        assert worker.output().count("does not accept the settings of the task declared.taken") == 1
        with pytest.raises(errors.KindNotRemote, match="another name"):
            client.set_kind("declared.taken", max_attempts=2)
    finally:
        with psycopg.connect(server.database) as connection:
            connection.execute("delete from tidemill.kinds where name = 'declared.taken'")


def test_a_key_without_the_scope_is_told_once(server: Server, queue: str) -> None:
    key = server.make_key("enqueue")
    with pytest.raises(errors.Forbidden):
        tidemill.Client(server.url, key).set_kind(f"kind-{queue}", max_attempts=2)
    worker = RunningWorker(server.url, key, "declared", "--queue", queue)
    try:
        # Claims are refused with each try, and each is after a further try to declare.
        until(lambda: worker.output().count("the server refuses this worker") >= 5)
        assert worker.output().count("cannot be declared yet") == 1
        assert "scope" in worker.output()
    finally:
        worker.end()


class Older(http.server.BaseHTTPRequestHandler):
    """The real server, but for the route that an older one does not have."""

    to: Server
    status = 404

    def do_PUT(self) -> None:
        """There is no such route."""
        self._answer(self.status, b"")

    def do_POST(self) -> None:
        """The real answer."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {"Authorization": self.headers["Authorization"], "Content-Type": "application/json"}
        answer = httpx.post(f"{self.to.url}{self.path}", content=body, headers=headers, timeout=60)
        self._answer(answer.status_code, answer.content)

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture(params=[404, 405])
def older(request: pytest.FixtureRequest, server: Server) -> Iterator[str]:
    """The address of an older server."""
    handler = type("OlderOf", (Older,), {"to": server, "status": request.param})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        serving.daemon_threads = True
        serving.block_on_close = False
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_address[1]}"
        serving.shutdown()


def test_an_older_server_keeps_no_worker_from_its_work(
    older: str, client: tidemill.Client, start_worker: Start, queue: str
) -> None:
    worker = start_worker("declared", "--queue", queue, "--url", older)
    assert client.result(client.enqueue("declared.plain", queue=queue).id, "120s") == "plain"
    assert worker.output().count("the server is older than this worker") == 1


def test_rules_are_set_by_both_clients(client: tidemill.Client, server: Server, queue: str) -> None:
    name = f"kind-{queue}"
    kind = client.set_kind(
        name,
        queue=queue,
        max_attempts=2,
        backoff="30s",
        permanent_errors=[ValueError, "shop.Gone"],
        breaker=Breaker(3, "1h"),
    )
    assert (kind.queue, kind.max_attempts, kind.breaker_after) == (queue, 2, 3)
    assert kind.permanent_errors == ["ValueError", "shop.Gone"]

    async def again() -> Kind:
        async with tidemill.AsyncClient(server.url, server.key) as aio:
            return await aio.set_kind(name, unique=True, hard_timeout="2m")

    kind = asyncio.run(again())
    assert (kind.queue, kind.max_attempts, kind.hard_timeout_seconds) == ("default", 5, 120)
    with pytest.raises(errors.InvalidRequest) as refused:
        client.set_kind(name, max_attempts=0)
    assert refused.value.field == "/max_attempts"


def test_a_job_turns_off_what_its_kind_says(client: tidemill.Client, server: Server, queue: str) -> None:
    name = f"kind-{queue}"
    client.set_kind(name, queue=queue, unique=True, concurrency_key="disk", fair_key="{tenant}", expires_in="1h")
    args = {"tenant": "ann"}
    kept = client.enqueue(name, args)
    assert (kept.concurrency_keys, kept.fair_key, kept.expires_at is None) == (["disk"], "ann", False)
    off: Any = {"unique": None, "concurrency_key": None, "fair_key": None, "expires_in": None}
    with psycopg.connect(server.database) as connection:
        by_sql = tidemill.sql.enqueue(connection, name, args, **off)
    for job in (client.enqueue(name, args, **off), client.get(by_sql)):
        assert job.id != kept.id
        assert (job.concurrency_keys, job.fair_key, job.expires_at) == ([], None, None)
    assert client.enqueue(name, args).id == kept.id
    assert client.enqueue(name, args, unique=False).id != kept.id
    client.queues.purge(queue)


def test_rules_that_cannot_be_written_are_said_here() -> None:
    with pytest.raises(TypeError, match="did you mean max_attempts"):
        kind_body({"max_attempt": 1})
    with pytest.raises(ValueError, match="can be declared"):
        kind_body({"backoff": lambda attempt: 1.0})
    assert kind_body({"unique": False, "queue": None}) == {}


@pytest.mark.parametrize(
    ("backoff", "declared"),
    [
        (None, None),
        (float, None),
        (Backoff(factor=0.5), None),
        ("2m", {"first": 120, "factor": 1, "max": 120, "jitter": 0}),
        (Backoff("1h", 3, "1m", 0.5), {"first": 60, "factor": 3, "max": 60, "jitter": 0.5}),
    ],
)
def test_a_backoff_is_declared_as_it_is(backoff: Any, declared: dict[str, float] | None) -> None:
    assert declared_backoff(backoff) == declared
