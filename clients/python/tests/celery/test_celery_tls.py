"""Celery over TLS (`tidemills://`): beat, and a task that is published and read. The server speaks plain HTTP, as behind a
proxy that ends TLS; the proxy here is a relay in a thread.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import APPS, until
from server import Server

import tidemill

SEND = """
import celery_app
print(celery_app.add.delay(2, 3).get(timeout=120))
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that signs itself, and its key, in one file."""
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    made = subprocess.run([*command.split(), "-keyout", "-", "-out", "-"], check=True, capture_output=True)
    file.write_bytes(made.stdout)
    return file


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def secure(server: Server, certificate: Path) -> Iterator[int]:
    """The port at which the server speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve(peer: socket.socket) -> None:
        server_side = context.wrap_socket(peer, server_side=True, do_handshake_on_connect=False)
        with contextlib.suppress(OSError), server_side, socket.create_connection(("127.0.0.1", server.port)) as plain:
            server_side.do_handshake()
            back = threading.Thread(target=_copy, args=(plain, server_side), daemon=True)
            back.start()
            _copy(server_side, plain)
            back.join()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


def environment(secure: int, key: str, trusted: Path | None) -> dict[str, str]:
    """The environment of a program of the application's, with the certificate that it trusts."""
    env = {**os.environ, "PYTHONUNBUFFERED": "1", "TIDEMILL_BROKER": f"tidemills://:{key}@127.0.0.1:{secure}"}
    return {**env, "SSL_CERT_FILE": str(trusted)} if trusted else env


def test_beat_writes_its_schedules(secure: int, certificate: Path, server: Server, client: tidemill.Client) -> None:
    command = [sys.executable, "-m", "celery", "-A", "celery_app", "beat", "-S", "tidemill", "-l", "info", "--pidfile="]
    env = environment(secure, server.key, certificate)
    names = {"each-second", "nightly"}
    for without, is_there in (("", True), ("1", False)):
        beat = subprocess.Popen(command, cwd=APPS, env={**env, **({"TEST_NO_SCHEDULE": without} if without else {})})
        try:
            until(lambda is_there=is_there: bool(names & {one.name for one in client.schedules.list()}) == is_there)
        finally:
            beat.terminate()
            beat.wait(30)


def test_a_task_is_published_and_its_result_read(secure: int, certificate: Path, server: Server, worker: object) -> None:
    env = environment(secure, server.celery_key, certificate)
    sent = subprocess.run([sys.executable, "-c", SEND], cwd=APPS, env=env, capture_output=True, text=True, timeout=200)
    assert sent.stdout.split() == ["5"], sent.stderr


def test_an_unknown_certificate_is_refused(secure: int, server: Server) -> None:
    env = environment(secure, server.celery_key, None)
    sent = subprocess.run([sys.executable, "-c", SEND], cwd=APPS, env=env, capture_output=True, text=True, timeout=200)
    assert "CERTIFICATE_VERIFY_FAILED" in sent.stderr, sent.stderr
