import assert from "node:assert/strict";
import { test } from "node:test";
import { addedText, updateList } from "../lib/live/list-update.js";

test("rows keep their place in a frozen list, and the new ones are counted", () => {
  assert.deepEqual(updateList(["b", "a"], ["d", "c", "b"], true), { ids: ["b", "a"], added: 2 });
  assert.deepEqual(updateList(["b", "a"], ["d", "c", "b"], false), { ids: ["d", "c", "b"], added: 0 });
  assert.deepEqual(updateList([], ["a"], true), { ids: ["a"], added: 0 });
  assert.deepEqual([1, 99, 100].map(addedText), ["1 new", "99 new", "99+ new"]);
});
