import assert from "node:assert/strict";
import { test } from "node:test";
import { freshText, settle } from "../lib/list-update.js";

test("rows hold still while they are held, and the new ones are counted", () => {
  assert.deepEqual(settle(["b", "a"], ["d", "c", "b"], true), { ids: ["b", "a"], fresh: 2 });
  assert.deepEqual(settle(["b", "a"], ["d", "c", "b"], false), { ids: ["d", "c", "b"], fresh: 0 });
  assert.deepEqual(settle([], ["a"], true), { ids: ["a"], fresh: 0 });
  assert.deepEqual([1, 99, 100].map(freshText), ["1 new", "99 new", "99+ new"]);
});
