// The package as it is published: what is in it, how large it is, and that programs find its types and its code.

import { execFile } from "node:child_process";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, it } from "vitest";
import { HERE, packed } from "./packed.js";
import { runsHere } from "./runs-here.js";

const run = promisify(execFile);
let folder: string;
let files: string[];

beforeAll(async () => {
  ({ folder, files } = await packed());
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

it("holds code, types, styles, its words and its licences, and nothing else", async () => {
  const other = files.filter((file) => !/^dist\/(core|live|react|status-center)\/[a-z-]+\.(js|d\.ts|css)$/.test(file));
  expect(other.sort()).toEqual(["LICENSE-APACHE", "LICENSE-MIT", "README.md", "package.json"]);
  const { exports } = JSON.parse(await readFile(join(HERE, "package.json"), "utf8"));
  for (const to of Object.values(exports).flatMap((entry) =>
    typeof entry === "string" ? [entry] : Object.values(entry as object),
  )) {
    expect(files).toContain((to as string).slice(2));
  }
});

it("needs no other package, and no runtime's own modules", async () => {
  const { dependencies } = JSON.parse(await readFile(join(HERE, "package.json"), "utf8"));
  expect(dependencies).toBeUndefined();
  for (const file of files.filter((file) => file.endsWith(".js"))) {
    const code = await readFile(join(folder, "node_modules/tidemill", file), "utf8");
    const from = [...code.matchAll(/(?:from|import) "([^"]+)"/g)].map(([, name]) => name!);
    const foreign = from.filter((name) => !name.startsWith("."));
    expect(foreign.filter((name) => !/^react(\/jsx-runtime)?$/.test(name))).toEqual([]);
    if (/^dist\/(core|live)/.test(file)) expect(foreign).toEqual([]);
    expect(code).not.toMatch(/\b(process|Buffer|require)\b\./);
  }
});

/** The size of what is imported, as a bundler makes it small, in bytes of gzip. */
async function sizeOf(code: string, without: RegExp[]): Promise<number> {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: folder },
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    external: ["react", "react/jsx-runtime"],
    plugins: [
      {
        name: "without",
        setup(build) {
          build.onResolve({ filter: /^\./ }, ({ path, resolveDir }) => {
            const to = join(resolveDir, path);
            return without.some((part) => part.test(to)) ? { path: to, external: true } : undefined;
          });
        },
      },
    ],
  });
  return gzipSync(outputFiles[0]!.contents, { level: 9 }).length;
}

const CORE = /\/dist\/core\//;
const LIVE = /\/dist\/live\//;
const HOOKS = /\/dist\/react\//;

it("is small: core 6 kB, React 10 kB, the Status Center with its styles 8 kB", async () => {
  const hooks = "useJob, useJobs, useJobLog, useTaskStatus, useEnqueue, TidemillProvider, useTidemill, useLiveJobs";
  const center = "StatusCenterProvider, useStatusCenterContext, StatusCenter, ProgressBar, JobLog, LABELS";
  const sizes = {
    core: await sizeOf(`export * from "tidemill"`, []),
    react: await sizeOf(`export { ${hooks} } from "tidemill/react"`, [CORE]),
    center: await sizeOf(`export { ${center} } from "tidemill/react"`, [CORE, LIVE, HOOKS]),
    styles: gzipSync(
      (
        await build({
          entryPoints: [join(folder, "node_modules/tidemill/dist/status-center/status-center.css")],
          minify: true,
          write: false,
        })
      ).outputFiles[0]!.contents,
    ).length,
  };
  console.log(`gzip: core ${sizes.core}, React ${sizes.react}, Status Center ${sizes.center} + ${sizes.styles} bytes`);
  expect(sizes.core).toBeLessThanOrEqual(6_000);
  expect(sizes.react).toBeLessThanOrEqual(10_000);
  expect(sizes.center + sizes.styles).toBeLessThanOrEqual(8_000);
});

const PROGRAM = `
import { Tidemill, type Job } from "tidemill";
import { liveJobs } from "tidemill/live";
import { useJob, useTaskStatus, StatusCenter } from "tidemill/react";

const tidemill = new Tidemill<{ greet: { args: { name: string }; result: { greeting: string } } }>({ token: async () => "t" });
export async function main(): Promise<string> {
  const job = await tidemill.enqueue("greet", { name: "Ann" }, { priority: "high", delay: "30s" });
  const again: Job = await tidemill.get(job.id);
  // @ts-expect-error a number is no name
  await tidemill.enqueue("greet", { name: 7 });
  // @ts-expect-error nothing of this kind is known
  await tidemill.enqueue("great", { name: "Ann" });
  liveJobs(tidemill).watch(job.id, { onChange: ({ job, connection }) => console.log(job?.progress?.percent, connection) });
  return again.status + job.result?.greeting;
}
export const hooks = [useJob, useTaskStatus, StatusCenter];
`;

it("explains itself to TypeScript, however a program finds its modules", async () => {
  for (const [module, moduleResolution] of [
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ]) {
    await writeFile(join(folder, "program.ts"), PROGRAM);
    const compilerOptions = {
      strict: true,
      noEmit: true,
      module,
      moduleResolution,
      target: "es2022",
      lib: ["es2023", "dom"],
      types: [],
      skipLibCheck: false,
    };
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["program.ts"] }));
    const tsc = join(HERE, "node_modules/.bin/tsc");
    const { stdout } = await run(tsc, ["--project", folder]).catch((error) => error);
    expect(stdout).toBe("");
  }
}, 120_000);

it.skipIf(!runsHere("deno"))(
  "explains itself to Deno",
  async () => {
    await writeFile(join(folder, "program.ts"), PROGRAM);
    const deno = join(HERE, "node_modules/.bin/deno");
    const env = { ...process.env, DENO_DIR: join(folder, "deno"), DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" };
    const said = await run(deno, ["check", "--no-remote", "program.ts"], { cwd: folder, env }).catch((error) => error);
    expect(said.code ? said.stderr : "").toBe("");
  },
  120_000,
);

it("is loaded by Node as it is", async () => {
  const code = `import * as core from "tidemill"; import * as live from "tidemill/live"; import * as react from "tidemill/react"; console.log(Object.keys({ ...core, ...live, ...react }).sort().join(" "))`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", code], { cwd: folder });
  expect(stdout.split(" ")).toEqual(expect.arrayContaining(["StatusCenter", "Tidemill", "liveJobs", "useJob"]));
});

it("has lock files that name no registry", async () => {
  const locks = (await readdir(HERE, { recursive: true })).filter(
    (file) => file.endsWith("package-lock.json") && !file.includes("node_modules"),
  );
  expect(locks.length).toBeGreaterThanOrEqual(2);
  for (const lock of locks) expect(await readFile(join(HERE, lock), "utf8")).not.toContain('"resolved"');
});
