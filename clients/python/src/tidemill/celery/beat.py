"""`celery beat -S tidemill` and `celery worker -B -S tidemill`: writes the app's schedule into Tidemill's schedules,
which fire once however many beats run, even if none runs. Celery's own ticks handle the entries that Tidemill's cron
cannot express (solar times, crontabs that restrict both the day of the month and of the week, your own classes).
"""

from __future__ import annotations

import logging
from typing import Any

from celery.beat import ScheduleEntry
from celery.beat import Scheduler as CeleryScheduler
from celery.exceptions import ImproperlyConfigured
from celery.schedules import crontab, schedule

from ..errors import Forbidden
from . import names
from .api import Api
from .envelope import PART, priority_of

log = logging.getLogger("tidemill.celery")

_MARK = "celery_beat"
_LONGEST_SLEEP = 30.0


class Scheduler(CeleryScheduler):  # type: ignore[misc]
    """Celery's scheduler, whose entries are Tidemill's schedules."""

    def setup_schedule(self) -> None:
        """Writes the app's schedule, and takes away what it no longer has."""
        self.merge_inplace(self.app.conf.beat_schedule)
        self.install_default_entries(self.schedule)
        self.data.pop("celery.backend_cleanup", None)  # Results end by their retention.
        connection = self.app.connection_for_write()
        api: Api = connection.transport.api
        options = dict(connection.transport_options or {})
        written = set()
        for name, entry in list(self.data.items()):
            request = self.request_of(entry, options)
            if request is None:
                log.info("beat itself fires %s: Tidemill's schedules cannot express %r", name, entry.schedule)
                continue
            self._write(api, name, request)
            written.add(names.name(name))
            del self.data[name]
        self._remove_others(api, written)

    def _write(self, api: Api, name: str, request: dict[str, Any]) -> None:
        try:
            api.send("PUT", f"/api/v1/schedules/{names.name(name)}", request)
        except Forbidden as refused:
            needs = "beat writes Tidemill's schedules, for which the key in its broker_url needs the scope admin"
            raise ImproperlyConfigured(needs) from refused

    def _remove_others(self, api: Api, written: set[str]) -> None:
        for found in api.send("GET", "/api/v1/schedules")["items"]:
            metadata = (found["job"] or {}).get("metadata") or {}
            if metadata.get(_MARK) == self._owner and found["name"] not in written:
                api.send("DELETE", f"/api/v1/schedules/{found['name']}")

    @property
    def _owner(self) -> str:
        return str(self.app.main or "celery")

    def request_of(self, entry: ScheduleEntry, options: dict[str, Any]) -> dict[str, Any] | None:
        """The schedule as the API takes it; None for what it cannot say."""
        when = when_of(entry.schedule, str(self.app.conf.timezone or "UTC"))
        if when is None:
            return None
        how = dict(entry.options or {})
        queue = how.pop("queue", None)
        queue = getattr(queue, "name", queue) or how.pop("routing_key", None) or self._queue(entry)
        headers = {"expires_in": how.pop("expires", None), "ignore_result": how.pop("ignore_result", None)}
        headers["timelimit"] = [how.pop("time_limit", None), how.pop("soft_time_limit", None)]
        priority = how.pop("priority", None)
        if how or not isinstance(headers["expires_in"], (int, float, type(None))):
            return None
        job: dict[str, Any] = {
            "kind": names.name(entry.task),
            "queue": names.name(queue),
            "args": {
                "args": list(entry.args or ()),
                "kwargs": dict(entry.kwargs or {}),
                PART: {"template": {"task": entry.task, **{key: value for key, value in headers.items() if value}}},
            },
            "metadata": {_MARK: self._owner},
        }
        if priority is not None:
            job["priority"] = priority_of(int(priority), options.get("priority_order") == "lowest-first")
        return {**when, "job": job}

    def _queue(self, entry: ScheduleEntry) -> str:
        found = self.app.amqp.router.route({}, entry.task, entry.args, entry.kwargs).get("queue")
        return str(getattr(found, "name", None) or self.app.conf.task_default_queue)

    def tick(self, *args: Any, **options: Any) -> float:
        """Fires what beat itself fires, and sleeps."""
        if not self.data:
            return _LONGEST_SLEEP
        return float(super().tick(*args, **options))

    @property
    def info(self) -> str:
        """For the banner."""
        return "    . schedules -> Tidemill"


def when_of(when: Any, timezone: str) -> dict[str, Any] | None:
    """A schedule of Celery as `cron` or `every`."""
    if type(when) is crontab:
        days = (str(when._orig_day_of_month), str(when._orig_day_of_week))
        # Celery wants both to fit, cron either.
        if "*" not in days:
            return None
        fields = (when._orig_minute, when._orig_hour, days[0], when._orig_month_of_year, days[1])
        return {"cron": " ".join(_field(field) for field in fields), "timezone": timezone}
    if type(when) is schedule:
        every = when.run_every.total_seconds()
        return {"every": every} if every >= 1 and not when.relative else None
    return None


def _field(value: Any) -> str:
    if isinstance(value, (set, frozenset, list, tuple)):
        return ",".join(str(each) for each in sorted(value))
    return str(value).replace(" ", "")
