"""Sends calls for threads and for asyncio. Calls of threads use a connection that each thread keeps (`wire`). Streams,
files, requests through a proxy and all calls of asyncio use httpx, with a client that is made at the first use and
again after a fork, because two processes must never share a connection. Repeats calls that can be repeated while the
server is unavailable.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Mapping
from functools import cached_property
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from ..calls.call import Call, Reply, pause_before, refusal
from ..errors import ConnectionFailed
from ..settings import Settings
from .wire import NotConnected, Wire, header_lines

T = TypeVar("T")

TRIES = 5


def _timeout(settings: Settings, call: Call[T]) -> httpx.Timeout:
    return httpx.Timeout(settings.timeout + call.wait, connect=min(10.0, settings.timeout))


# What is raised where no answer came.
GONE = (httpx.TransportError, OSError)
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, NotConnected)


def _may_repeat(call: Call[T], error: Exception) -> bool:
    # What never got to the server may always be sent again.
    return call.repeatable or isinstance(error, _NEVER_SENT)


def _has_proxy(url: str) -> bool:
    """Whether the environment names a proxy for the server."""
    parts, proxies = urlsplit(url), getproxies()
    return any(proxies.get(name) for name in (parts.scheme, "all")) and not proxy_bypass(parts.hostname or "")


def unreachable(settings: Settings, error: Exception) -> ConnectionFailed:
    """The exception for a server that gives no answer."""
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return ConnectionFailed(f"no answer from {settings.url} ({what}): check TIDEMILL_URL and that the server runs")


class Transport:
    """Sends calls in the caller's thread; threads may share it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._http: httpx.Client | None = None
        self._process = os.getpid()
        self._lock = threading.Lock()

    @property
    def http(self) -> httpx.Client:
        """The client of this process."""
        if self._http is not None and self._process == os.getpid():
            return self._http
        if self._process != os.getpid():
            # A thread of the parent may have held it at the fork.
            self._lock, self._http, self._process = threading.Lock(), None, os.getpid()
        with self._lock:
            if self._http is None:
                self._http = self._open()
            return self._http

    def _open(self) -> httpx.Client:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        return httpx.Client(base_url=self.settings.url, headers=self.settings.headers(), limits=limits)

    @cached_property
    def _wire(self) -> Wire | None:
        """What requests go over, unless there is a proxy."""
        if _has_proxy(self.settings.url):
            return None
        return Wire(self.settings.url, self.settings.headers(), httpx.create_ssl_context)

    def request(
        self,
        method: str,
        at: str,
        content: bytes | None,
        headers: Mapping[str, str],
        timeout: float,
        *,
        is_repeatable: bool = True,
    ) -> Reply:
        """The answer to one request, whichever it is. Raises one of GONE."""
        if self._wire is not None:
            more = header_lines(headers)
            return self._wire.request(method, at, content, timeout, more=more, is_repeatable=is_repeatable)
        limits = httpx.Timeout(timeout, connect=min(10.0, timeout))
        return self.http.request(method, at, content=content, headers=dict(headers), timeout=limits)

    def send(self, call: Call[T]) -> T:
        """The answer. Raises Problem for a refusal, ConnectionFailed where none came."""
        content, tries, at = call.content(), 0, call.path
        if call.params:
            at = f"{at}?{httpx.QueryParams(dict(call.params))}"
        while True:
            status = retry_after = None
            failure: Exception
            try:
                timeout = self.settings.timeout + call.wait
                response = self.request(call.method, at, content, call.headers, timeout, is_repeatable=call.repeatable)
                if response.is_success:
                    return call.read(response)
                problem = refusal(response)
                failure, status, retry_after = problem, response.status_code, problem.retry_after
            except GONE as error:
                failure = unreachable(self.settings, error)
                failure.__cause__ = error
                if not _may_repeat(call, error):
                    raise failure from error
            tries += 1
            pause = pause_before(tries, status, retry_after) if tries < TRIES else None
            if pause is None or (status is not None and not call.repeatable):
                raise failure
            time.sleep(pause)

    def close(self) -> None:
        """Closes the connections; the next call opens new ones."""
        if self._wire is not None:
            self._wire.close()
        if self._http is not None and self._process == os.getpid():
            self._http.close()
        self._http = None


class AsyncTransport:
    """Sends calls in the running event loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._http: httpx.AsyncClient | None = None
        self._home: tuple[int, asyncio.AbstractEventLoop] | None = None

    @property
    def http(self) -> httpx.AsyncClient:
        """The client of this event loop."""
        home = (os.getpid(), asyncio.get_running_loop())
        if self._http is None or self._home != home:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
            self._http = httpx.AsyncClient(base_url=self.settings.url, headers=self.settings.headers(), limits=limits)
            self._home = home
        return self._http

    async def send(self, call: Call[T]) -> T:
        """The answer. Raises Problem for a refusal, ConnectionFailed where none came."""
        content, tries = call.content(), 0
        while True:
            status = retry_after = None
            failure: Exception
            try:
                response = await self.http.request(
                    call.method,
                    call.path,
                    content=content,
                    params=call.params,
                    headers=call.headers,
                    timeout=_timeout(self.settings, call),
                )
                if response.is_success:
                    return call.read(response)
                problem = refusal(response)
                failure, status, retry_after = problem, response.status_code, problem.retry_after
            except httpx.TransportError as error:
                failure = unreachable(self.settings, error)
                failure.__cause__ = error
                if not _may_repeat(call, error):
                    raise failure from error
            tries += 1
            pause = pause_before(tries, status, retry_after) if tries < TRIES else None
            if pause is None or (status is not None and not call.repeatable):
                raise failure
            await asyncio.sleep(pause)

    async def close(self) -> None:
        """Closes the connections; the next call opens new ones."""
        if self._http is not None and self._home == (os.getpid(), asyncio.get_running_loop()):
            await self._http.aclose()
        self._http = None
