"""HTTP/1.1 for the paths where every tenth of a millisecond counts: one kept connection for each thread, one write and
one read a request, on the standard library alone. A connection that was closed while it lay idle is opened again;
anything else that fails is an OSError of the caller's.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import time
import weakref
from typing import BinaryIO
from urllib.parse import urlsplit

_LONGEST_IDLE = 20.0


class _Line:
    """One connection."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, timeout: float) -> None:
        sock = socket.create_connection((host, port), timeout=min(timeout, 10.0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = tls.wrap_socket(sock, server_hostname=host) if tls else sock
        self.read: BinaryIO = self.sock.makefile("rb")
        self.process = os.getpid()
        self.used_at = time.monotonic()
        self.is_new = True

    def close(self) -> None:
        self.read.close()
        self.sock.close()


class Wire:
    """Requests of one server. May be shared by threads, and is good after a fork."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        parts = urlsplit(url)
        self.url = url
        self._host = parts.hostname or "localhost"
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        lines = [f"Host: {parts.netloc.rpartition('@')[2]}", *(f"{name}: {value}" for name, value in headers.items())]
        self._head = "".join(f"{line}\r\n" for line in lines)
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

    def request(self, method: str, path: str, body: bytes | None = None, timeout: float = 30.0) -> tuple[int, bytes]:
        """Status and body of the answer. Raises OSError; a request may have been carried out then."""
        head = f"{method} {self._prefix}{path} HTTP/1.1\r\n{self._head}Content-Length: {len(body or b'')}\r\n\r\n"
        data = head.encode("latin-1") + (body or b"")
        while True:
            line = self._line(timeout)
            try:
                line.sock.settimeout(timeout)
                line.sock.sendall(data)
                status, answer, keep = _answer(line.read)
            except BaseException as error:
                # Whatever broke in, an answer that was not read must not be taken for that of the next request.
                self.drop()
                # It was closed while it lay idle.
                if not isinstance(error, (OSError, ValueError, _Closed)):
                    raise
                if not (line.is_new or self._is_aborted or isinstance(error, (TimeoutError, ValueError))):
                    continue
                raise error if isinstance(error, OSError) else ConnectionError(f"no answer from {self.url}") from error
            line.is_new, line.used_at = False, time.monotonic()
            if not keep:
                self.drop()
            return status, answer

    def drop(self) -> None:
        """Closes this thread's connection."""
        line, self._local.line = getattr(self._local, "line", None), None
        if line is not None and line.process == os.getpid():
            line.close()

    def _line(self, timeout: float) -> _Line:
        line: _Line | None = getattr(self._local, "line", None)
        if line is not None and line.process != os.getpid():
            # The parent's, which closing the copy leaves open.
            line.close()
            line = None
        if line is not None and time.monotonic() - line.used_at > _LONGEST_IDLE:
            line.close()
            line = None
        if line is None:
            line = self._local.line = _Line(self._host, self._port, self._tls, timeout)
            self._lines.add(line)
        return line


class _Closed(Exception):
    """The other side closed before it answered."""


def _answer(read: BinaryIO) -> tuple[int, bytes, bool]:
    first = read.readline(65536)
    if not first:
        raise _Closed
    status, length, keep, chunked = int(first.split(None, 2)[1]), None, True, False
    while (line := read.readline(65536)) not in (b"\r\n", b"\n"):
        if not line:
            raise ConnectionError("the answer broke off")
        name, _, value = line.partition(b":")
        name = name.lower()
        if name == b"content-length":
            length = int(value)
        elif name == b"connection" and value.strip().lower() == b"close":
            keep = False
        elif name == b"transfer-encoding":
            chunked = b"chunked" in value.lower()
    if chunked:
        return status, _chunks(read), keep
    if length is None:
        return (status, b"", keep) if status in (204, 304) else (status, read.read(), False)
    body = read.read(length)
    if len(body) < length:
        raise ConnectionError("the answer broke off")
    return status, body, keep


def _chunks(read: BinaryIO) -> bytes:
    parts = []
    while size := int(read.readline(65536).split(b";")[0], 16):
        parts.append(read.read(size))
        read.readline()
    while read.readline(65536) not in (b"\r\n", b"\n", b""):
        pass
    return b"".join(parts)
