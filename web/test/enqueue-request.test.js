import assert from "node:assert/strict";
import { test } from "node:test";
import { refusalOf, requestFrom } from "../lib/enqueue-request.js";

const empty = { kind: "k", args: "", queue: "", priority: "", delay: "", execution_id: "" };

test("the request has only the fields with a value, and an error for each that is not valid", () => {
  assert.deepEqual(requestFrom(empty), { job: { kind: "k", args: {} }, errors: {} });
  const full = requestFrom({ kind: " k ", args: '{"n":1}', queue: "q", priority: "3", delay: "10m", execution_id: "order/1" });
  assert.deepEqual(full, { job: { kind: "k", args: { n: 1 }, queue: "q", priority: 3, delay: "10m", execution_id: "order/1" }, errors: {} });
  const bad = requestFrom({ ...empty, kind: " ", args: "[", priority: "12", delay: "soon" });
  assert.deepEqual(Object.keys(bad.errors).sort(), ["args", "delay", "kind", "priority"]);
});

test("a name that is not one gets the rule", () => {
  const { errors } = requestFrom({ ...empty, kind: "bad kind", queue: "q!" });
  assert.deepEqual(Object.keys(errors), ["kind", "queue"]);
  for (const text of Object.values(errors)) assert.match(text, /1 to 63 letters/);
});

test("a refusal is said beside its field, without JSON pointers, and names a job in the way", () => {
  const fields = ["kind", "args", "execution_id"];
  const args = refusalOf({ field: "/args/size", message: "/args: invalid type: sequence.", remedy: "Send an object." }, fields);
  assert.deepEqual(args, { field: "args", text: "Invalid type: sequence. Send an object.", job: null });
  const taken = refusalOf({ field: "/execution_id", message: "x", remedy: "Read the job at /api/v1/jobs/execution:<id>.", job: { id: "7" } }, fields);
  assert.deepEqual(taken, { field: "execution_id", text: "Another job has this execution id.", job: "7" });
  assert.equal(refusalOf({ field: "Idempotency-Key", message: "m" }, fields).field, null);
  assert.equal(refusalOf({ field: null, message: "m" }, fields).field, null);
});
