import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { enqueueCommand, quoted } from "../lib/curl.js";

test("a quoted word survives a real shell", () => {
  for (const text of ["plain-1.0", "it's", "$HOME `id` \"x\" \\ !", "ü\n\tline", "''", ""]) {
    assert.equal(execFileSync("sh", ["-c", `printf %s ${quoted(text)}`]).toString(), text);
  }
});

test("the curl command has the values of the form", () => {
  const command = enqueueCommand("http://127.0.0.1:8080", { kind: "a", args: { name: "it's" } });
  const words = execFileSync("sh", ["-c", `curl() { printf '%s\\n' "$@"; }; ${command}`]).toString().split("\n");
  assert.ok(words.includes("http://127.0.0.1:8080/api/v1/jobs") && words.includes('{"kind":"a","args":{"name":"it\'s"}}'));
  assert.match(enqueueCommand("http://h", { kind: "a" }, true), /Bearer \$TIDEMILL_KEY/);
});
