import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { enqueueLine, quoted } from "../lib/curl.js";
import { whyNotRunning } from "../lib/why-not-running.js";
import { parseObject, prettyJson } from "../lib/json.js";
import { plainLine } from "../lib/terminal-output.js";
import { requestFrom } from "../lib/enqueue-request.js";
import { freshText, settle, toWatch } from "../lib/list-update.js";
import { backoff } from "../lib/pause.js";

const empty = { kind: "k", args: "", queue: "", priority: "", delay: "", execution_id: "" };

test("a quoted word survives a real shell", () => {
  for (const text of ["plain-1.0", "it's", "$HOME `id` \"x\" \\ !", "ü\n\tline", "''", ""]) {
    assert.equal(execFileSync("sh", ["-c", `printf %s ${quoted(text)}`]).toString(), text);
  }
});

test("the curl line says the same as the form", () => {
  const line = enqueueLine("http://127.0.0.1:8080", { kind: "a", args: { name: "it's" } });
  const words = execFileSync("sh", ["-c", `curl() { printf '%s\\n' "$@"; }; ${line}`]).toString().split("\n");
  assert.ok(words.includes("http://127.0.0.1:8080/api/v1/jobs") && words.includes('{"kind":"a","args":{"name":"it\'s"}}'));
  assert.match(enqueueLine("http://h", { kind: "a" }, true), /Bearer \$TIDEMILL_KEY/);
});

test("args must be an object, and a mistake is located", () => {
  assert.deepEqual(parseObject(" "), { value: {} });
  assert.deepEqual(parseObject('{"a":[1]}'), { value: { a: [1] } });
  for (const text of ["[1]", "null", "3", '"x"']) assert.match(parseObject(text).error, /JSON object/);
  assert.match(parseObject('{\n  "a": nope}').error, /Unexpected token 'o'\.$/);
  assert.match(parseObject(`{"long": "${"x".repeat(60)}",\n  "a": 1 2}`).error, /line 2, column \d/);
  assert.match(parseObject('{"a":').error, /Not valid JSON/);
  assert.equal(prettyJson({ a: 1 }), '{"a":1}');
});

test("the request has only what was filled in, and names what is wrong", () => {
  assert.deepEqual(requestFrom(empty), { job: { kind: "k", args: {} }, wrong: {} });
  const full = requestFrom({ kind: " k ", args: '{"n":1}', queue: "q", priority: "3", delay: "10m", execution_id: "order/1" });
  assert.deepEqual(full, { job: { kind: "k", args: { n: 1 }, queue: "q", priority: 3, delay: "10m", execution_id: "order/1" }, wrong: {} });
  const bad = requestFrom({ ...empty, kind: " ", args: "[", priority: "12", delay: "soon" });
  assert.deepEqual(Object.keys(bad.wrong).sort(), ["args", "delay", "kind", "priority"]);
});

test("log lines lose terminal codes and keep what stands at the end", () => {
  assert.equal(plainLine("\u001b[1;32m   Compiling\u001b[0m a v1"), "   Compiling a v1");
  assert.equal(plainLine("10 %\r50 %\r100 %\r\n"), "100 %");
  assert.equal(plainLine("\u001b]8;;http://x\u001b\\link\u001b]8;;\u0007!"), "link!");
  assert.equal(plainLine("a\u0007b\tc <b>&"), "a·b\tc <b>&");
});

test("rows hold still while they are held, and the new ones are counted", () => {
  assert.deepEqual(settle(["b", "a"], ["d", "c", "b"], true), { ids: ["b", "a"], fresh: 2 });
  assert.deepEqual(settle(["b", "a"], ["d", "c", "b"], false), { ids: ["d", "c", "b"], fresh: 0 });
  assert.deepEqual(settle([], ["a"], true), { ids: ["a"], fresh: 0 });
  assert.deepEqual([1, 99, 100].map(freshText), ["1 new", "99 new", "99+ new"]);
});

test("running jobs are watched first, finished ones never", () => {
  const jobs = [["1", "waiting"], ["2", "completed"], ["3", "running"], ["4", "available"], ["3", "running"]].map(([id, state]) => ({ id, state }));
  assert.deepEqual(toWatch(jobs, 2), ["3", "4"]);
});

test("why a job does not run", () => {
  const job = { state: "available", status: "available", queue: "q", kind: "k" };
  const worker = { queues: ["q"], kinds: ["k"] };
  assert.match(whyNotRunning(job, [{ name: "q", paused_at: "x", paused_by: "ann" }], [worker]), /paused by ann/);
  assert.match(whyNotRunning(job, [], []), /No worker/);
  assert.match(whyNotRunning(job, [], [{ queues: { other: 2 }, kinds: [] }]), /serves queue q/);
  assert.match(whyNotRunning(job, [], [{ queues: { other: 2, q: 0 }, kinds: [] }]), /serves queue q/);
  assert.match(whyNotRunning(job, [], [{ queues: { q: 2 }, kinds: ["x"] }]), /knows kind k/);
  assert.match(whyNotRunning(job, [{ name: "q", worker_slots: 2, running: 2 }], [worker]), /2 slots/);
  assert.equal(whyNotRunning(job, [{ name: "q", worker_slots: 2, running: 1 }], [worker]), null);
  assert.match(whyNotRunning(job, [{ name: "q", max_running: 3, running: 3 }], [worker]), /3 jobs over all workers/);
  const keyed = { ...job, state: "waiting", status: "waiting", concurrency_keys: ["tenant:7", "api"] };
  assert.match(whyNotRunning(keyed, [], [worker]), /tenant:7 and api/);
  assert.equal(whyNotRunning({ ...keyed, concurrency_keys: [] }, [], [worker]), null);
  assert.equal(whyNotRunning({ ...job, status: "scheduled" }, [], []), null);
});

test("the pauses between tries grow and end", () => {
  assert.deepEqual([1, 2, 3, 20].map((failures) => backoff(failures, 1)), [500, 1000, 2000, 15_000]);
  assert.equal(backoff(1, 0), 250);
});
