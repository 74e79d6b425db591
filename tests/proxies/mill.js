// A Tidemill behind the proxies, and requests as browsers and clients make them through those.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createGunzip } from "node:zlib";

const BINARY = process.env.TIDEMILL_BINARY ?? fileURLToPath(new URL("../../target/debug/tidemill", import.meta.url));
const START = 60_000; // milliseconds

export const HOST = "jobs.example.com";

export async function startMill() {
  const folder = await mkdtemp(join(tmpdir(), "tidemill-proxies-"));
  await writeFile(join(folder, "tidemill.toml"), `[api]\nhosts = ["${HOST}"]\n`);
  const child = spawn(BINARY, ["dev", "--listen", "127.0.0.1:0", "--data-dir", "data"], { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (data) => (said = (said + data).slice(-4000)));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const until = Date.now() + START;
  for (;;) {
    const urls = await readFile(join(folder, "data/urls.json"), "utf8").then(JSON.parse).catch(() => undefined);
    if (urls) return { port: Number(new URL(urls.http).port), folder, end: () => (child.kill("SIGTERM"), ended), stop: () => (child.kill("SIGTERM"), ended.then(() => rm(folder, { recursive: true, force: true }))) };
    if (child.exitCode !== null || Date.now() > until) throw new Error(`tidemill did not start: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** One request; answers when its head is there. */
export function open(port, path, { method = "GET", headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, path, method, agent: false, headers: { host: HOST, ...headers } });
    asked.once("response", (response) => resolve({ response, asked }));
    asked.once("upgrade", (response, socket, head) => resolve({ response, asked, socket, head }));
    asked.once("error", reject);
    asked.end(body);
  });
}

/** One request and its whole answer. */
export async function ask(port, path, options = {}) {
  const headers = options.json ? { "content-type": "application/json", ...options.headers } : options.headers;
  const { response } = await open(port, path, { ...options, headers, method: options.json ? "POST" : "GET", body: options.json && JSON.stringify(options.json) });
  let text = "";
  for await (const piece of unpacked(response)) text += piece;
  return { status: response.statusCode, headers: response.headers, text, json: () => JSON.parse(text) };
}

function unpacked(response) {
  return response.headers["content-encoding"] === "gzip" ? response.pipe(createGunzip()) : response;
}

/** An event stream: `seen` are the numbers of its events, `ended` comes when it is over. */
export async function follow(port, job, headers = {}) {
  const { response, asked } = await open(port, `/api/v1/jobs/${job}/events`, { headers: { accept: "text/event-stream", ...headers } });
  const stream = { status: response.statusCode, headers: response.headers, seen: [], close: () => asked.destroy(), waiting: [] };
  let rest = "";
  const body = unpacked(response);
  stream.ended = new Promise((resolve) => body.once("close", resolve).once("error", resolve).once("end", resolve));
  response.on("error", () => body.destroy());
  body.on("error", () => {});
  body.on("data", (piece) => {
    rest += piece;
    for (let end; (end = rest.indexOf("\n\n")) >= 0; rest = rest.slice(end + 2)) {
      const lines = rest.slice(0, end).split("\n");
      const id = lines.find((line) => line.startsWith("id:"))?.slice(3).trim();
      if (lines.some((line) => line === "event: log" || line === "event:log") && id) stream.seen.push(Number(id));
    }
    stream.waiting.forEach((check) => check());
  });
  stream.until = (number) => new Promise((resolve) => {
    const check = () => stream.seen.includes(number) && resolve(true);
    stream.waiting.push(check);
    check();
  });
  return stream;
}
