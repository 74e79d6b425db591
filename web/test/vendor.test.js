// The libraries in web/vendor are what .ci/vendor-web wrote.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const WEB = fileURLToPath(new URL("..", import.meta.url));

const vendored = JSON.parse(readFileSync(join(WEB, "vendor", "vendor.json"), "utf8"));

const licences = readFileSync(join(WEB, "vendor", "licences.txt"), "utf8");

test("each vendored file is the one that was written, with its licence", () => {
  for (const { file, package: name, version, licence, integrity, sources, sha256 } of vendored) {
    const text = readFileSync(join(WEB, "vendor", file), "utf8");
    assert.equal(createHash("sha256").update(text).digest("hex"), sha256, `${file} was edited; run .ci/vendor-web`);
    assert.ok(text.startsWith(`/*! ${name} ${version}, ${licence}.`), file);
    if (sources) continue;
    assert.ok(licences.includes(`${name} ${version}, ${licence}\n\n`), `the licence of ${name}`);
    assert.match(integrity, /^sha512-/);
    assert.ok(["MIT", "Apache-2.0"].includes(licence), `${name} is ${licence}`);
  }
  const files = readdirSync(join(WEB, "vendor")).filter((name) => !["vendor.json", "licences.txt"].includes(name)).sort();
  const expected = vendored.flatMap(({ file }) => [file, file.replace(/js$/, "d.ts")]);
  assert.deepEqual(files, expected.sort(), "nothing lies beside them");
});

test("the event stream is that of clients/typescript as it is now", () => {
  const { sources } = vendored.find(({ file }) => file === "stream.js");
  assert.ok("clients/typescript/src/core/stream.ts" in sources && "clients/typescript/src/core/sse.ts" in sources);
  for (const [path, sha256] of Object.entries(sources)) {
    const text = readFileSync(join(WEB, "..", path));
    assert.equal(createHash("sha256").update(text).digest("hex"), sha256, `${path} has changed: run .ci/vendor-web`);
  }
});

test("tsc reads the types of the versions that are vendored", () => {
  const { devDependencies } = JSON.parse(readFileSync(join(WEB, "package.json"), "utf8"));
  for (const { package: name, version, sources } of vendored) if (!sources) assert.equal(devDependencies[name], version, name);
});

test("no vendored file needs what the content policy forbids, or another address", () => {
  for (const { file } of vendored) {
    const text = readFileSync(join(WEB, "vendor", file), "utf8");
    assert.doesNotMatch(text, /\beval\(|new Function\(/, file);
    for (const [, address] of text.matchAll(/from ?"([^"]+)"/g)) assert.match(address, /^\.\/[\w-]+\.js$/, file);
  }
});
