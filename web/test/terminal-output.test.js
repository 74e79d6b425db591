import assert from "node:assert/strict";
import { test } from "node:test";
import { plainText } from "../lib/terminal-output.js";

test("log lines lose terminal codes and overwritten text", () => {
  assert.equal(plainText("\u001b[1;32m   Compiling\u001b[0m a v1"), "   Compiling a v1");
  assert.equal(plainText("10 %\r50 %\r100 %\r\n"), "100 %");
  assert.equal(plainText("\u001b]8;;http://x\u001b\\link\u001b]8;;\u0007!"), "link!");
  assert.equal(plainText("a\u0007b\tc <b>&"), "a·b\tc <b>&");
});
