import assert from "node:assert/strict";
import { test } from "node:test";
import { requestFrom } from "../lib/enqueue-request.js";

const empty = { kind: "k", args: "", queue: "", priority: "", delay: "", execution_id: "" };

test("the request has only what was filled in, and names what is wrong", () => {
  assert.deepEqual(requestFrom(empty), { job: { kind: "k", args: {} }, wrong: {} });
  const full = requestFrom({ kind: " k ", args: '{"n":1}', queue: "q", priority: "3", delay: "10m", execution_id: "order/1" });
  assert.deepEqual(full, { job: { kind: "k", args: { n: 1 }, queue: "q", priority: 3, delay: "10m", execution_id: "order/1" }, wrong: {} });
  const bad = requestFrom({ ...empty, kind: " ", args: "[", priority: "12", delay: "soon" });
  assert.deepEqual(Object.keys(bad.wrong).sort(), ["args", "delay", "kind", "priority"]);
});
