#!/usr/bin/env python3
"""Builds a Rust crate as a job: every run from nothing, with cargo's own lines as the job's log.

args: {"path": folder of the crate (default: ../build-crate beside this file), "jobs": units at once (default: cargo's)}
result: {"binary_bytes", "build_seconds", "units"}
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

LIBRARIES = {"lib", "rlib", "dylib", "cdylib", "staticlib", "proc-macro", "custom-build"}
HERE = pathlib.Path(__file__).resolve().parent


def say(message):
    """One line to the worker that runs this job, or nothing without one."""
    try:
        os.write(3, (json.dumps(message) + "\n").encode())
    except OSError:
        pass


def fail(message, kind, permanent):
    say({"error": {"message": message, "type": kind, "permanent": permanent}})
    sys.exit(1)


def units_expected(crate):
    """What `cargo build` will make: libraries and build scripts of all packages, binaries of the crate itself."""
    command = ["cargo", "metadata", "--format-version=1", "--locked"]
    asked = subprocess.run(command, cwd=crate, stdout=subprocess.PIPE, check=False)
    if asked.returncode != 0:
        fail(f"cargo cannot read {crate}", "bad_crate", True)
    found = json.loads(asked.stdout)
    packages = {package["id"]: package for package in found["packages"]}
    built, wanted = set(), list(found.get("workspace_default_members") or found["workspace_members"])
    own = set(wanted)
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    while wanted:
        package = wanted.pop()
        if package in built:
            continue
        built.add(package)
        for dependency in nodes[package]["deps"]:
            if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
                wanted.append(dependency["pkg"])
    count = 0
    for package in built:
        for target in packages[package]["targets"]:
            made = LIBRARIES | ({"bin"} if package in own else set())
            count += bool(made & set(target["kind"]))
    return count


def say_progress(units, expected, name):
    percent = min(99, 100 * units // max(expected, units))
    data = {"units": units, "expected": expected}
    say({"progress": {"percent": percent, "step": f"{units} of {expected} units: {name}", "data": data}})


def build(crate, target, jobs):
    """Runs cargo; gives the size of the last binary and the number of units that were made."""
    command = ["cargo", "build", "--release", "--locked", "--message-format=json-render-diagnostics"]
    if jobs:
        command.append(f"--jobs={int(jobs)}")
    expected = units_expected(crate)
    say({"progress": {"percent": 0, "step": f"0 of {expected} units"}})
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    units, binary_bytes = 0, None
    with subprocess.Popen(command, cwd=crate, env=environment, stdout=subprocess.PIPE, text=True) as cargo:
        try:
            for message in map(json.loads, cargo.stdout):
                if message["reason"] != "compiler-artifact":
                    continue
                units += 1
                if message["executable"]:
                    binary_bytes = os.stat(message["executable"]).st_size
                say_progress(units, expected, message["target"]["name"])
        except BaseException:
            cargo.terminate()
            raise
    if cargo.returncode != 0:
        fail(f"cargo build ended with code {cargo.returncode}; the log says why", "build_failed", False)
    return binary_bytes, units


def main():
    args = json.load(sys.stdin)
    crate = pathlib.Path(args.get("path") or HERE.parent / "build-crate").resolve()
    if not (crate / "Cargo.toml").is_file():
        fail(f"{crate} holds no Cargo.toml", "bad_crate", True)
    job = os.environ.get("TIDEMILL_JOB_ID", f"by-hand-{os.getpid()}")
    # Of the job's name, so that an attempt clears away what a killed one left behind.
    target = crate / "target" / "jobs" / job
    shutil.rmtree(target, ignore_errors=True)
    # A stop becomes an exception, so that `finally` is reached.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    start = time.monotonic()
    try:
        binary_bytes, units = build(crate, target, args.get("jobs"))
        seconds = round(time.monotonic() - start, 3)
        print(f"built {units} units in {seconds} s: {binary_bytes} bytes", flush=True)
        say({"progress": {"percent": 100, "step": "built"}})
        say({"result": {"binary_bytes": binary_bytes, "build_seconds": seconds, "units": units}})
    finally:
        shutil.rmtree(target, ignore_errors=True)


if __name__ == "__main__":
    main()
