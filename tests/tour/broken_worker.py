"""A remote worker that keeps the protocol but for one fault, which its argument names: `late-write`, `lost-lease`, … Without an
argument it keeps all of it. Standard library only. Must be wrong in nothing but the named fault.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from typing import Any

URL, KEY = os.environ["TIDEMILL_URL"], os.environ["TIDEMILL_KEY"]
FAULT = sys.argv[1] if len(sys.argv) > 1 else ""
NAME = f"broken-{os.getpid()}"
KINDS = [f"conformance.{kind}" for kind in ("echo", "fail", "flaky", "report", "slow", "steps", "children", "wait")]
LOST, CANCEL, SOFT, SHUTDOWN, LATE = "lost", "cancel", "soft_timeout", "shutdown", "deadline"


class Stopped(Exception):
    """The attempt has to end without a result."""


def send(method: str, path: str, body: Any = None, key: str | None = None, tries: int = 100) -> tuple[int, Any]:
    """The status and the answer; repeats the same request until there is one."""
    headers = {"Authorization": f"Bearer {'wrong' if FAULT == 'key' else KEY}", "Content-Type": "application/json"}
    for _ in range(tries):
        if key is not None:
            headers["Idempotency-Key"] = uuid.uuid4().hex if FAULT == "repeated-report" else key
        request = urllib.request.Request(f"{URL}/api/v1/{path}", json.dumps(body).encode(), headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 429 and FAULT != "busy":
                time.sleep(float(error.headers["Retry-After"]))
            elif error.code < 500 and error.code != 429:
                return error.code, json.load(error)
        except (OSError, ValueError, urllib.error.URLError):
            pass
        time.sleep(0.1)
    return 0, None


class Waits(Exception):
    """The attempt ends, and goes on with a signal."""


class Attempt:
    """One claimed job."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job, self.lease, self.stop = job, job["lease_id"], ""
        self.wake = threading.Event()
        self.done = False
        self.late_at = time.monotonic() + job["hard_timeout_seconds"]

    def verb(self, verb: str, key: str | None = None, tries: int = 100, **body: Any) -> Any:
        status, answer = send(
            "POST", f"worker/jobs/{self.job['id']}/{verb}", {"lease_id": self.lease, **body}, key, tries
        )
        if status == 409:
            self.ask(LOST)
        return answer

    def report(self, verb: str, **body: Any) -> None:
        def say() -> None:
            self.verb(verb, uuid.uuid4().hex, **body)

        if FAULT == "order-of-lines" or (FAULT == "late-write" and body.get("percent") == 100):
            threading.Thread(target=say, daemon=True).start()
            time.sleep(0.02)
        else:
            say()
            self.check()

    def ask(self, why: str) -> None:
        if self.stop != LOST and not (why == LOST and FAULT in ("lost-lease", "refused-report")):
            self.stop = why
            self.wake.set()

    def check(self) -> None:
        if time.monotonic() > self.late_at:
            self.ask(LATE)
        if self.stop and self.stop != FAULT.replace("-", "_"):
            raise Stopped

    def pause(self, seconds: float) -> None:
        self.wake.wait(min(seconds, 0.1))
        self.wake.clear()
        self.check()

    def work(self) -> Any:
        kind, args = self.job["kind"].split(".")[1], self.job["args"]
        if kind == "echo":
            return {"echo": args} if FAULT == "echo" else args
        if kind == "fail":
            raise RuntimeError("other words" if FAULT == "failure" else args["message"])
        if kind == "flaky":
            if self.job["attempt"] <= args["failures"]:
                raise RuntimeError("not yet")
            return {"attempt": self.job["attempt"]}
        if kind == "report":
            for line, percent in zip(args["lines"], args["percents"]):
                self.report("log", lines=[line], stream="log")
                self.report("progress", percent=percent)
            if FAULT == "order-of-lines":
                time.sleep(1.5)
            return {"reported": len(args["lines"])}
        if kind == "slow":
            if "extend" in args and FAULT != "extend":
                self.verb("extend", uuid.uuid4().hex, by=args["extend"])
                self.late_at += args["extend"]
            until = time.monotonic() + args["seconds"]
            while (left := until - time.monotonic()) > 0:
                self.pause(min(left, args.get("every", left)))
                if "every" in args:
                    self.report("log", lines=["tick"])
            return {"slept": args["seconds"]}
        if kind == "children":
            names = [f"{name}-{self.job['attempt']}" if FAULT == "children" else name for name in args["names"]]
            answers = [self.verb("children", name=name, job={"kind": "conformance.echo"}) for name in names]
            if self.job["attempt"] <= args["failures"]:
                raise RuntimeError("not yet")
            return {"children": [answer["job_id"] for answer in answers]}
        if kind == "wait":
            return self.wait(args["signal"])
        return self.steps(args)

    def wait(self, signal: str) -> Any:
        _, known = send("GET", f"jobs/{self.job['id']}/signals")
        for found in known["items"]:
            if found["name"] == signal:
                return {"payload": found["payload"]}
        raise Waits(signal)

    def steps(self, args: dict[str, Any]) -> Any:
        _, stored = send("GET", f"jobs/{self.job['id']}/steps")
        known = {step["name"] for step in stored["items"]} if FAULT != "steps" else set()
        done: list[str] = []
        for name in args["steps"]:
            if self.job["attempt"] == 1 and len(done) == args["fails_after"]:
                raise RuntimeError("stopped on the way")
            if name not in known:
                done.append(name)
                self.verb("step", name=name, output=name)
        return {"done": done}

    def run(self) -> None:
        try:
            result = self.work()
            self.end("complete", result=result)
        except Stopped:
            if self.stop == SHUTDOWN:
                self.end("snooze", delay=0)
            elif self.stop == LATE:
                self.end("fail", error={"message": "timed out", "type": "timeout"})
            elif self.stop != LOST:
                self.end("complete")
        except Waits as waits:
            if FAULT == "wait":
                self.end("fail", error={"message": "no signal yet"})
            else:
                self.end("wait", signal=str(waits))
        except RuntimeError as error:
            permanent = bool(self.job["args"].get("permanent"))
            self.end("fail", error={"message": str(error)}, permanent=permanent)
        self.done = True

    def end(self, verb: str, **body: Any) -> None:
        tries = 1 if FAULT in ("repeated-end", "unanswered-end") else 100
        self.verb(verb, tries=tries, **body)
        if FAULT == "ends-twice":
            self.verb(verb, **body)
        if FAULT == "says-more":
            self.verb("log", lines=["by the way"])


