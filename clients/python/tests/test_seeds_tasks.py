"""The tasks and sessions of older systems, with other imports and nothing else: a crawl and a task of a model, each in a
real browser.
"""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from running import until
from seed_texts import text
from server import Server

import tidemill
from tidemill.compat.sessions import SessionManager


class Pages(http.server.BaseHTTPRequestHandler):
    """A site of two pages, the second with an error; and a model that says at once that a task is done."""

    def do_GET(self) -> None:
        """A page."""
        pages = {"/": "<a href='/two'>two</a>", "/two": "<script>throw new Error('planted')</script>"}
        body = f"<!doctype html><title>x</title><h1>x</h1>{pages.get(self.path, '')}".encode()
        self._answer(200 if self.path in pages else 404, "text/html", body)

    def do_POST(self) -> None:
        """The protocol of chat completions."""
        self.rfile.read(int(self.headers["Content-Length"]))
        call = {"name": "finish", "arguments": json.dumps({"success": True, "answer": "it is done"})}
        message = {"role": "assistant", "content": "x", "tool_calls": [{"id": "x", "type": "function", "function": call}]}
        answer = {
            "id": "1", "object": "chat.completion", "created": 1, "model": "scripted",
            "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10},
        }  # fmt: skip
        self._answer(200, "application/json", json.dumps(answer).encode())

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The site's address."""
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_address[1]}"
    serving.shutdown()


@pytest.fixture(scope="module")
def browsing(site: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose worker crawls and runs tasks of a model, in a real browser."""
    more = f"""
[bughive]
enabled = true
allow_private = true
page_delay = "0s"

[agent]
model = "scripted"
base_url = "{site}/v1"
api_key = "none"
allowed_hosts = ["127.0.0.1"]
allow_private = true
sandbox = false
"""
    server = Server(tmp_path_factory.mktemp("browsing"), more)
    yield server
    server.stop()


def test_004_a_crawl_and_its_session(run: Any, browsing: Server, site: str) -> None:
    said = run(
        # The address of the text is one to be put in.
        text("004-queuing").replace("https://example.com", site),
        """
session_id = "uuid-here"
from tidemill.compat.sessions import SessionManager
found = until(lambda: (state := SessionManager().get_session_state(session_id))["status"] == "completed" and state, 180)
assert found["pages_crawled"] == 2, found
""",
        text("004-progress"),
        "task_id = task.id",
        text("004-cancellation"),
        "assert task.refresh().state == 'completed'",
        at=browsing,
    )
    assert re.search(r"Task queued: [0-9a-f-]{36}", said)
    # A page can be slow as well, on a busy machine.
    assert re.search(r"Status: completed\nPages crawled: 2\nBugs found: [1-9]", said), said


def test_004_a_running_crawl_is_cancelled(run: Any, server: Server) -> None:
    run(
        """
import tidemill
task_id = tidemill.Client().enqueue("nobody.serves", queue="nobody").id
""",
        text("004-cancellation"),
        "assert tidemill.Client().get(task_id).state == 'cancelled'",
    )


def test_004_a_session_of_a_crawl_of_ones_own(client: tidemill.Client, start_worker: Any) -> None:
    worker = start_worker("crawls", "--queue", "own-crawl")
    manager = SessionManager(client)
    job = client.enqueue("own.crawl", {"session_id": "own-1", "pages": 3}, queue="own-crawl", execution_id="own-1")
    state = until(lambda: (found := manager.get_session_state("own-1")) and found["status"] == "completed" and found)
    assert (state["pages_crawled"], state["bugs_found"], state["task_id"]) == (3, 1, job.id)
    assert worker.process.poll() is None
    bad = client.enqueue(
        "own.crawl", {"session_id": "other", "pages": 1}, queue="own-crawl", execution_id="own-2", max_attempts=1
    )
    state = until(lambda: (found := manager.get_session_state("own-2")) and found["status"] == "failed" and found)
    assert "not that of the session other" in (state["error"] or "")
    assert bad.id == state["task_id"]
    assert manager.get_session_state("nobody") is None


def test_000_a_task_of_a_model(run: Any, browsing: Server) -> None:
    said = run(
        text("000-delay"),
        """
assert result.get("120s")["answer"] == "it is done"
import tidemill
assert tidemill.Client().get("execution:test-123").id == result.id
""",
        at=browsing,
    )
    assert re.match(r"[0-9a-f-]{36}\n", said), said
