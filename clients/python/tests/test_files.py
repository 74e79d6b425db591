"""The files of a job, listed and read by both clients against a real server: whole, in pieces and to a path."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from apps import keeping
from running import RunningWorker
from server import Server

import tidemill
from tidemill import errors

LARGE = b"x" * (6 << 20)


@pytest.fixture(scope="module")
def job(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A job that keeps four files, one of them of 6 MiB."""
    worker = RunningWorker(server.url, server.worker_key, "keeping", "--queue", "keep=4")
    handle = keeping.keep.delay(str(tmp_path_factory.mktemp("kept")))
    handle.get("120s")
    worker.end()
    return handle.id


def test_the_files_of_a_job_are_listed_and_read(client: tidemill.Client, job: str, tmp_path: Path) -> None:
    files = client.files(job)
    assert [(file.name, file.content_type, file.bytes) for file in files] == [
        ("report.csv", "text/csv", 3),
        ("data.bin", "application/octet-stream", 2),
        ("r.txt", "text/plain", 3),
        ("large.bin", "application/octet-stream", 6 << 20),
    ]
    assert files[0].created_at.tzinfo is not None
    assert client.read_file(job, "data.bin") == b"\xff\x00"
    pieces = list(client.iter_file(job, "large.bin"))
    assert len(pieces) > 1
    assert b"".join(pieces) == LARGE

    assert client.download(job, "report.csv", tmp_path) == tmp_path / "report.csv"
    assert client.download(job, "large.bin", tmp_path / "mine") == tmp_path / "mine"
    assert (tmp_path / "report.csv").read_text() == "a;b"
    assert (tmp_path / "mine").read_bytes() == LARGE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "report.csv"]


def test_asyncio_reads_the_same(server: Server, job: str, tmp_path: Path) -> None:
    async def read() -> None:
        async with tidemill.AsyncClient(server.url, server.key) as client:
            assert next(file.name for file in await client.files(job)) == "report.csv"
            assert await client.read_file(job, "data.bin") == b"\xff\x00"
            assert await client.download(job, "large.bin", tmp_path) == tmp_path / "large.bin"
            with pytest.raises(errors.NotFound):
                await client.download(job, "none.txt", tmp_path)

    asyncio.run(read())
    assert (tmp_path / "large.bin").read_bytes() == LARGE
    assert [path.name for path in tmp_path.iterdir()] == ["large.bin"]


def test_what_is_not_there_leaves_nothing(client: tidemill.Client, job: str, tmp_path: Path) -> None:
    (tmp_path / "none.txt").write_text("before")
    with pytest.raises(errors.NotFound):
        client.download(job, "none.txt", tmp_path)
    assert (tmp_path / "none.txt").read_text() == "before"
    with pytest.raises(ValueError, match="not the name of a file"):
        client.download(job, "../none.txt", tmp_path)
    with pytest.raises(errors.JobNotFound):
        client.files("execution:nobody")
    assert [path.name for path in tmp_path.iterdir()] == ["none.txt"]


def test_a_file_that_ends_too_early_is_no_file(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with tidemill.Client(url) as client, pytest.raises(errors.ConnectionFailed):
            client.download("J", "a.txt", tmp_path)
        thread.join()
    assert list(tmp_path.iterdir()) == []
