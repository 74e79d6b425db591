// docs/typescript.md and docs/react.md as printed: each program runs in Node and prints what it says, each component is shown in
// a real Chromium until it shows what it says. The compiler reads all of them, and the README's.

import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type BuildOptions, build } from "esbuild";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { complaintsOf, launch } from "./browser.js";
import { Site } from "./site.js";

const run = promisify(execFile);
const HERE = fileURLToPath(new URL("../..", import.meta.url));
const DOCS = join(HERE, "../../docs");
const folder = join(HERE, "test/live/dist/docs");
const ALIAS = {
  "tidemill/status-center.css": join(HERE, "src/status-center/status-center.css"),
  "tidemill/live": join(HERE, "src/live/index.ts"),
  "tidemill/react": join(HERE, "src/react/index.ts"),
  tidemill: join(HERE, "src/core/index.ts"),
};

/** The fenced blocks of a language. */
async function blocks(path: string, language: string): Promise<string[]> {
  const text = await readFile(path, "utf8");
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, found]) => found === language)
    .map(([, , block]) => block!);
}

const programs = await blocks(join(DOCS, "typescript.md"), "ts");
const components = await blocks(join(DOCS, "react.md"), "tsx");

const bundle = (contents: string, more: BuildOptions) =>
  build({
    stdin: { contents, resolveDir: HERE, loader: "tsx" },
    alias: ALIAS,
    bundle: true,
    format: "esm",
    jsx: "automatic",
    logLevel: "error",
    ...more,
  });

beforeAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
});

it("the compiler takes every program and component", async () => {
  const shown = [...(await blocks(join(HERE, "README.md"), "ts")), ...(await blocks(join(HERE, "README.md"), "tsx"))];
  const files = [...programs, ...components, ...shown].map(
    (text, at) => [`block-${at}.tsx`, `${text}\nexport {};\n`] as const,
  );
  await Promise.all(files.map(([name, text]) => writeFile(join(folder, name), text)));
  await writeFile(
    join(folder, "given.d.ts"),
    `declare function tokenOfMyBackend(): Promise<string>;\ndeclare module "*.css";\n`,
  );
  await writeFile(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      extends: "../../../../tsconfig.json",
      compilerOptions: { noUnusedLocals: false },
      include: ["."],
      exclude: [],
    }),
  );
  const { stdout } = await run(join(HERE, "node_modules/.bin/tsc"), ["--project", folder]).catch((error) => error);
  expect(stdout).toBe("");
});

describe("docs/typescript.md", () => {
  it.each(programs.map((text, at) => [at + 1, text] as const))("program %i prints what it says", async (at, text) => {
    const outfile = join(folder, `program-${at}.mjs`);
    await bundle(text, { outfile, platform: "node" });
    const env = { ...process.env, TIDEMILL_URL: inject("url"), TIDEMILL_KEY: "", NO_COLOR: "1", FORCE_COLOR: "0" };
    const { stdout } = await run(process.execPath, [outfile], { env, timeout: 200_000 });
    const told = [...text.matchAll(/\/\/ prints: (.*)$/gm)].map(([, line]) => line!);
    expect(told.length).toBeGreaterThan(0);
    expect(stdout.trim().split("\n").sort()).toEqual(told.sort());
  });
});

describe("docs/react.md", () => {
  let browser: Browser;
  let site: Site;

  beforeAll(async () => {
    site = await Site.start(inject("url"), folder);
    browser = await launch();
  });

  afterAll(async () => {
    await browser?.close();
    await site?.stop();
  });

  it.each(components.map((text, at) => [at + 1, text] as const))(
    "component %i shows what it says",
    async (at, text) => {
      await writeFile(join(folder, `component-${at}.tsx`), text);
      const main = `
      import { createRoot } from "react-dom/client";
      import { StrictMode } from "react";
      import App from "./test/live/dist/docs/component-${at}.tsx";
      createRoot(document.getElementById("root")).render(<StrictMode><App /></StrictMode>);`;
      await bundle(main, {
        outfile: join(folder, `page-${at}.js`),
        define: { "process.env.NODE_ENV": '"development"' },
      });
      const root = `<!doctype html><html lang="en"><title>x</title><div id="root"></div><script type="module" src="/page-${at}.js"></script>`;
      await writeFile(join(folder, `page-${at}.html`), root);

      const page = await browser.newPage();
      page.setDefaultTimeout(120_000);
      const complaints = complaintsOf(page);
      await page.goto(`${site.url}/page-${at}.html`);
      for (const [, words] of text.matchAll(/^\/\/ click: (.*)$/gm)) await page.click(`button:has-text("${words}")`);
      const facts = [...text.matchAll(/^\/\/ shows: (.*)$/gm)].map(([, words]) => words!);
      expect(facts.length).toBeGreaterThan(0);
      for (const words of facts)
        await page.waitForFunction((words) => document.body.textContent?.includes(words), words);
      expect(complaints).toEqual([]);
      await page.context().close();
    },
  );
});
