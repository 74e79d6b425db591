"""The backend for Django's tasks: it enqueues by SQL on Django's own connection, in the open transaction, and reads
results the same way. Must never commit, and never call the server to enqueue.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from django.core import checks
from django.db import DatabaseError, connections
from django.utils import timezone

from .. import sql
from ..client import Client
from .contract import (
    BaseTaskBackend,
    InvalidTask,
    TaskResult,
    TaskResultDoesNotExist,
    TaskResultStatus,
    normalize_json,
    task_enqueued,
)
from .results import Stored, read, result_of
from .task import TidemillTask

_HINT = "give the database of this project to the server: tidemill migrate --database-url …"


class TidemillBackend(BaseTaskBackend):
    """`BACKEND = "tidemill.django.TidemillBackend"`. Its OPTIONS, all optional:

    - `database`: the alias of the database that holds Tidemill's tables (`default`); `schema`: where they are (`tidemill`)
    - `url`, `key`: the server, for the worker (TIDEMILL_URL, TIDEMILL_KEY)
    - `modules`: modules with tasks beside the `tasks` of the installed apps
    """

    task_class = TidemillTask
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        self.database: str = self.options.get("database", "default")
        self.schema: str = self.options.get("schema", "tidemill")

    @cached_property
    def client(self) -> Client:
        """The server, for what the database alone cannot show: values that are encrypted, or in object storage."""
        return Client(self.options.get("url"), self.options.get("key"))

    def enqueue(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Enqueues the call in the open transaction; answers its TaskResult, or that of the job with its unique key.

        Raises TypeError for args that do not fit the function, or that are no JSON.
        """
        if not isinstance(task, TidemillTask):
            raise InvalidTask(f"{task.module_path} was made for another backend: move it with @task(backend={self.alias!r})")
        self.validate_task(task)
        args, kwargs = normalize_json(list(args)), normalize_json(dict(kwargs))
        call = uuid.uuid4().hex if task.unique else None
        note = {"task": task.module_path, "positional": len(args), "priority": task.priority, "call": call}
        note["deferred"] = task.run_after is not None
        id = sql.enqueue(
            connections[self.database],
            task.kind_name,
            task.signature.to_object(tuple(args), kwargs),
            schema=self.schema,
            metadata={"django": {name: value for name, value in note.items() if value}},
            **task.job_options(),
        )
        if call and (stored := self._stored(id))[0].note.get("call") != call:
            return result_of(stored, id, self.alias)
        result = TaskResult(
            task=task,
            id=id,
            status=TaskResultStatus.READY,
            enqueued_at=timezone.now(),
            started_at=None,
            finished_at=None,
            last_attempted_at=None,
            args=args,
            kwargs=kwargs,
            backend=self.alias,
            errors=[],
            worker_ids=[],
        )
        task_enqueued.send(type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> Any:
        """How the task stands. Raises TaskResultDoesNotExist, also for a job that is of no task of this project."""
        try:
            id = str(uuid.UUID(result_id))
        except (ValueError, AttributeError, TypeError):
            raise TaskResultDoesNotExist(result_id) from None
        stored = self._stored(id)
        try:
            return result_of(stored, id, self.alias)
        except (ImportError, KeyError) as error:
            raise TaskResultDoesNotExist(f"{result_id} is a job of {stored[0].kind}, which is not a task here") from error

    def _stored(self, id: str) -> Stored:
        with connections[self.database].cursor() as cursor:
            found = read(cursor, self.schema, id)
        if found is None:
            raise TaskResultDoesNotExist(id)
        job, attempts = found
        if job.is_elsewhere:
            shown = self.client.get(id)
            job = replace(job, args=self.client.whole(shown.args), result=self.client.whole(shown.result))
        return job, attempts

    def check(self, **_: Any) -> Iterator[checks.CheckMessage]:
        """What Django's `check` shows: a database that is no Postgres, that has no Tidemill, or that is not there."""
        where = f"TASKS[{self.alias!r}]"
        if self.database not in connections:
            yield checks.Error(f"{where}: there is no database {self.database!r}", id="tidemill.E001")
            return
        connection = connections[self.database]
        if connection.vendor != "postgresql":
            text = f"{where}: the database {self.database!r} is {connection.vendor}; Tidemill is in Postgres"
            yield checks.Error(text, id="tidemill.E002")
            return
        try:
            with connection.cursor() as cursor:
                cursor.execute("select to_regprocedure(%s) is not null", [f'"{self.schema}".enqueue_many(jsonb)'])
                is_there = cursor.fetchone()[0]
        except DatabaseError as error:
            yield checks.Warning(f"{where}: the database {self.database!r} cannot be asked: {error}", id="tidemill.W001")
            return
        if not is_there:
            text = f"{where}: the database {self.database!r} has no Tidemill in its schema {self.schema!r}"
            yield checks.Error(text, hint=_HINT, id="tidemill.E003")
