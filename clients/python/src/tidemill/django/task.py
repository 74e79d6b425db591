"""A Django task with the settings of this package, which Django's decorator does not have, such as `max_attempts` and
`unique`. The worker knows each such task by its kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from inspect import iscoroutinefunction
from typing import Any

from django.utils import timezone

from ..backoff import AnyBackoff
from ..duration import Duration
from ..kind_rules import Breaker
from ..local import at_hand
from ..request import job_body
from ..signature import Signature
from ..task import KIND, POOLS
from .contract import InvalidTask, Task

# By kind: the tasks of the modules that this process has imported.
known_tasks: dict[str, TidemillTask] = {}

_OF_THE_JOB = (
    "max_attempts", "soft_timeout", "hard_timeout", "unique", "concurrency_key", "fair_key", "expires_in", "retain", "tags",
)  # fmt: skip
_OF_THE_WORKER = ("backoff", "permanent", "breaker", "soft_timeout", "hard_timeout", "stop_grace", "pool", "memory")


@dataclass(frozen=True, kw_only=True)
class TidemillTask(Task):
    """The further words mean what they mean for `tidemill.task`; `kind` is by default the path of the function."""

    kind: str | None = None
    max_attempts: int | None = None
    backoff: AnyBackoff | None = None
    permanent: Iterable[type[BaseException]] = ()
    breaker: Breaker | None = None
    soft_timeout: Duration | None = None
    hard_timeout: Duration | None = None
    stop_grace: Duration = 10.0
    unique: bool | str | Mapping[str, Any] | None = None
    concurrency_key: str | Sequence[str] | None = None
    fair_key: str | None = None
    expires_in: Duration | None = None
    retain: Duration | None = None
    tags: Sequence[str] | None = None
    pool: str | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not KIND.fullmatch(self.kind_name):
            raise InvalidTask(
                f"{self.kind_name!r} cannot name a kind of jobs (1 to 63 letters, digits, '.', '_' and '-'): "
                f"give it another name, as in @task(kind='shop.{self.name}')"
            )
        if self.pool not in (None, *POOLS):
            raise InvalidTask(f"{self.kind_name}: there is no pool {self.pool}; there are {', '.join(POOLS)}")
        try:
            job_body(self.kind_name, {}, self.job_options())
        except (TypeError, ValueError) as error:
            raise InvalidTask(f"{self.kind_name}: {error}") from error
        first = known_tasks.setdefault(self.kind_name, self)
        if first.module_path != self.module_path:
            raise InvalidTask(f"the kind {self.kind_name} is that of {first.module_path}: give {self.module_path} another")

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function here and now, as a backend for tests does; `tidemill.current()` is there."""
        with at_hand(self.kind_name, iscoroutinefunction(self.func)):
            return super().call(*args, **kwargs)

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        """As `call`, from asyncio."""
        with at_hand(self.kind_name, iscoroutinefunction(self.func)):
            return await super().acall(*args, **kwargs)

    @property
    def kind_name(self) -> str:
        """The kind of its jobs."""
        return self.kind or str(self.module_path)

    @property
    def signature(self) -> Signature:
        """The parameters that its callers give, so without the context."""
        return Signature(self.func, skip=1 if self.takes_context else 0)

    def using(self, **changes: Any) -> TidemillTask:
        """The same task with other settings: Django's (`priority`, `queue_name`, `run_after`, `backend`), and ours."""
        known = {field.name for field in fields(self)} - {"func", "takes_context", "kind"}
        if unknown := sorted(changes.keys() - known):
            raise TypeError(f"using() takes no {', '.join(unknown)}; it takes {', '.join(sorted(known))}")
        return replace(self, **{name: value for name, value in changes.items() if value is not None})

    def job_options(self) -> dict[str, Any]:
        """The options of its jobs, as `tidemill.sql.enqueue` takes them."""
        options = {name: value for name in _OF_THE_JOB if (value := getattr(self, name)) is not None}
        # Django's priorities are -100 to 100, the larger one first; the job's 1 to 9, the smaller one first.
        options.update(queue=self.queue_name, priority=5 - round(self.priority / 25))
        if self.run_after is not None:
            options["run_at"] = _aware(self.run_after)
        return options

    def worker_settings(self) -> dict[str, Any]:
        """What the worker's task is made with; the worker declares it to the server."""
        of_the_kind = {name: value for name, value in self.job_options().items() if name != "run_at"}
        return {**of_the_kind, **{name: getattr(self, name) for name in _OF_THE_WORKER}}


def _aware(moment: datetime) -> datetime:
    # With USE_TZ = False Django's times have no zone; they are meant in that of the settings.
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
