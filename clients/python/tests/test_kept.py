"""Files that tasks keep with their jobs: from threads, processes and asyncio, with the errors that each gets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from apps import keeping
from running import RunningWorker, began, until
from server import Server

import tidemill
from tidemill import errors
from tidemill.files.kept import KeptFile
from tidemill.local import LocalLink


@pytest.fixture(scope="module")
def worker(server: Server) -> Iterator[RunningWorker]:
    worker = RunningWorker(server.url, server.worker_key, "keeping", "--queue", "keep=4")
    yield worker
    worker.end()


@pytest.mark.parametrize(
    "task", [keeping.keep, keeping.keep_async, keeping.keep_process], ids=["threads", "asyncio", "processes"]
)
@pytest.mark.usefixtures("worker")
def test_a_task_keeps_files(task: tidemill.Task[..., Any], server: Server, tmp_path: Path) -> None:
    handle = task.delay(str(tmp_path))
    got = handle.get("120s")
    at = f"/api/v1/jobs/{handle.id}/artifacts"
    assert got[:4] == [f"{at}/report.csv", f"{at}/data.bin", f"{at}/r.txt", f"{at}/large.bin"]
    assert got[4:] == ["TooLarge", "InvalidRequest", "FileNotFoundError", "ValueError"]
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {server.key}"}) as http:
        listed = [(one["name"], one["content_type"], one["bytes"]) for one in http.get(at).json()["items"]]
        assert listed == [
            ("report.csv", "text/csv", 3),
            ("data.bin", "application/octet-stream", 2),
            ("r.txt", "text/plain", 3),
            ("large.bin", "application/octet-stream", 6 << 20),
        ]
        assert http.get(got[1]).content == b"\xff\x00"
        assert http.get(got[2]).text == "a;b"
        assert http.get(got[3]).content == b"x" * (6 << 20)


@pytest.mark.usefixtures("worker")
def test_a_lost_lease_ends_the_function_and_keeps_nothing(server: Server, tmp_path: Path) -> None:
    handle = keeping.keep_late.delay(str(tmp_path / "mark"))
    began(tmp_path / "mark")
    with psycopg.connect(server.database, autocommit=True) as connection:
        connection.execute("update tidemill.jobs_live set lease_id = gen_random_uuid() where id = %s", [handle.id])
        (tmp_path / "mark").touch()
        ended = until(lambda: (path := tmp_path / "mark.ended").exists() and path.read_text())
        assert ended == "Cancelled"
        found = connection.execute("select count(*) from tidemill.artifacts where job_id = %s", [handle.id]).fetchone()
    assert found == (0,)


def test_names_and_types_follow_from_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    assert KeptFile.of(path, None, None) == KeptFile("a.csv.gz", "application/gzip", str(path))
    assert KeptFile.of(path, "b.PDF", None) == KeptFile("b.PDF", "application/pdf", str(path))
    assert KeptFile.of(memoryview(b"x"), "plain", None) == KeptFile("plain", "application/octet-stream", b"x")
    assert KeptFile.of(b"x", "plain", "text/x").content_type == "text/x"


def test_a_file_that_became_shorter_is_an_error(tmp_path: Path) -> None:
    from tidemill.files.kept import pieces

    path = tmp_path / "a"
    path.write_bytes(b"12345")
    with KeptFile.of(path, None, None).open() as file:
        assert list(pieces(file, 4)) == [b"1234"]
        with pytest.raises(OSError, match="became shorter"):
            list(pieces(file, 2))


def test_a_task_called_as_a_function_keeps_nothing(tmp_path: Path) -> None:
    assert keeping.keep(str(tmp_path))[0] == "/api/v1/jobs/local/artifacts/report.csv"
    link = LocalLink()
    link.keep(KeptFile("a", "text/plain", b"xyz"))
    assert link.reports == [("keep", {"name": "a", "content_type": "text/plain", "bytes": 3})]


def test_a_server_without_storage_is_an_error_of_its_own() -> None:
    problem = errors.problem_of({"type": f"{errors.TYPE_BASE}no-storage", "status": 409})
    assert type(problem) is errors.NoStorage
