import assert from "node:assert/strict";
import { test } from "node:test";
import { requestFrom } from "../lib/enqueue-request.js";

const empty = { kind: "k", args: "", queue: "", priority: "", delay: "", execution_id: "" };

test("the request has only the fields with a value, and an error for each that is not valid", () => {
  assert.deepEqual(requestFrom(empty), { job: { kind: "k", args: {} }, errors: {} });
  const full = requestFrom({ kind: " k ", args: '{"n":1}', queue: "q", priority: "3", delay: "10m", execution_id: "order/1" });
  assert.deepEqual(full, { job: { kind: "k", args: { n: 1 }, queue: "q", priority: 3, delay: "10m", execution_id: "order/1" }, errors: {} });
  const bad = requestFrom({ ...empty, kind: " ", args: "[", priority: "12", delay: "soon" });
  assert.deepEqual(Object.keys(bad.errors).sort(), ["args", "delay", "kind", "priority"]);
});
