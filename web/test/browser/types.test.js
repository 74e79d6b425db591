// The types of the API that tsc checks the pages against are those of a real server.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { startMill } from "./mill.js";

const { FILE, typesOf } = createRequire(import.meta.url)("../../../.ci/web-types");

let mill;

before(async () => (mill = await startMill()));
after(() => mill?.stop());

test("web/api.d.ts says what the server says", async () => {
  const description = await (await fetch(`${mill.url}/api/v1/openapi.json`)).json();
  assert.equal(readFileSync(FILE, "utf8"), typesOf(description), "run .ci/web-types with the address of a server");
});
