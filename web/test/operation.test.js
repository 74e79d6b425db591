import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { textOf } from "../lib/role-text.js";
import { enqueueCommands } from "../lib/curl.js";
import { asCommands, filterIn, filterWords, jobs, percentOf, skippedOf, titleOf, wholePreview } from "../lib/operation.js";

test("an operation in words", () => {
  assert.deepEqual(filterIn(new URLSearchParams("state=failed&kind=&action=retry&x=1")), { state: "failed" });
  assert.equal(filterWords({ all: true }), "all jobs");
  assert.equal(filterWords({ state: "failed", created_after: "t" }), "state failed, created after t");
  assert.equal(titleOf({ action: "set_priority", priority: 2, queue: null }), "Set priority 2");
  assert.equal(titleOf({ action: "move", priority: null, queue: "slow" }), "Move to queue slow");
  assert.equal(titleOf({ action: "retry", priority: null, queue: "again" }), "Retry in queue again");
  assert.equal(titleOf({ action: "undo" }), "Undo");
  assert.deepEqual(skippedOf({ skipped: { is_running: 2, has_ended: 1204 } }), { count: 1206, reasons: ["1,204 has ended", "2 is running"] });
  assert.deepEqual([jobs(1), jobs(1204)], ["1 job", "1,204 jobs"]);
});

test("how far an operation is, which nobody may read as more than it is", () => {
  const operation = { state: "running", expected: 200, done: 50, failed: 50 };
  assert.equal(percentOf(operation), 50);
  assert.equal(percentOf({ ...operation, expected: null }), null);
  assert.equal(percentOf({ ...operation, expected: 0 }), 100);
  assert.equal(percentOf({ ...operation, done: 900 }), 100);
  assert.equal(percentOf({ ...operation, state: "done" }), 100);
});

test("the commands survive a shell and SQL, whatever the filter holds", () => {
  const request = { action: "run_now", filter: { error: "it's $HOME" }, rate: "200/min" };
  const commands = asCommands(request, "http://h:1", true);
  const words = (command, name) => execFileSync("sh", ["-c", `${name}() { printf '%s\\n' "$@"; }; TIDEMILL_KEY=tm_x; ${command}`]).toString().split("\n");
  assert.deepEqual(words(commands["command line"], "tidemill"), ["operations", "start", "run-now", "--error", "it's $HOME", "--rate", "200/min", ""]);
  assert.ok(words(commands.curl, "curl").includes(JSON.stringify(request)));
  assert.equal(commands.SQL, `select tidemill.start_operation('run_now', '{"error":"it''s $HOME"}', rate => '200/min');`);
  assert.equal(asCommands({ action: "move", all: true, queue: "b" }, "http://h", false).SQL, `select tidemill.start_operation('move', '{"all":true}', queue => 'b');`);
  const enqueue = enqueueCommands("http://h", { kind: "a", args: { on: true } });
  assert.equal(enqueue.SQL, `select tidemill.enqueue('a', '{"on":true}');`);
  assert.match(enqueue.Python, /client\.enqueue\("a", \{ "on": True \}\)/);
});

test("a role says what it may not do, and an admin's says nothing", () => {
  assert.equal(textOf({ role: "admin", name: "a", scopes: ["admin"] }), "");
  assert.match(textOf({ role: "viewer", name: "board", scopes: ["read"] }), /^Read only\. The key board/);
  assert.match(textOf({ role: "operator", name: "", scopes: ["enqueue"] }), /^Operator\. This key/);
  assert.match(textOf({ role: "viewer", name: "w", scopes: ["work"] }), /only the scope work/);
});

test("a preview goes on until all is counted, and not for ever", async () => {
  const parts = [
    { matched: 2, skipped: { is_due: 1 }, sample: ["a"], complete: false, looked_to: "x" },
    { matched: 1, skipped: { is_due: 2 }, sample: ["b"], complete: true, looked_to: null },
  ];
  const asked = [];
  const whole = await wholePreview(async (after) => (asked.push(after), parts[asked.length - 1]));
  assert.deepEqual(whole, { matched: 3, skipped: { is_due: 3 }, sample: ["a", "b"], complete: true, looked_to: null });
  assert.deepEqual(asked, [null, "x"]);
  let calls = 0;
  const endless = await wholePreview(async () => (calls++, { matched: 0, skipped: {}, sample: [], complete: false, looked_to: "x" }));
  assert.ok(!endless.complete && calls < 100);
});

test("a preview that stopped goes on where it stopped", async () => {
  const asked = [];
  const ask = async (after) => (asked.push(after), { matched: 1, skipped: { is_due: 1 }, sample: [], complete: asked.length === 50, looked_to: asked.length === 50 ? null : `id ${asked.length}` });
  const first = await wholePreview(ask);
  assert.deepEqual([first.matched, first.complete, first.looked_to], [40, false, "id 40"]);
  const whole = await wholePreview(ask, first);
  assert.deepEqual(whole, { matched: 50, skipped: { is_due: 50 }, sample: [], complete: true, looked_to: null });
  assert.deepEqual([asked[40], first.matched], ["id 40", 40], "the first is left as it was");
});
