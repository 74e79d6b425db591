"""HTTP/1.1 for the requests where every tenth of a millisecond counts: one kept connection for each thread, one write
and usually one read for a request, with the standard library alone. A connection that was closed while idle is opened
again; any other failure raises an OSError in the caller.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from email.parser import BytesHeaderParser
from functools import cached_property
from http import HTTPStatus
from json import loads
from typing import Any
from urllib.parse import urlsplit

_LONGEST_IDLE = 20.0
_LONGEST_CONNECT = 10.0
_PIECE = 256 * 1024
_MOST_HEAD = 256 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[ \t]*close[ \t]*\r", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked", re.IGNORECASE)


class NotConnected(ConnectionError):
    """No connection could be opened, so nothing was sent."""


class Answer:
    """What the server answered, with the names that httpx has for it; headers are read when they are asked for."""

    def __init__(self, status_code: int, head: bytes, content: bytes) -> None:
        self.status_code = status_code
        self.content = content
        self._head = head

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """By their names, whose case does not matter."""
        lines = self._head.partition(b"\r\n")[2]
        # A message of the standard library's is what it takes: a mapping without regard to case.
        return BytesHeaderParser().parsebytes(lines)  # type: ignore[return-value]

    @property
    def is_success(self) -> bool:
        """2xx."""
        return 200 <= self.status_code < 300

    @property
    def reason_phrase(self) -> str:
        """The words of the status."""
        with contextlib.suppress(ValueError):
            return HTTPStatus(self.status_code).phrase
        return ""

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode(errors="replace")

    def json(self, **_: Any) -> Any:
        """The body's value. Raises ValueError."""
        # Of bytes it would look for their encoding first.
        return loads(self.content.decode())


class _Line:
    """One connection."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, timeout: float) -> None:
        try:
            sock = socket.create_connection((host, port), timeout=min(timeout, _LONGEST_CONNECT))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock = tls.wrap_socket(sock, server_hostname=host) if tls else sock
        except OSError as error:
            raise NotConnected(str(error) or type(error).__name__) from error
        self.process = os.getpid()
        self.used_at = time.monotonic()
        self.is_new = True

    def close(self) -> None:
        self.sock.close()

    def __del__(self) -> None:
        # Its thread has ended.
        if (sock := getattr(self, "sock", None)) is not None:
            sock.close()

    def is_silent(self) -> bool:
        """False once the other side has closed."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)


class Wire:
    """Requests of one server. May be shared by threads, and is good after a fork."""

    def __init__(self, url: str, headers: dict[str, str], tls: Callable[[], ssl.SSLContext] | None = None) -> None:
        parts = urlsplit(url)
        self.url = url
        self._host = parts.hostname or "localhost"
        self._tls = (tls or ssl.create_default_context)() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        self._head = header_lines({"Host": parts.netloc.rpartition("@")[2], **headers})
        self._local = threading.local()
        self._lines: weakref.WeakSet[_Line] = weakref.WeakSet()
        self._is_aborted = False

    def abort(self) -> None:
        """Breaks off what waits for an answer, in whichever thread."""
        self._is_aborted = True
        for line in list(self._lines):
            if line.process == os.getpid():
                with contextlib.suppress(OSError):
                    line.sock.shutdown(socket.SHUT_RDWR)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        timeout: float = 30.0,
        *,
        more: str = "",
        is_repeatable: bool = True,
    ) -> Answer:
        """The answer; `more` are header lines, each with its end. Raises OSError; a request may have been carried out then,
        unless it is NotConnected.

        Over a connection that was closed while it lay idle nothing was carried out, as far as can be known: a request that
        is not repeatable goes over one that still looks open, and is not sent again.
        """
        length = "" if body is None and method == "GET" else f"Content-Length: {len(body or b'')}\r\n"
        data = f"{method} {self._prefix}{path} HTTP/1.1\r\n{self._head}{more}{length}\r\n".encode("latin-1") + (body or b"")
        while True:
            line = self._line(timeout, must_look=not is_repeatable)
            try:
                line.sock.settimeout(timeout)
                line.sock.sendall(data)
                answer, keep = _answer(line.sock)
            except BaseException as error:
                # Whatever broke in, an answer that was not read must not be taken for that of the next request.
                self.drop()
                # It was closed while it lay idle.
                if not isinstance(error, (OSError, ValueError, _Closed)):
                    raise
                is_final = line.is_new or self._is_aborted or isinstance(error, (TimeoutError, ValueError))
                if is_repeatable and not is_final:
                    continue
                raise error if isinstance(error, OSError) else ConnectionError(f"no answer from {self.url}") from error
            line.is_new, line.used_at = False, time.monotonic()
            if not keep:
                self.drop()
            return answer

    def drop(self) -> None:
        """Closes this thread's connection."""
        line, self._local.line = getattr(self._local, "line", None), None
        if line is not None and line.process == os.getpid():
            line.close()

    def close(self) -> None:
        """Closes all connections that are idle; for when no thread sends any more."""
        for line in list(self._lines):
            if line.process == os.getpid():
                line.close()
        self._lines.clear()
        self._local = threading.local()

    def _line(self, timeout: float, *, must_look: bool) -> _Line:
        line: _Line | None = getattr(self._local, "line", None)
        if line is not None and line.process != os.getpid():
            # The parent's, which closing the copy leaves open.
            line.close()
            line = None
        if line is not None and (time.monotonic() - line.used_at > _LONGEST_IDLE or (must_look and not line.is_silent())):
            line.close()
            line = None
        if line is None:
            line = self._local.line = _Line(self._host, self._port, self._tls, timeout)
            self._lines.add(line)
        return line


