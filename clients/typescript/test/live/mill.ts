// A real server with an embedded Postgres and a worker, and kinds made for looking at. It can be killed and started again on
// the same port and data.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const BINARY =
  process.env.TIDEMILL_BINARY ?? fileURLToPath(new URL("../../../../target/debug/tidemill", import.meta.url));
const START = 120_000; // milliseconds

// Moves on one step whenever a file with the step's number is there, so that tests and not clocks say when.
const STEPS = `
import json, os, sys, time
args = json.load(sys.stdin)
n, gate, text = args.get("n", 3), args.get("gate"), args.get("text", "")
say = lambda message: os.write(3, (json.dumps(message) + "\\n").encode())
for i in range(1, n + 1):
    while gate and not os.path.exists(f"{gate}.{i}") and not os.path.exists(f"{gate}.all"):
        time.sleep(0.05)
    print(f"line {i} {text}".strip(), flush=True)
    say({"progress": {"percent": 100 * i / n, "step": f"step {i} of {n}"}})
if args.get("fail"):
    say({"error": {"message": args["fail"], "type": "broken", "permanent": True}})
    sys.exit(1)
say({"result": {"steps": n}})
`;

const CONFIG = `
[queues.default]
slots = 16
[kinds.steps]
command = ["python3", "steps.py"]
max_attempts = 3
backoff = { first = "1s", factor = 1.0, max = "1s", jitter = 0.0 }
[kinds.greet]
command = ["sh", "-c", "read -r args; echo hello; printf '{\\"result\\":{\\"greeting\\":\\"hello\\"}}\\\\n' >&3"]
[kinds.report]
command = ["sh", "-c", "read -r args; printf 'a;b\\\\n' > a.csv; printf '{\\"keep\\":{\\"path\\":\\"a.csv\\"}}\\\\n' >&3"]
`;

export interface MillOptions {
  /** More of its config. */
  config?: string;
  /** Origins whose pages may call it. */
  origins?: string[];
  /** Further lines of its section `[api]`. */
  api?: string;
}

export class Mill {
  url = "";
  readonly folder: string;
  #process: ChildProcess | undefined;
  #log = "";

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async start({ config = "", origins = [], api: lines = "" }: MillOptions = {}): Promise<Mill> {
    const folder = await mkdtemp(join(tmpdir(), "tidemill-typescript-"));
    await chmod(folder, 0o755); // as root, Postgres runs as somebody else
    const api = `[api]\ncors_origins = ${JSON.stringify(origins)}\n${lines}\n`;
    await writeFile(join(folder, "tidemill.toml"), api + CONFIG + config);
    await writeFile(join(folder, "steps.py"), STEPS);
    const mill = new Mill(folder);
    await mill.begin();
    return mill;
  }

  /** Starts it, on the port that it had before. */
  async begin(): Promise<void> {
    const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("TIDEMILL_"));
    const listen = this.url ? new URL(this.url).host : "127.0.0.1:0";
    const urls = join(this.folder, "data", "urls.json");
    await rm(urls, { force: true });
    const child = spawn(BINARY, ["dev", "--listen", listen, "--data-dir", "data"], {
      cwd: this.folder,
      env: Object.fromEntries(kept),
      stdio: ["ignore", "ignore", "pipe"],
    });
    child.stderr?.on("data", (text) => (this.#log += text));
    child.on("error", (error) => (this.#log += `${error.message}\n`));
    this.#process = child;
    const ready = async () => {
      if (child.exitCode !== null || !child.pid)
        throw new Error(`${BINARY} does not run; TIDEMILL_BINARY names another:\n${this.#log}`);
      const { http } = JSON.parse(await readFile(urls, "utf8").catch(() => "{}"));
      const answer = http && (await fetch(`${http}/readyz`).catch(() => null));
      return answer?.ok && http;
    };
    this.url = (await until(ready, "tidemill dev is ready", START)).replace(/\/$/, "");
  }

  /** Ends it without any warning. */
  async kill(): Promise<void> {
    const child = this.#process!;
    const ended = new Promise((resolve) => child.on("close", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  async stop(): Promise<void> {
    const child = this.#process!;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.on("close", resolve));
      child.kill("SIGINT");
      child.kill("SIGINT"); // what runs is not waited for
      await ended;
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  /** A key with these scopes; from the first on the server wants one. */
  async key(...scopes: string[]): Promise<{ key: string; id: string }> {
    const made = await this.#command([
      "keys",
      "create",
      "--name",
      `test-${scopes.join("-")}`,
      "--json",
      ...scopes.flatMap((scope) => ["--scope", scope]),
    ]);
    return JSON.parse(made);
  }

  /** Makes a key worthless. */
  async revoke(name: string): Promise<void> {
    await this.#command(["keys", "revoke", name]);
  }

  async #command(words: string[]): Promise<string> {
    const { database } = JSON.parse(await readFile(join(this.folder, "data", "urls.json"), "utf8"));
    const env = { ...process.env, TIDEMILL_DATABASE__URL: database };
    for (let tries = 1; ; tries++) {
      try {
        return (await promisify(execFile)(BINARY, words, { env, cwd: tmpdir() })).stdout;
      } catch (error) {
        // A database that is busy starting may keep a command waiting for too long; each may be repeated.
        if (tries === 3) throw error;
      }
    }
  }
}

/** Looks again and again until `look` answers something; that is the answer. */
export async function until<T>(
  look: () => T | Promise<T>,
  what: string,
  limit = 120_000,
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = Date.now() + limit;
  for (;;) {
    const seen = await look();
    if (seen) return seen as NonNullable<Exclude<T, false>>;
    if (Date.now() > deadline) throw new Error(`not within ${limit / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
