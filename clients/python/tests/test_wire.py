"""The wire: what it reads, when it opens a connection again, and what it never sends twice. The other side is a socket whose
bytes the test writes; the headers and the client are tried with the real server too.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

import tidemill
from tidemill.calls.call import Call
from tidemill.errors import ConnectionFailed
from tidemill.settings import Settings
from tidemill.transport import Transport
from tidemill.transport.wire import NotConnected, Wire, header_lines

Script = list[list[bytes]]


class Peer:
    """Answers each request of its n-th connection with the next of the n-th script, and closes after the last."""

    def __init__(self, *scripts: list[bytes]) -> None:
        self.requests: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.closed = threading.Semaphore(0)
        threading.Thread(target=self._serve, args=[scripts], daemon=True).start()

    def _serve(self, scripts: tuple[list[bytes], ...]) -> None:
        for script in scripts:
            connection, _ = self.socket.accept()
            with connection:
                for answer in script:
                    self.requests.append(_request(connection))
                    # One byte after the other, so that no read gets all.
                    for byte in answer:
                        connection.sendall(bytes([byte]))
            self.closed.release()


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    """Makes other sides, which end with the test."""
    made: list[Peer] = []

    def make(*scripts: list[bytes]) -> Peer:
        made.append(Peer(*scripts))
        return made[-1]

    yield make
    for one in made:
        one.socket.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Name: a\r\n\r\ntrue"


@pytest.mark.parametrize(
    ("answer", "status", "content"),
    [
        (OK, 200, b"true"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 503 Away\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", 503, b""),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n",
            200,
            b"abcde",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, b""),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", 200, b"to the end"),
    ],
)
def test_an_answer_is_read_whole(peer: Callable[..., Peer], answer: bytes, status: int, content: bytes) -> None:
    found = Wire(peer([answer]).url, {}).request("GET", "/x")
    assert (found.status_code, found.content) == (status, content)


def test_a_connection_is_kept_and_opened_again(peer: Callable[..., Peer]) -> None:
    other = peer([OK, OK], [OK])
    wire = Wire(other.url, {"Authorization": "Bearer k"})
    assert wire.request("POST", "/a", b"12", more="Prefer: x\r\n").headers["x-name"] == "a"
    assert wire.request("GET", "/b").json() is True
    other.closed.acquire()
    assert wire.request("GET", "/c").is_success
    assert [request.split()[1] for request in other.requests] == [b"/a", b"/b", b"/c"]
    assert other.requests[0].endswith(b"Prefer: x\r\nContent-Length: 2\r\n\r\n12")
    assert b"Authorization: Bearer k\r\n" in other.requests[0]


def test_what_may_not_be_repeated_is_sent_once(peer: Callable[..., Peer]) -> None:
    # The second request is read, and then the connection breaks.
    other = peer([OK, b""], [OK])
    wire = Wire(other.url, {})
    wire.request("GET", "/a")
    with pytest.raises(OSError):
        wire.request("POST", "/b", b"1", is_repeatable=False)
    assert len(other.requests) == 2
    # A connection that is known to be closed is not used.
    assert wire.request("POST", "/c", b"1", is_repeatable=False).is_success


def test_what_broke_off_is_an_error(peer: Callable[..., Peer]) -> None:
    for answer in (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", b"HTTP/1.1 2", b"not HTTP\r\n\r\n"):
        with pytest.raises(OSError):
            Wire(peer([answer]).url, {}).request("GET", "/x")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
    with pytest.raises(NotConnected):
        Wire(url, {}).request("GET", "/x")


def test_a_header_is_one_line() -> None:
    for value in ("a\r\nb: c", "a\nb", "a\x00"):
        with pytest.raises(ValueError, match="X"):
            header_lines({"X": value})
    assert header_lines({"X": "a"}) == "X: a\r\n"


def test_a_lost_answer_is_asked_for_again_if_it_may(peer: Callable[..., Peer]) -> None:
    call: Call[bool] = Call("POST", "/x", lambda answer: bool(answer.json()), {})
    other = peer([b""], [OK])
    assert Transport(Settings(other.url, None)).send(call) is True
    once: Call[bool] = Call("POST", "/x", lambda answer: bool(answer.json()), {}, repeatable=False)
    with pytest.raises(ConnectionFailed):
        Transport(Settings(peer([b""], [OK]).url, None)).send(once)


def test_a_proxy_of_the_environment_is_used(peer: Callable[..., Peer], monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = peer([OK])
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "")
    call: Call[bool] = Call("GET", "/x", lambda answer: bool(answer.json()))
    assert Transport(Settings("http://tidemill.invalid", None)).send(call) is True
    assert proxy.requests[0].startswith(b"GET http://tidemill.invalid/x ")


def test_many_jobs_are_read_at_once(client: tidemill.Client) -> None:
    ids = [item.id or "" for item in client.enqueue_many({"kind": "wire.many", "args": {"n": n}} for n in range(230))]
    found = client.get_many([*ids, "execution:wire.nobody"])
    assert [job.args["n"] for job in found if job] == list(range(230))
    assert found[-1] is None
    assert client.get_many([]) == []