def header_lines(headers: Mapping[str, str]) -> str:
    """Headers as they are sent. Raises ValueError for a value that would end its line."""
    for name, value in headers.items():
        if "\r" in value or "\n" in value or "\x00" in value:
            raise ValueError(f"the header {name} cannot have the value {value!r}")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


class _Closed(Exception):
    """The other side closed before it answered."""


def _answer(sock: socket.socket) -> tuple[Answer, bool]:
    data = sock.recv(_PIECE)
    if not data:
        raise _Closed
    while (end := data.find(b"\r\n\r\n")) < 0:
        if len(data) > _MOST_HEAD:
            raise ValueError("the head of the answer is too long")
        data += _more(sock)
    # With the end of its last line, and that of the first before each name.
    head, rest = data[: end + 2], data[end + 4 :]
    status, keep = int(head.split(None, 2)[1]), _CLOSE.search(head) is None
    if 100 <= status < 200:
        raise ValueError(f"the answer begins with {status}")
    if status in (204, 304):
        return Answer(status, head, b""), keep and not rest
    if _CHUNKED.search(head):
        body, rest = _chunks(sock, rest)
        return Answer(status, head, body), keep and not rest
    length = _LENGTH.search(head)
    if length is None:
        parts = [rest]
        while part := sock.recv(_PIECE):
            parts.append(part)
        return Answer(status, head, b"".join(parts)), False
    left = int(length[1]) - len(rest)
    if left > 0:
        parts = [rest]
        while left > 0:
            parts.append(_more(sock))
            left -= len(parts[-1])
        rest = b"".join(parts)
    return Answer(status, head, rest if left == 0 else rest[:left]), keep and left == 0


def _more(sock: socket.socket) -> bytes:
    data = sock.recv(_PIECE)
    if not data:
        raise ConnectionError("the connection closed in the middle of the answer")
    return data


def _chunks(sock: socket.socket, data: bytes) -> tuple[bytes, bytes]:
    """The body of an answer in chunks, and what came after it."""
    parts = []
    while True:
        while (end := data.find(b"\r\n")) < 0:
            data += _more(sock)
        size, data = int(data[:end].split(b";")[0], 16), data[end + 2 :]
        if not size:
            break
        while len(data) < size + 2:
            data += _more(sock)
        parts.append(data[:size])
        data = data[size + 2 :]
    # Trailers end with an empty line.
    while not data.startswith(b"\r\n"):
        while (end := data.find(b"\r\n")) < 0:
            data += _more(sock)
        if end:
            data = data[end + 2 :]
    return b"".join(parts), data[2:]
