"""Jobs in the caller's own transaction, by every driver and framework: there after a commit, and not after a rollback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import asyncpg
import psycopg
import psycopg2
import pytest
import sqlalchemy
from apps import tasks
from psycopg.rows import dict_row
from server import Server
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

import tidemill
from tidemill import sql

ARGS = {"n": 1, "key": UUID(int=7)}


class Undo(Exception):
    """Ends a transaction without a commit."""


def check(client: tidemill.Client, queue: str, kept: list[str], undone: list[str]) -> None:
    """The jobs that were committed are there, the others are not."""
    assert sorted(job.id for job in client.list(queue=queue)) == sorted(kept)
    assert not set(kept) & set(undone)
    assert client.get(kept[0]).args == ARGS


def psycopg3(server: Server, enqueue: Callable[[Any], str], end: Callable[[], None]) -> str:
    with suppress(Undo), psycopg.connect(server.database) as connection:
        made = enqueue(connection)
        end()
    return made


def psycopg3_dicts(server: Server, enqueue: Callable[[Any], str], end: Callable[[], None]) -> str:
    with suppress(Undo), psycopg.connect(server.database, row_factory=dict_row) as connection:
        made = enqueue(connection)
        end()
    return made


def psycopg3_cursor(server: Server, enqueue: Callable[[Any], str], end: Callable[[], None]) -> str:
    with suppress(Undo), psycopg.connect(server.database) as connection, connection.cursor() as cursor:
        made = enqueue(cursor)
        end()
    return made


def psycopg_2(server: Server, enqueue: Callable[[Any], str], end: Callable[[], None]) -> str:
    connection = psycopg2.connect(server.database)
    try:
        with suppress(Undo), connection:
            made = enqueue(connection)
            end()
    finally:
        connection.close()
    return made


def alchemy_connection(server: Server, enqueue: Callable[[Any], str], end: Callable[[], None]) -> str:
    engine = sqlalchemy.create_engine(server.database.replace("postgres://", "postgresql+psycopg://"))
    with suppress(Undo), engine.begin() as connection:
        made = enqueue(connection)
        end()
    engine.dispose()
    return made


def alchemy_session(server: Server, enqueue: Callable[[Any], str], end: Callable[[], None]) -> str:
    engine = sqlalchemy.create_engine(server.database.replace("postgres://", "postgresql+psycopg2://"))
    with suppress(Undo), Session(engine) as session, session.begin():
        made = enqueue(session)
        end()
    engine.dispose()
    return made


def alchemy_scoped(server: Server, enqueue: Callable[[Any], str], end: Callable[[], None]) -> str:
    engine = sqlalchemy.create_engine(server.database.replace("postgres://", "postgresql+psycopg://"))
    session = scoped_session(sessionmaker(engine))
    with suppress(Undo):
        try:
            made = enqueue(session)
            end()
            session.commit()
        finally:
            session.remove()
    engine.dispose()
    return made


def django(server: Server, enqueue: Callable[[Any], str], end: Callable[[], None]) -> str:
    from django.db import connection, transaction

    with suppress(Undo), transaction.atomic():
        made = enqueue(connection)
        end()
    connection.close()
    return made


@pytest.fixture(scope="module", autouse=True)
def _django(server: Server) -> None:
    from urllib.parse import urlsplit

    from django.conf import settings

    parts = urlsplit(server.database)
    database = {
        "ENGINE": "django.db.backends.postgresql", "NAME": parts.path.lstrip("/"), "HOST": parts.hostname,
        "PORT": parts.port, "USER": parts.username, "PASSWORD": parts.password,
    }  # fmt: skip
    settings.configure(DATABASES={"default": database})


def fail() -> None:
    """Ends the transaction."""
    raise Undo


WAYS = [psycopg3, psycopg3_dicts, psycopg3_cursor, psycopg_2, alchemy_connection, alchemy_session, alchemy_scoped, django]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_job_commits_or_vanishes_with_the_transaction(
    way: Any, server: Server, client: tidemill.Client, queue: str
) -> None:
    def enqueue(connection: Any) -> str:
        return sql.enqueue(connection, "nobody.serves", ARGS, queue=queue, delay="90m", priority="high")

    undone = way(server, enqueue, fail)
    kept = way(server, enqueue, lambda: None)
    check(client, queue, [kept], [undone])
    job = client.get(kept)
    assert (job.status, job.priority) == ("scheduled", 3)


async def async_psycopg(server: Server, enqueue: Callable[[Any], Awaitable[str]], end: Callable[[], None]) -> str:
    with suppress(Undo):
        async with await psycopg.AsyncConnection.connect(server.database) as connection:
            made = await enqueue(connection)
            end()
    return made


async def async_cursor(server: Server, enqueue: Callable[[Any], Awaitable[str]], end: Callable[[], None]) -> str:
    with suppress(Undo):
        async with await psycopg.AsyncConnection.connect(server.database) as connection, connection.cursor() as cursor:
            made = await enqueue(cursor)
            end()
    return made


async def of_asyncpg(server: Server, enqueue: Callable[[Any], Awaitable[str]], end: Callable[[], None]) -> str:
    connection = await asyncpg.connect(server.database)
    # As many applications do; a text that is quoted twice would not be a list of jobs.
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    try:
        with suppress(Undo):
            async with connection.transaction():
                made = await enqueue(connection)
                end()
    finally:
        await connection.close()
    return made


async def asyncpg_pool(server: Server, enqueue: Callable[[Any], Awaitable[str]], end: Callable[[], None]) -> str:
    async with asyncpg.create_pool(server.database, min_size=1) as pool, pool.acquire() as connection:
        with suppress(Undo):
            async with connection.transaction():
                made = await enqueue(connection)
                end()
    return made


async def async_alchemy_connection(server: Server, enqueue: Callable[[Any], Awaitable[str]], end: Callable[[], None]) -> str:
    engine = create_async_engine(server.database.replace("postgres://", "postgresql+asyncpg://"))
    with suppress(Undo):
        async with engine.begin() as connection:
            made = await enqueue(connection)
            end()
    await engine.dispose()
    return made


async def async_alchemy_session(server: Server, enqueue: Callable[[Any], Awaitable[str]], end: Callable[[], None]) -> str:
    engine = create_async_engine(server.database.replace("postgres://", "postgresql+psycopg://"))
    with suppress(Undo):
        async with AsyncSession(engine) as session, session.begin():
            made = await enqueue(session)
            end()
    await engine.dispose()
    return made


ASYNC_WAYS = [async_psycopg, async_cursor, of_asyncpg, asyncpg_pool, async_alchemy_connection, async_alchemy_session]


@pytest.mark.parametrize("way", ASYNC_WAYS, ids=lambda way: way.__name__)
def test_the_same_from_asyncio(way: Any, server: Server, client: tidemill.Client, queue: str) -> None:
    async def enqueue(connection: Any) -> str:
        return await sql.enqueue_async(connection, "nobody.serves", ARGS, queue=queue)

    async def both() -> tuple[str, str]:
        return await way(server, enqueue, fail), await way(server, enqueue, lambda: None)

    undone, kept = asyncio.run(both())
    check(client, queue, [kept], [undone])


def test_a_task_is_enqueued_in_a_transaction(server: Server, client: tidemill.Client, queue: str) -> None:
    task = tasks.add.with_options(queue=queue)
    with psycopg.connect(server.database) as connection:
        made = task.enqueue_in(connection, {"a": 1}, delay="1h")
        many = sql.enqueue_many(connection, [task.job(2), task.job(3, b=4)])
    assert len(many) == 2
    check_args = [client.get(job).args for job in [made, *many]]
    assert check_args == [{"a": 1}, {"a": 2}, {"a": 3, "b": 4}]


def test_unique_jobs_and_refusals_are_those_of_the_database(server: Server, client: tidemill.Client, queue: str) -> None:
    with psycopg.connect(server.database) as connection:
        one = sql.enqueue(connection, "nobody.serves", queue=queue, unique={"key": queue, "window": "1h"})
        assert sql.enqueue(connection, "nobody.serves", queue=queue, unique={"key": queue, "window": "1h"}) == one
    client.queues.drain(queue)
    with psycopg.connect(server.database) as connection, pytest.raises(psycopg.errors.DatabaseError, match="queue_draining"):
        sql.enqueue(connection, "nobody.serves", queue=queue)


def test_what_is_no_connection_is_named(server: Server) -> None:
    with pytest.raises(TypeError, match=r"builtins\.dict is no known connection"):
        sql.enqueue({}, "a")
    with psycopg.connect(server.database) as connection:
        with pytest.raises(TypeError, match="did you mean delay"):
            sql.enqueue(connection, "a", dellay=1)  # type: ignore[call-arg]
        with pytest.raises(ValueError, match="not the name of a schema"):
            sql.enqueue(connection, "a", schema='x"; drop')

    async def wrong() -> None:
        connection = await asyncpg.connect(server.database)
        with pytest.raises(TypeError, match="is for asyncio"):
            sql.enqueue(connection, "a")
        await connection.close()
        with psycopg.connect(server.database) as plain, pytest.raises(TypeError, match="is not for asyncio"):
            await sql.enqueue_async(plain, "a")

    asyncio.run(wrong())
