"""Runs Celery's own integration suite, as it is published, first on Redis and then on Tidemill, and compares them: every
test that Redis passes is to pass on Tidemill. Makes an environment of its own; `redis-server` and the network are needed.
Words are handed to pytest: `python suite.py -k chord`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parents[1]
CELERY = "celery==5.7.0"
FILES = ["t/integration/test_tasks.py", "t/integration/test_canvas.py"]
REDIS = ["redis-server", "--save", "", "--appendonly", "no", "--port"]
sys.path.insert(0, str(HERE.parent))


def prepare(folder: Path) -> Path:
    """An environment with what the suite needs, and the suite; answers its Python."""
    python = folder / "venv/bin/python"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "-q"]
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
        requirements = str(PACKAGE / "requirements-celery-suite.txt")
        subprocess.run([*pip, "install", "-r", requirements], check=True)
        subprocess.run([*pip, "install", "--no-build-isolation", "--no-deps", "-e", str(PACKAGE)], check=True)
        download = ["download", "--no-deps", "--no-binary", ":all:", "--no-build-isolation", CELERY, "-d", str(folder)]
        subprocess.run([*pip, *download], check=True)
        with tarfile.open(next(folder.glob("celery-*.tar.gz"))) as archive:
            # Without the package itself, which is the one that is installed.
            wanted = [one for one in archive.getmembers() if "/t/" in one.name or one.name.endswith("/pyproject.toml")]
            archive.extractall(folder, wanted, filter="data")
        (folder / "ready").touch()
    return python


def run(python: Path, folder: Path, name: str, broker: str, redis_port: int, words: list[str]) -> dict[str, str]:
    """Runs the suite on one broker; answers what became of each test."""
    report = folder / f"{name}.json"
    report.unlink(missing_ok=True)
    environment = {
        **os.environ,
        "TEST_BROKER": broker,
        "TEST_BACKEND": broker,
        "REDIS_HOST": "localhost",
        "REDIS_PORT": str(redis_port),
        "SUITE_OUTCOMES": str(report),
        "PYTHONPATH": os.pathsep.join([".", str(HERE)]),
    }
    options = ["-p", "suite_plugin", "-p", "no:cacheprovider", "-o", "addopts=", "-q"]
    suite = next(path for path in folder.glob("celery-*") if path.is_dir())
    began = time.monotonic()
    subprocess.run([str(python), "-m", "pytest", *options, *FILES, *words], cwd=suite, env=environment, check=False)
    found: dict[str, str] = json.loads(report.read_text())
    counts = {what: sum(one == what for one in found.values()) for what in sorted(set(found.values()))}
    print(f"{name}: {counts} in {(time.monotonic() - began) / 60:.0f} minutes", flush=True)
    return found


def main() -> None:
    """Runs both, and fails if Tidemill lacks what Redis passes."""
    from server import Server, free_port

    folder = Path(os.environ.get("CELERY_SUITE_DIR") or PACKAGE / ".celery-suite")
    folder.mkdir(exist_ok=True)
    python, port, words = prepare(folder), free_port(), sys.argv[1:]
    is_selection = words == ["--selection"]
    if is_selection:
        os.environ["SUITE_SELECTION"], words = "1", []
    redis = None if is_selection else subprocess.Popen([*REDIS, str(port)], stdout=subprocess.DEVNULL)
    server = Server(Path(tempfile.mkdtemp()))
    try:
        # With the scope admin: the suite purges queues.
        address = f"tidemill://:{server.key}@127.0.0.1:{server.port}"
        on_redis = {} if is_selection else run(python, folder, "redis", f"redis://127.0.0.1:{port}", port, words)
        on_tidemill = run(python, folder, "tidemill", address, port, words)
    finally:
        server.stop()
        if redis is not None:
            redis.terminate()
    sys.exit(compare(on_redis, on_tidemill) if redis else "failed" in on_tidemill.values() or not on_tidemill)


def compare(on_redis: dict[str, str], on_tidemill: dict[str, str]) -> bool:
    """Whether Tidemill lacks something; says what."""
    excluded = [line.split("  ")[0].split("::", 1)[1] for line in (HERE / "suite_excluded.txt").read_text().splitlines()[1:]]
    missing = [
        name
        for name, what in sorted(on_redis.items())
        if what == "passed" and on_tidemill.get(name) != "passed" and not any(name.endswith(one) for one in excluded)
    ]
    for name in missing:
        print(f"passes on Redis, {on_tidemill.get(name, 'is missing')} on Tidemill: {name}")
    return bool(missing)


if __name__ == "__main__":
    main()
