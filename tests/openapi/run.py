#!/usr/bin/env python3
"""Reads the description of a live server as the tools of our users do, and fails where one of them would.

Lints it, runs docs/api-clients.md as printed (its commands, then its programs, after their types are checked), and sends
requests made from it. Tools are pinned beside this file; when they are installed it needs no network. Use it as
`make api-clients`, or `tests/openapi/run.py clients` for a part: lint, clients, requests.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
WORK = TARGET / "api-clients"
VENV = HERE / ".venv"
PROGRAMS = {"ts": "ts", "python": "py"}
# The address that the document shows.
SHOWN = "http://127.0.0.1:8080"
CONFIG = """
[kinds.greet]
command = ["sh", "-c", "read -r args; echo hello; printf '{\\"progress\\":{\\"percent\\":50}}\\\\n{\\"result\\":{\\"greeting\\":\\"hello\\"}}\\\\n' >&3"]
"""


def main() -> None:
    parts = sys.argv[1:] or ["lint", "clients", "requests"]
    install()
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    # Programs find the packages here.
    (WORK / "node_modules").symlink_to(HERE / "node_modules")
    server = Server()
    try:
        for part in parts:
            began = time.monotonic()
            {"lint": lint, "clients": clients, "requests": requests}[part](server)
            print(f"== {part}: {time.monotonic() - began:.0f} s", flush=True)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(map(str, error.cmd))}: exit {error.returncode}")
    except subprocess.TimeoutExpired as error:
        sys.exit(f"{' '.join(map(str, error.cmd))}: no end within {error.timeout} s")
    finally:
        server.stop()


def install() -> None:
    """Installs the pinned tools, unless those of these very lists are there."""
    modules = HERE / "node_modules"
    if stale(modules, HERE / "package-lock.json"):
        run("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", cwd=HERE)
        settled(modules, HERE / "package-lock.json")
    if stale(VENV, HERE / "requirements.txt"):
        run(sys.executable, "-m", "venv", "--clear", VENV)
        run(VENV / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", HERE / "requirements.txt")
        settled(VENV, HERE / "requirements.txt")
    # Some tools need a younger Node than the system has.
    own = sorted(modules.glob("node-*/bin"))
    paths = [VENV / "bin", modules / ".bin", *own]
    os.environ["PATH"] = os.pathsep.join([*map(str, paths), os.environ["PATH"]])
    os.environ.update(NO_COLOR="1", REDOCLY_TELEMETRY="off", REDOCLY_SUPPRESS_UPDATE_NOTICE="true", SCARF_ANALYTICS="false")


def stale(folder: Path, listed: Path) -> bool:
    stamp = folder / ".installed"
    return not stamp.exists() or stamp.read_text() != listed.read_text()


def settled(folder: Path, listed: Path) -> None:
    (folder / ".installed").write_text(listed.read_text())


def run(*command, **options) -> None:
    print("$", *command, flush=True)
    subprocess.run([str(word) for word in command], check=True, **options)


class Server:
    """A server with an embedded Postgres and a worker, open to one key alone."""

    def __init__(self) -> None:
        program = TARGET / "debug/tidemill"
        config = WORK / "tidemill.toml"
        config.write_text(CONFIG)
        data = WORK / "data"
        self.log = open(WORK / "server.log", "w")
        self.process = subprocess.Popen(
            [program, "dev", "--config", config, "--listen", "127.0.0.1:0", "--data-dir", data],
            stdout=self.log, stderr=subprocess.STDOUT, cwd=WORK,
        )
        urls = self.wait_for(data / "urls.json")
        self.url = urls["http"].rstrip("/")
        made = subprocess.run(
            [program, "keys", "create", "--scope", "admin", "--name", "api-clients", "--json"],
            env={**os.environ, "TIDEMILL_DATABASE__URL": urls["database"]}, cwd=data, check=True, capture_output=True, text=True,
        )
        self.key = json.loads(made.stdout)["key"]
        os.environ.update(TIDEMILL_URL=self.url, TIDEMILL_KEY=self.key)
        with urllib.request.urlopen(f"{self.url}/api/v1/openapi.json") as answer:
            (WORK / "openapi.json").write_bytes(answer.read())

    def wait_for(self, file: Path) -> dict:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                urls = json.loads(file.read_text())
                urllib.request.urlopen(urls["http"].rstrip("/") + "/readyz").close()
                return urls
            except (OSError, ValueError):
                time.sleep(0.2)
        self.stop()
        sys.exit(f"the server did not start; see {self.log.name}")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()


def lint(_: Server) -> None:
    run("redocly", "lint", "--config", HERE / "redocly.yaml", WORK / "openapi.json", cwd=WORK)
    run("spectral", "lint", "--ruleset", HERE / "spectral.yaml", "--fail-severity", "error", WORK / "openapi.json", cwd=WORK)


def clients(server: Server) -> None:
    """Runs the document: each section's commands make a client, each section's program uses it."""
    text = (ROOT / "docs/api-clients.md").read_text()
    for heading, section in re.findall(r"^## (.*)\n((?:(?!^## ).*\n)*)", text, re.M):
        folder = WORK / re.sub(r"\W+", "-", heading.lower()).strip("-")
        blocks = re.findall(r"^```(\w+)\n(.*?)^```$", section, re.M | re.S)
        if not any(language in PROGRAMS for language, _ in blocks):
            continue
        folder.mkdir()
        for checker in ["tsconfig.json", "pyrightconfig.json"]:
            shutil.copy(HERE / checker, folder)
        for language, block in blocks:
            if language == "sh":
                # What they install is pinned here, and there already.
                commands = [line for line in block.replace(SHOWN, server.url).splitlines() if " install " not in line]
                run("bash", "-euc", "\n".join(commands), cwd=folder)
            elif language in PROGRAMS:
                (folder / f"example.{PROGRAMS[language]}").write_text(block)
                check_and_run(language, folder)


def check_and_run(language: str, folder: Path) -> None:
    if language == "ts":
        run("tsc", "--project", ".", cwd=folder)
        run("esbuild", "example.ts", "--bundle", "--platform=node", "--format=esm", "--outfile=example.mjs", "--log-level=warning", cwd=folder)
        run("node", "example.mjs", cwd=folder, timeout=60)
    else:
        run("pyright", "--pythonpath", VENV / "bin/python", cwd=folder)
        run("python", "example.py", cwd=folder, timeout=60)


def requests(server: Server) -> None:
    """Requests by the thousand, made from the description; each answer is held against it."""
    seconds = os.environ.get("TIDEMILL_REQUESTS_SECONDS", "100")
    # One worker: CPython 3.11 may fail where two threads read Python at once ("AST constructor recursion depth mismatch").
    run(
        "schemathesis", "--config-file", HERE / "schemathesis.toml", "run", f"{server.url}/api/v1/openapi.json", "--seed", "1", "--workers", "1",
        "--max-examples", "8", "--max-time", seconds, "--request-timeout", "10", "--no-shrink",
        "--header", f"Authorization: Bearer {server.key}",
        # Streams end when their jobs do, and a WebSocket speaks no HTTP.
        "--exclude-path-regex", "/events/stream$|^/api/v1/events$|^/ws/",
        # Rules that tie several values together stand in words only.
        "--exclude-checks", "positive_data_acceptance",
        cwd=WORK, env={**os.environ, "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py")},
    )


if __name__ == "__main__":
    main()
