"""Tokens that a backend asks for: what one reaches, and that every other job does not exist to it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

import pytest
from server import Server

import tidemill
from tidemill import errors


def test_a_token_for_an_owner_reaches_the_jobs_of_that_owner_only(client: tidemill.Client, server: Server) -> None:
    theirs = client.enqueue("nobodys", {"n": 1}, owner="ada", delay="1h")
    others = client.enqueue("nobodys", {"n": 2}, owner="eve", delay="1h")
    token = client.create_token(["read", "cancel"], owner="ada", expires_in="5m")
    with tidemill.Client(server.url, token) as browser:
        assert browser.get(theirs.id).owner == "ada"
        assert {job.id for job in browser.list()} == {theirs.id}
        with pytest.raises(errors.JobNotFound):
            browser.get(others.id)
        with pytest.raises(errors.JobNotFound):
            browser.cancel(others.id)
        with pytest.raises(errors.Forbidden):
            browser.create_token(["read"], owner="ada")
        browser.cancel(theirs.id)
    assert client.get(theirs.id).state == "cancelled"
    assert client.get(others.id).state == "available"


def test_a_token_for_one_job_and_a_refused_one(client: tidemill.Client, server: Server) -> None:
    job = client.enqueue("nobodys", delay="1h")

    async def read() -> str:
        async with tidemill.AsyncClient(server.url, server.key) as backend:
            token = await backend.create_token(["read"], job=job.id)
        async with tidemill.AsyncClient(server.url, token) as browser:
            return (await browser.get(job.id)).id

    assert asyncio.run(read()) == job.id
    with pytest.raises(errors.InvalidRequest):
        client.create_token(["read"], job=job.id, expires_in="25h")


def test_activity_is_what_changed_of_the_owners_jobs(client: tidemill.Client, server: Server) -> None:
    first = client.enqueue("nobodys", owner="uma", delay="1h")
    second = client.enqueue("nobodys", owner="uma", delay="1h")
    with tidemill.Client(server.url, client.create_token(["read", "cancel"], owner="uma")) as browser:
        before = browser.activity()
        assert ([job.id for job in before.items], before.more) == ([second.id, first.id], False)
        browser.cancel(first.id)
        after = browser.activity(since=before.cursor)
        assert (after.items[0].id, after.items[0].state) == (first.id, "cancelled")
    assert client.activity(owner="uma", since=datetime.now(timezone.utc) + timedelta(days=1)).items == []
    assert client.activity(owner="uma", limit=1).more
    with pytest.raises(errors.InvalidRequest):
        client.activity()

    async def read() -> str:
        async with tidemill.AsyncClient(server.url, server.key) as backend:
            return (await backend.activity(owner="uma")).items[0].id

    assert asyncio.run(read()) == first.id
