"""Enqueues jobs on the caller's own connection, in the caller's own transaction: they are committed or rolled back with
it. Accepts the connections of drivers and frameworks (psycopg, psycopg2, asyncpg, SQLAlchemy, Django) and recognises
them by their attributes, so it imports none of them. Must never commit, roll back or open a transaction.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from . import codec
from .request import check_options, job_body

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .request import JobOptions

_DURATIONS = ("delay", "soft_timeout", "hard_timeout", "retain", "expires_in")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}")


def enqueue(
    connection: Any,
    kind: str,
    args: Mapping[str, Any] | None = None,
    *,
    schema: str = "tidemill",
    **options: Unpack[JobOptions],
) -> str:
    """Enqueues a job in the open transaction of a connection, session or cursor; answers its id.

    Raises what the driver raises where the database refuses: the transaction is then to be rolled back. TypeError for a
    connection that is none, or one for asyncio (`enqueue_async`).
    """
    return enqueue_many(connection, [{"kind": kind, "args": args, **options}], schema=schema)[0]


def enqueue_many(connection: Any, jobs: Iterable[Mapping[str, Any]], *, schema: str = "tidemill") -> list[str]:
    """Enqueues jobs, all or none, in the open transaction; answers their ids in order."""
    if _is_async(connection):
        raise TypeError(f"{_name_of(connection)} is for asyncio: await tidemill.sql.enqueue_async(…)")
    text = _jobs_text(jobs)
    if _is_sqlalchemy(connection):
        return _ids(connection.execute(_clause(schema), {"jobs": text}))
    if callable(getattr(connection, "cursor", None)):
        cursor = connection.cursor()
        try:
            cursor.execute(_query(schema, "%s"), [text])
            return _ids(cursor.fetchall())
        finally:
            cursor.close()
    if callable(getattr(connection, "fetchall", None)):
        connection.execute(_query(schema, "%s"), [text])
        return _ids(connection.fetchall())
    raise _no_connection(connection)


async def enqueue_async(
    connection: Any,
    kind: str,
    args: Mapping[str, Any] | None = None,
    *,
    schema: str = "tidemill",
    **options: Unpack[JobOptions],
) -> str:
    """As `enqueue`, on a connection, session or cursor for asyncio."""
    ids = await enqueue_many_async(connection, [{"kind": kind, "args": args, **options}], schema=schema)
    return ids[0]


async def enqueue_many_async(connection: Any, jobs: Iterable[Mapping[str, Any]], *, schema: str = "tidemill") -> list[str]:
    """As `enqueue_many`, on a connection, session or cursor for asyncio."""
    if not _is_async(connection):
        raise TypeError(f"{_name_of(connection)} is not for asyncio: call tidemill.sql.enqueue(…)")
    text = _jobs_text(jobs)
    if _is_sqlalchemy(connection):
        return _ids(await connection.execute(_clause(schema), {"jobs": text}))
    if callable(getattr(connection, "fetchval", None)):
        return _ids(await connection.fetch(_query(schema, "$1"), text))
    if callable(getattr(connection, "cursor", None)):
        async with connection.cursor() as cursor:
            await cursor.execute(_query(schema, "%s"), [text])
            return _ids(await cursor.fetchall())
    await connection.execute(_query(schema, "%s"), [text])
    return _ids(await connection.fetchall())


def _jobs_text(jobs: Iterable[Mapping[str, Any]]) -> str:
    return codec.dumps([sql_body(job) for job in jobs])


def sql_body(job: Mapping[str, Any]) -> dict[str, Any]:
    """The job as the function `enqueue_many` takes it: as the API, with durations as intervals."""
    options = {name: value for name, value in job.items() if name not in ("kind", "args")}
    check_options(options)
    body = job_body(job["kind"], job.get("args"), options)
    for name in _DURATIONS:
        if body.get(name) is not None:
            body[name] = f"{body[name]} seconds"
    return body


def _query(schema: str, place: str) -> str:
    if not _NAME.fullmatch(schema):
        raise ValueError(f"{schema!r} is not the name of a schema")
    # Read as text first: some applications teach their driver to write JSON, which would quote it twice.
    return f'select cast(id as text) from "{schema}".enqueue_many(cast(cast({place} as text) as jsonb)) as id'


def _clause(schema: str) -> Any:
    # It is there: a connection of it was given.
    from sqlalchemy import text

    return text(_query(schema, ":jobs"))


def _ids(rows: Iterable[Any]) -> list[str]:
    """The first column, whatever a row is: a tuple, a record, a mapping, or the value itself."""
    return [_first(row) for row in rows]


def _first(row: Any) -> str:
    if isinstance(row, str):
        return row
    if isinstance(row, Mapping) or callable(getattr(row, "values", None)):
        return cast(str, next(iter(row.values())))
    return cast(str, cast("Sequence[Any]", row)[0])


def _is_sqlalchemy(connection: Any) -> bool:
    return any(cls.__module__.startswith("sqlalchemy.") for cls in type(connection).__mro__)


def _is_async(connection: Any) -> bool:
    if _is_sqlalchemy(connection):
        return any(cls.__module__.startswith("sqlalchemy.ext.asyncio") for cls in type(connection).__mro__)
    execute = getattr(connection, "execute", None)
    # A pool of asyncpg hands out proxies that know fetchval.
    return inspect.iscoroutinefunction(execute) or callable(getattr(connection, "fetchval", None))


def _name_of(connection: Any) -> str:
    return f"{type(connection).__module__}.{type(connection).__qualname__}"


def _no_connection(connection: Any) -> TypeError:
    return TypeError(
        f"{_name_of(connection)} is no known connection: give that of psycopg, psycopg2, asyncpg, SQLAlchemy or Django"
    )
