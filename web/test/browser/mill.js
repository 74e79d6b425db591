// A server for the browser: `tidemill dev` on a free port and a Postgres of its own, with a few small kinds.

import { execFile, spawn } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const BINARY = process.env.TIDEMILL_BINARY ?? fileURLToPath(new URL("../../../target/debug/tidemill", import.meta.url));
const START = 60_000; // milliseconds

// Writes one line and moves one step every `pause` seconds; its step, log and result carry the text that it was given.
const STEPS = `
import json, os, sys, time
args = json.load(sys.stdin)
n, text = args.get("n", 10), args.get("text", "")
say = lambda message: os.write(3, (json.dumps(message) + "\\n").encode())
for i in range(1, n + 1):
    print(f"line {i} {text}".strip(), flush=True)
    say({"progress": {"percent": 100 * i / n, "step": f"{i} of {n} {text}"}})
    time.sleep(args.get("pause", 0.2))
say({"result": {"text": text}})
`;

const BROKEN = `
import json, os, sys
text = json.load(sys.stdin)["text"]
os.write(3, json.dumps({"error": {"message": text, "type": "broken", "permanent": True}}).encode() + b"\\n")
sys.exit(1)
`;

const CONFIG = `
[kinds.steps]
command = ["python3", "steps.py"]
[kinds.broken]
command = ["python3", "broken.py"]
[kinds.endless]
command = ["sh", "-c", "echo it began; sleep 600"]
stop_grace = "1s"
`;

/** Starts it, with `more` in its config and `files` beside it; returns `{url, folder, database, psql, enqueue, stop}`. */
export async function startMill(more = "", files = {}) {
  const folder = await mkdtemp(join(tmpdir(), "tidemill-browser-"));
  await chmod(folder, 0o755); // as root, Postgres runs as somebody else
  const all = { "tidemill.toml": CONFIG + more, "steps.py": STEPS, "broken.py": BROKEN, ...files };
  for (const [name, text] of Object.entries(all)) await writeFile(join(folder, name), text);
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TIDEMILL_")));
  const dev = spawn(BINARY, ["dev", "--listen", "127.0.0.1:0"], { cwd: folder, env: environment, stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  dev.stderr.on("data", (text) => (log += text));
  const ended = new Promise((resolve) => dev.on("close", resolve));
  dev.on("error", (error) => (log += `${BINARY}: ${error.message}\n`));
  const stop = async () => {
    dev.kill("SIGINT");
    dev.kill("SIGINT"); // what runs is not waited for
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const url = await until(() => urlIn(folder), "tidemill dev has started", START);
    return { url, stop, folder, database: async () => (await urlsIn(folder)).database, psql: (sql) => psql(folder, sql), enqueue: (kind, args, more = {}) => enqueue(url, { kind, args, ...more }) };
  } catch (error) {
    await stop();
    throw new Error(`${error.message}; its log:\n${log}`, { cause: error });
  }
}

async function urlsIn(folder) {
  const text = await readFile(join(folder, ".tidemill", "urls.json"), "utf8").catch(() => "null");
  return JSON.parse(text) ?? {};
}

async function urlIn(folder) {
  return (await urlsIn(folder)).http;
}

/** Runs a statement as a person would. */
async function psql(folder, sql) {
  const { database } = await urlsIn(folder);
  await promisify(execFile)("psql", ["-qX", "-v", "ON_ERROR_STOP=1", "-c", "set search_path to tidemill", "-c", sql, database]);
}

/** Enqueues a job without the page; returns its id. */
async function enqueue(url, job) {
  const answer = await fetch(`${url}/api/v1/jobs`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(job) });
  const body = await answer.json();
  if (answer.status !== 202) throw new Error(`the job was not taken: ${JSON.stringify(body)}`);
  return (body.job ?? body).id;
}

/** Calls `read` until it returns something truthy; returns that. */
export async function until(read, what, limit = 20_000) {
  const deadline = Date.now() + limit;
  for (;;) {
    const seen = await read();
    if (seen) return seen;
    if (Date.now() > deadline) throw new Error(`not within ${limit / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
