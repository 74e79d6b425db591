"""Stands for the start of a project: says what it does on file descriptor 3, and ends with a result."""

import json
import os
import sys
import time

args = json.load(sys.stdin)
pause = float(os.environ.get("PAUSE", "1"))


def say(message: dict) -> None:
    os.write(3, (json.dumps(message) + "\n").encode())


say({"progress": {"percent": 10, "step": "Initializing client..."}})
time.sleep(pause)
say({"progress": {"percent": 30, "step": "Building containers (this may take 20-30 min)..."}})
time.sleep(pause)
say({"progress": {"percent": 80, "step": "Starting services...", "data": {"state": "RUNNING"}}})
time.sleep(pause)
say({"result": {"success": True, "project_id": args["project"]}})
