import assert from "node:assert/strict";
import { test } from "node:test";
import { backoff } from "../lib/pause.js";

test("the delay between retries grows up to a bound", () => {
  assert.deepEqual([1, 2, 3, 20].map((failures) => backoff(failures, 1)), [500, 1000, 2000, 15_000]);
  assert.equal(backoff(1, 0), 250);
});
