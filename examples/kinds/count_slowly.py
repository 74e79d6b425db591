#!/usr/bin/env python3
"""Counts, and says how far it is: the smallest job with live progress.

args: {"n": how far (default 20), "pause": seconds before each number (default 0.5)}
result: {"counted": n}
"""
import json
import os
import sys
import time


def say(message):
    """One JSON line on file descriptor 3 is progress, result, log, event, error or snooze."""
    os.write(3, (json.dumps(message) + "\n").encode())


args = json.load(sys.stdin)
n, pause = int(args.get("n", 20)), float(args.get("pause", 0.5))
for i in range(1, n + 1):
    time.sleep(pause)
    print(i, flush=True)
    say({"progress": {"percent": 100 * i / n, "step": f"{i} of {n}"}})
say({"result": {"counted": n}})
