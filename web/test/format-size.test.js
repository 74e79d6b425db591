import assert from "node:assert/strict";
import { test } from "node:test";
import { counted, size } from "../lib/format-size.js";

test("sizes use the unit that fits", () => {
  const cases = [[0, "0 bytes"], [1, "1 byte"], [999, "999 bytes"], [1000, "1.0 kB"], [4249, "4.2 kB"], [9960, "10 kB"], [999_499, "999 kB"], [999_600, "1.0 MB"], [5e15, "5000 TB"], [NaN, ""]];
  for (const [bytes, text] of cases) assert.equal(size(bytes), text, String(bytes));
});

test("a count that ended at its bound says so", () => {
  assert.deepEqual([0, 999, 1204, 9999].map((jobs) => counted(jobs, 10_000)), ["0", "999", "1,204", "9,999"]);
  assert.deepEqual([counted(1000, 1000), counted(10_000, 10_000)], ["1,000+", "10,000+"]);
});
