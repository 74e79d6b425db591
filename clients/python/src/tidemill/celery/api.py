"""The requests of the Celery integration, and how to read their answers. One `Api` for each server and process, shared
by the transport, the result backend and the worker. Refusals are `tidemill.Problem`; a server that does not answer is
an OSError, after which kombu and Celery retry.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ..errors import JobNotFound, LeaseLost, Problem, problem_of
from ..settings import DEFAULT_URL, settings
from ..transport.wire import Answer, Wire

LONGEST_WAIT = 30.0
MOST_AT_ONCE = 200
_MINIMAL = "Prefer: return=minimal\r\n"


class Unreachable(ConnectionError):
    """The server is there, but cannot answer now."""


class Api:
    """Requests of one server, with one key."""

    def __init__(self, url: str, key: str | None) -> None:
        self._wire = Wire(url, settings(url, key).headers())
        self.url = url

    def send(self, method: str, path: str, body: Any = None, timeout: float = 30.0) -> Any:
        """The answer's JSON. Raises Problem, or OSError."""
        return self._read(self._wire.request(method, path, None if body is None else _text(body), timeout))

    def _read(self, reply: Answer) -> Any:
        status, answer = reply.status_code, reply.content
        if status < 300:
            return json.loads(answer) if answer else None
        try:
            document = json.loads(answer)
        except ValueError:
            document = {"status": status, "title": answer[:200].decode(errors="replace")}
        if status in (502, 503, 504):
            raise Unreachable(f"{self.url} answered {status}: {document.get('detail') or document.get('title')}")
        try:
            retry_after = float(reply.headers.get("Retry-After", ""))
        except ValueError:
            retry_after = None
        raise problem_of({**document, "status": status}, retry_after)

    def drop(self) -> None:
        """Closes the connection of this thread."""
        self._wire.drop()

    def abort(self) -> None:
        """Breaks off what waits for an answer, in whichever thread."""
        self._wire.abort()

    def enqueue(self, job: Mapping[str, Any]) -> None:
        """Stores a job."""
        answer = self._wire.request("POST", "/api/v1/jobs", _text(job), more=_MINIMAL)
        if answer.status_code >= 300:
            self._read(answer)

    def enqueue_many(self, jobs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Stores many, and answers what became of each."""
        answer: list[dict[str, Any]] = self.send("POST", "/api/v1/jobs/batch", jobs, 120.0)["results"]
        return answer

    def refused_of_many(self, jobs: bytes) -> list[tuple[int, dict[str, Any]]]:
        """Stores many, an array that is JSON already, and answers which were refused, by their places; reads no more of the
        answer than that takes.
        """
        answer = self._wire.request("POST", "/api/v1/jobs/batch", jobs, 120.0, more=_MINIMAL)
        if answer.status_code < 300 and b'"refused"' not in answer.content:
            return []
        results = self._read(answer)["results"]
        return [(index, result) for index, result in enumerate(results) if result["status"] == "refused"]

    def get_many(self, jobs: Sequence[str]) -> list[dict[str, Any] | None]:
        """The jobs of ids or `execution:NAME`, in order; None for those that are not there."""
        found: list[dict[str, Any] | None] = []
        for begin in range(0, len(jobs), MOST_AT_ONCE):
            found += self.send("POST", "/api/v1/jobs/get", {"jobs": jobs[begin : begin + MOST_AT_ONCE]})["items"]
        return found

    def find(self, execution_id: str, wait: float = 0.0) -> dict[str, Any] | None:
        """The job of an execution id, after its end or at most `wait` seconds; None if there is none."""
        at = f"/api/v1/jobs/execution:{quote(execution_id, safe='')}"
        try:
            if not wait:
                found: dict[str, Any] = self.send("GET", at)
                return found
            wait = min(wait, LONGEST_WAIT)
            job: dict[str, Any] = self.send("GET", f"{at}/result?wait={round(wait * 1000)}ms", timeout=wait + 30.0)["job"]
            return job
        except JobNotFound:
            return None

    def ended(self, job_id: str, wait: float) -> None:
        """Waits for the end of a job, at most that many seconds."""
        self.send("GET", f"/api/v1/jobs/{job_id}/result?wait={round(wait * 1000)}ms", timeout=wait + 30.0)

    def get(self, job_id: str) -> dict[str, Any] | None:
        """The job of an id; None if there is none."""
        try:
            found: dict[str, Any] = self.send("GET", f"/api/v1/jobs/{quote(job_id, safe='')}")
            return found
        except (JobNotFound, Problem):
            return None

    def steps(self, job_id: str) -> dict[str, Any]:
        """The outputs of a job's steps by their names."""
        return {step["name"]: step["output"] for step in self.send("GET", f"/api/v1/jobs/{job_id}/steps")["items"]}

    def signal(self, execution_id: str, name: str, payload: Any) -> tuple[bool, int]:
        """Sends a signal; answers whether it is the first of that name, and how many the job has. Raises JobNotFound."""
        at = f"/api/v1/jobs/execution:{quote(execution_id, safe='')}/signals/{quote(name, safe='')}"
        answer = self.send("POST", at, {"payload": payload})
        return answer["outcome"] == "delivered", int(answer["count"])

    def signals(self, execution_id: str, name: str | None = None) -> list[dict[str, Any]]:
        """The signals of a job, oldest first; with a name only that of this name."""
        at = f"/api/v1/jobs/execution:{quote(execution_id, safe='')}/signals"
        at = at if name is None else f"{at}?name={quote(name, safe='')}"
        found: list[dict[str, Any]] = self.send("GET", at)["items"]
        return found

    def cancel(self, job: str, reason: str) -> dict[str, Any]:
        """Cancels a job, by its id or `execution:NAME`."""
        found: dict[str, Any] = self.send("POST", f"/api/v1/jobs/{quote(job, safe=':')}/cancel", {"reason": reason[:500]})
        return found

    def delete(self, execution_id: str) -> None:
        """Removes a job that does not run; nothing if there is none."""
        try:
            self.send("DELETE", f"/api/v1/jobs/execution:{quote(execution_id, safe='')}")
        except Problem as problem:
            if problem.status not in (404, 409):
                raise

    def verb(self, job_id: str, verb: str, lease: str, **fields: Any) -> None:
        """Says something of an attempt. Raises LeaseLost."""
        self.send("POST", f"/api/v1/worker/jobs/{job_id}/{verb}", {"lease_id": lease, **fields})


# Checking for circles would cost as much again: what is sent was made here.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)
encode = _ENCODER.encode


def _text(body: Any) -> bytes:
    return encode(body).encode()


def api_of(hostname: str | None, port: int | None, key: str | None, secure: bool = False) -> Api:
    """The server of a broker's URL; without a host that of TIDEMILL_URL. There is one `Api` for each in a process."""
    if not hostname:
        return _api(os.environ.get("TIDEMILL_URL") or DEFAULT_URL, key or os.environ.get("TIDEMILL_KEY"))
    host = f"[{hostname}]" if ":" in hostname else hostname
    scheme = "https" if secure else "http"
    return _api(f"{scheme}://{host}:{port or (443 if secure else 8080)}", key or os.environ.get("TIDEMILL_KEY"))


@functools.lru_cache(maxsize=64)
def _api(url: str, key: str | None) -> Api:
    return Api(url.rstrip("/"), key or None)


__all__ = ["LONGEST_WAIT", "Api", "LeaseLost", "Unreachable", "api_of"]
