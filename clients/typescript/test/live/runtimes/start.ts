// Starts the tour in a real Deno and in a real workerd (the runtime of Cloudflare Workers), with the package as it is published.

import { type ChildProcess, spawn } from "node:child_process";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build } from "esbuild";
import { HERE, type Packed } from "../../package/packed.js";
import type { Fact, Given } from "./tour.js";

/** Which rules of its runtime a Worker wants: those of this day. */
export type Day = "2023-01-01" | "2026-11-01";

const CONFIG = (day: Day) => `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main), (name = "internet", network = (allow = ["private"]))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const main :Workerd.Worker = (modules = [(name = "main", esModule = embed "worker.js")], compatibilityDate = "${day}");
`;

const program = (name: string) => join(HERE, "node_modules/.bin", name);

/** Compiles a program beside the package: here its modules would be found as sources. */
async function compile({ folder }: Packed, name: string, more: BuildOptions): Promise<void> {
  const here = fileURLToPath(new URL(".", import.meta.url));
  const there = join(folder, "programs");
  await cp(here, there, { recursive: true });
  await build({
    ...more,
    entryPoints: [join(there, `${name}.ts`)],
    bundle: true,
    format: "esm",
    outfile: join(folder, `${name}.js`),
  });
}

async function* factsIn(lines: Readable): AsyncGenerator<Fact, void> {
  for await (const line of createInterface(lines)) yield JSON.parse(line);
}

/** Deno finds the package among the modules of the folder; it may reach this machine and nothing else. */
export async function* deno(published: Packed, given: Given): AsyncGenerator<Fact, void> {
  await compile(published, "deno", { packages: "external" });
  const { folder } = published;
  const env = { ...process.env, DENO_DIR: join(folder, "deno"), DENO_NO_UPDATE_CHECK: "1", NODE_ENV: "production" };
  const may = ["--no-remote", "--no-prompt", "--allow-net=127.0.0.1", "--allow-env=NODE_ENV"];
  const child = spawn(program("deno"), ["run", ...may, "deno.js", JSON.stringify(given)], { cwd: folder, env });
  const said = gathered(child.stderr);
  const ended = new Promise((resolve) => child.on("close", resolve));
  try {
    yield* factsIn(child.stdout);
    const code = await ended;
    if (code !== 0) throw new Error(`deno ended with ${code}: ${said.join("")}`);
  } finally {
    child.kill();
  }
}

export class Workerd {
  readonly #child: ChildProcess;
  readonly #url: string;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.#url = url;
  }

  /** The Worker and the package in one file, as Cloudflare's own tool makes it. */
  static async start(published: Packed, day: Day): Promise<Workerd> {
    const { folder } = published;
    await compile(published, "worker", {
      conditions: ["workerd", "worker", "browser"],
      define: { "process.env.NODE_ENV": '"production"' },
    });
    await writeFile(join(folder, "workerd.capnp"), CONFIG(day));
    const child = spawn(program("workerd"), ["serve", "workerd.capnp", "--control-fd=1"], { cwd: folder });
    const said = gathered(child.stderr);
    for await (const line of createInterface(child.stdout)) {
      const { event, port } = JSON.parse(line);
      if (event === "listen") return new Workerd(child, `http://127.0.0.1:${port}`);
    }
    throw new Error(`workerd does not start: ${said.join("")}`);
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.on("close", resolve));
    this.#child.kill();
    await ended;
  }

  ask(path: string, given: Given): Promise<Response> {
    return fetch(this.#url + path, { method: "POST", body: JSON.stringify(given) });
  }

  async *tour(given: Given): AsyncGenerator<Fact, void> {
    const { body } = await this.ask("/", given);
    yield* factsIn(Readable.fromWeb(body as never));
  }
}

function gathered(stream: Readable): string[] {
  const said: string[] = [];
  stream.on("data", (text) => said.push(`${text}`));
  return said;
}