def beat(attempts: list[Attempt], is_over: threading.Event) -> None:
    while not is_over.wait(5 if FAULT == "heartbeats" else 0.5):
        held = [attempt for attempt in attempts if not attempt.done]
        if FAULT == "no-heartbeats" or not held:
            continue
        status, answer = send("POST", "worker/heartbeat", {"worker": NAME, "leases": [a.lease for a in held]}, tries=1)
        if status == 0 and FAULT == "missed-heartbeat":
            return
        for attempt in held if status == 200 else []:
            for why in (LOST, CANCEL, SOFT):
                if attempt.lease in answer[why]:
                    attempt.ask(why)


def main() -> None:
    attempts: list[Attempt] = []
    leaves, is_over = threading.Event(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: leaves.set() if FAULT != "deaf" else None)
    threading.Thread(target=beat, args=(attempts, is_over), daemon=True).start()
    runs: list[threading.Thread] = []
    wait = 0 if FAULT == "drain" else 0.5
    body = {"worker": NAME, "kinds": KINDS, "max": 4, "wait_seconds": wait}
    if FAULT == "fields":
        body["limit"] = 4
    while not leaves.is_set():
        keyed = "always" if FAULT == "one-key" else uuid.uuid4().hex
        tries = 1 if FAULT in ("server-away", "lost-claim") else 100
        status, answer = send("POST", "worker/claim", body, keyed, tries)
        if status == 0:
            sys.exit("no server")
        if status != 200:
            time.sleep(0.1)
            continue
        for job in answer["jobs"]:
            if FAULT == "retry" and attempts:
                job["lease_id"] = attempts[0].lease
            attempts.append(Attempt(job))
            runs.append(threading.Thread(target=attempts[-1].run, daemon=True))
            runs[-1].start()
        if answer["drain"] and FAULT != "drain":
            leaves.wait(1)
    for attempt in attempts if FAULT != "shutdown" else []:
        if not attempt.done:
            attempt.ask(SHUTDOWN)
    for run in runs:
        run.join(10)
    is_over.set()


main()
