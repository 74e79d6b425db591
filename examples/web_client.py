"""Background jobs for a web application, over HTTP and with Python's own library alone: `submit` in the view that is
to answer at once, `find` in the one that shows its state. Docs: docs/frameworks.md.

    python3 examples/web_client.py count-slowly '{"n": 5}'
"""

import json
import os
import sys
import urllib.error
import urllib.request

SERVER = os.environ.get("TIDEMILL_URL", "http://127.0.0.1:8080")
KEY = os.environ.get("TIDEMILL_KEY")  # one with the scopes `enqueue` and `read`


class Refused(Exception):
    """What the server does not take: the problem document, with `detail`, `field` and `remedy`."""


def submit(kind, args, **more):
    """Stores a job; answers it. `more` are fields of POST /jobs, such as priority="high", execution_id, max_attempts."""
    return call("POST", "/api/v1/jobs", {"kind": kind, "args": args, **more})


def find(job, wait=None):
    """The job as it is now: `status`, `progress`, `result`, `error`. With `wait`, such as "10s", once it has ended, at most
    so long after."""
    if wait:
        call("GET", f"/api/v1/jobs/{job}/result?wait={wait}")
    return call("GET", f"/api/v1/jobs/{job}")


def call(method, path, body=None):
    headers = {"Content-Type": "application/json"}
    if KEY:
        headers["Authorization"] = f"Bearer {KEY}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(SERVER + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Refused(json.load(error)) from error


if __name__ == "__main__":
    made = submit(sys.argv[1], json.loads(sys.argv[2]), priority="high")
    print(json.dumps(made), flush=True)
    print(json.dumps(find(made["id"], wait="20s")))
