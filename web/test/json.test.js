import assert from "node:assert/strict";
import { test } from "node:test";
import { parseObject, prettyJson } from "../lib/json.js";

test("args must be an object, and a mistake is located", () => {
  assert.deepEqual(parseObject(" "), { value: {} });
  assert.deepEqual(parseObject('{"a":[1]}'), { value: { a: [1] } });
  for (const text of ["[1]", "null", "3", '"x"']) assert.match(parseObject(text).error, /JSON object/);
  assert.match(parseObject('{\n  "a": nope}').error, /Unexpected token 'o'\.$/);
  assert.match(parseObject(`{"long": "${"x".repeat(60)}",\n  "a": 1 2}`).error, /line 2, column \d/);
  assert.match(parseObject('{"a":').error, /Not valid JSON/);
  assert.equal(prettyJson({ a: 1 }), '{"a":1}');
});
