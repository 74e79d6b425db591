"""A real server for the tests: `tidemill dev` with an embedded Postgres, open to keys alone. May be restarted at the same
address; what it stored stays.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CONFIG = """
[keeper]
sweep = "500ms"

[redaction]
keys = ["password"]

[storage]
max_file_bytes = "8MiB"
"""


def binary() -> Path:
    """The program: TIDEMILL_BINARY, else the debug build of this repository."""
    built = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "debug/tidemill"
    return Path(os.environ.get("TIDEMILL_BINARY") or built)


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A server in a folder; `more` is added to its configuration."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "tidemill.toml").write_text(CONFIG + more)
        self.start()
        self.database: str = json.loads((self.data / "urls.json").read_text())["database"]
        self.key = self.make_key("admin")
        self.worker_key = self.make_key("work")
        # What docs/from-celery.md asks for.
        self.celery_key = self.make_key("enqueue", "read", "work")

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        with open(self.folder / "server.log", "a") as log:
            command = [binary(), "dev", "--config", "tidemill.toml", "--listen", f"127.0.0.1:{self.port}"]
            self.process = subprocess.Popen(
                [*map(str, command), "--data-dir", str(self.data)], cwd=self.folder, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + 120
        while not (self.data / "urls.json").exists() or not self.is_ready():
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.stop()
                raise RuntimeError(f"the server did not start: {(self.folder / 'server.log').read_text()[-2000:]}")
            time.sleep(0.1)

    def is_ready(self) -> bool:
        """True if it answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):
                return True
        except OSError:
            return False

    def make_key(self, *scopes: str) -> str:
        """A new API key."""
        words = [word for scope in scopes for word in ("--scope", scope)]
        made = subprocess.run(
            [str(binary()), "keys", "create", *words, "--name", f"tests-{'-'.join(scopes)}", "--json"],
            env={**os.environ, "TIDEMILL_DATABASE__URL": self.database},
            cwd=self.data,
            check=True,
            capture_output=True,
            text=True,
        )
        return str(json.loads(made.stdout)["key"])

    def stop(self) -> None:
        """Ends it, with its Postgres."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def restart(self) -> None:
        """Ends it and starts it again, at the same address."""
        self.stop()
        self.start()
