"""The worker's requests. Each is tried once, because the caller knows best what to do if the server is unavailable; the
outbox and the claims repeat theirs.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import httpx

from .. import codec
from ..calls.call import Reply, path, refusal
from ..files.kept import KeptFile, pieces, size_of
from ..settings import Settings
from ..transport import GONE, Transport, unreachable

# A heartbeat that takes longer is of no use.
_TIMEOUT = 10.0
# The server answers a file when its storage has it.
_FILE_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
MOST_LEASES = 1_000
MOST_ENDS = 1_000


class WorkerApi:
    """Sends the verbs of a remote worker. Raises Problem for a refusal, ConnectionFailed where no answer came."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings = settings
        self.name = name
        self._transport = Transport(settings)

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def heartbeat(self, leases: Sequence[str]) -> dict[str, Any]:
        """Renews leases, at most 1,000; answers what became of them."""
        return self._post(path("worker", "heartbeat"), {"worker": self.name, "leases": leases})

    def set_kind(self, kind: str, rules: Mapping[str, Any]) -> None:
        """Sets the rules of a kind."""
        self._send("PUT", path("kinds", kind), codec.dumps(rules).encode(), {}, None)

    def settle(self, ends: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Ends many attempts; answers in order what follows of each."""
        answer = self._post(path("worker", "settle"), {"ends": ends}, timeout=30.0)
        return cast("list[dict[str, Any]]", answer["results"])

    def verb(self, job: str, lease: str, verb: str, body: Mapping[str, Any], key: str | None = None) -> dict[str, Any]:
        """Says something of one attempt; with a key, a repeated request changes nothing twice."""
        headers = {"Idempotency-Key": key} if key else {}
        return self._post(path("worker", "jobs", job, verb), {"lease_id": lease, **body}, headers=headers)

    def keep(self, job: str, lease: str, file: KeptFile) -> dict[str, Any]:
        """Sends a file of one attempt as it is read; a repeated request replaces it. Raises OSError as well."""
        at = f"{path('worker', 'jobs', job, 'artifacts', file.name)}?lease_id={lease}"
        with file.open() as content:
            size = size_of(content)
            headers = {"Content-Type": file.content_type, "Content-Length": str(size)}
            return self._send_file(at, pieces(content, size), headers)

    def look(self, job: str, what: str) -> list[dict[str, Any]]:
        """The job's `steps` or `signals`."""
        return cast("list[dict[str, Any]]", self._send("GET", path("jobs", job, what), None, {}, None)["items"])

    def _post(
        self, at: str, body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> dict[str, Any]:
        return self._send("POST", at, codec.dumps(body).encode(), headers or {}, timeout)

    def _send(
        self, method: str, at: str, content: bytes | None, headers: Mapping[str, str], timeout: float | None
    ) -> dict[str, Any]:
        try:
            response = self._transport.request(method, at, content, headers, timeout or _TIMEOUT)
        except GONE as error:
            raise unreachable(self.settings, error) from error
        return self._read(response)

    def _send_file(self, at: str, content: Iterator[bytes], headers: Mapping[str, str]) -> dict[str, Any]:
        try:
            response = self._transport.http.put(at, content=content, headers=dict(headers), timeout=_FILE_TIMEOUT)
        except httpx.TransportError as error:
            raise unreachable(self.settings, error) from error
        return self._read(response)

    def _read(self, response: Reply) -> dict[str, Any]:
        if not response.is_success:
            raise refusal(response)
        try:
            return cast("dict[str, Any]", json.loads(response.content))
        except ValueError as error:
            # A proxy that answers for a server that is away.
            raise unreachable(self.settings, error) from error


def new_key() -> str:
    """A key for one report."""
    return uuid.uuid4().hex
