// Writes src/core/schema.ts, the types of the routes that this package calls, from the OpenAPI document of a running server:
// `npm run schema -- http://127.0.0.1:8080`. Must never be edited around: a test holds the file equal to what this makes.

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";

export const FILE = fileURLToPath(new URL("../src/core/schema.ts", import.meta.url));
const ROUTES = [
  "/api/v1/events",
  "/api/v1/jobs",
  "/api/v1/jobs/batch",
  "/api/v1/jobs/get",
  "/api/v1/jobs/{id}",
  "/api/v1/jobs/{id}/artifacts",
  "/api/v1/jobs/{id}/cancel",
  "/api/v1/jobs/{id}/events",
  "/api/v1/jobs/{id}/events/stream",
  "/api/v1/jobs/{id}/explain",
  "/api/v1/jobs/{id}/result",
  "/api/v1/jobs/{id}/retry",
  "/api/v1/jobs/{id}/signals/{name}",
  "/api/v1/me/activity",
  "/api/v1/operations",
  "/api/v1/operations/preview",
  "/api/v1/operations/{id}",
  "/api/v1/operations/{id}/cancel",
  "/api/v1/operations/{id}/undo",
  "/api/orchestration/task-status/{task_id}",
];
const HEAD = `// What the server says of its routes. Made by scripts/schema.mjs from the OpenAPI document: not for hands.\n
`;

/** The text of src/core/schema.ts for an OpenAPI document. */
export async function typesOf(document) {
  const missing = ROUTES.filter((route) => !(route in document.paths));
  if (missing.length > 0)
    throw new Error(`the document lacks ${missing.join(", ")}; correct ROUTES in scripts/schema.mjs`);
  const paths = Object.fromEntries(ROUTES.map((route) => [route, document.paths[route]]));
  const part = {
    openapi: document.openapi,
    info: document.info,
    paths,
    components: reachable(paths, document.components),
  };
  return HEAD + astToString(await openapiTS(part, { alphabetize: true, silent: true }));
}

/** The components that `from` refers to, directly or not, by section and name. */
function reachable(from, components) {
  const found = {};
  const look = (value) => {
    for (const [, section, name] of JSON.stringify(value).matchAll(/"#\/components\/([^/"]+)\/([^/"]+)"/g)) {
      found[section] ??= {};
      if (name in found[section]) continue;
      found[section][name] = components[section][name];
      look(found[section][name]);
    }
  };
  look(from);
  return found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const from = process.argv[2];
  if (!from) throw new Error("name a server, such as http://127.0.0.1:8080, or a file with its OpenAPI document");
  const document = /^https?:/.test(from)
    ? await (await fetch(`${from.replace(/\/$/, "")}/api/v1/openapi.json`)).json()
    : JSON.parse(await readFile(from, "utf8"));
  await writeFile(FILE, await typesOf(document));
}
