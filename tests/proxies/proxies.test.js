// What docs/proxies.md says of each proxy, seen through the real one with the very file that it recommends. A job says its next
// line when all have the one before, so nothing here rests on how fast the machine is. A proxy that is not installed is skipped.

import assert from "node:assert/strict";
import { chmod, readFile } from "node:fs/promises";
import { after, before, test } from "node:test";

import { ask, follow, HOST, open, startMill } from "./mill.js";
import { NAMES, start } from "./proxies.js";

const LATE = 20_000; // milliseconds; without the settings a line comes with the next one, which then never is said
const soon = (what, promise) => {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`timed out: ${what}`)), LATE)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

let mill;
let proxies = [];
let job;
let beat;

const own = (path, json) => ask(mill.port, path, { json });
const say = async (line) => assert.equal((await own(`/api/v1/worker/jobs/${job.id}/log`, { lease_id: job.lease_id, lines: [line] })).status, 200);

before(async () => {
  mill = await startMill();
  await chmod(mill.folder, 0o755);
  const started = await Promise.allSettled(NAMES.map((name) => start(name, mill.port, mill.folder)));
  proxies = started.flatMap(({ value }) => value ?? []);
  NAMES.filter((name, at) => started[at].status === "fulfilled" && !started[at].value).forEach((name) => console.log(`SKIPPED: ${name} is not installed (.ci/setup test installs it)`));
  started.forEach(({ reason }) => assert.ifError(reason));
  assert.equal((await own("/api/v1/jobs", { kind: "followed", execution_id: "followed", hard_timeout: "10m" })).status, 202);
  const claimed = await own("/api/v1/worker/claim", { worker: "w", kinds: ["followed"], queues: ["default"], max: 1, wait_seconds: 10 });
  [job] = claimed.json().jobs;
  beat = setInterval(() => own("/api/v1/worker/heartbeat", { worker: "w", leases: [job.lease_id] }).catch(() => {}), 5000);
});

after(async () => {
  clearInterval(beat);
  await Promise.all(proxies.map((proxy) => proxy.stop()));
  await mill?.stop();
});

test("the document shows the files that are tried here", async () => {
  const document = await readFile(new URL("../../docs/proxies.md", import.meta.url), "utf8");
  for (const file of ["nginx.conf", "haproxy.cfg", "apache.conf", "lighttpd.conf", "Caddyfile"]) {
    const text = await readFile(new URL(`../../deploy/proxies/${file}`, import.meta.url), "utf8");
    assert.ok(document.includes(text.trimEnd()), `docs/proxies.md does not show deploy/proxies/${file} as it is`);
  }
});

test("each line comes when it was said, also to a reader who takes gzip, and a reader who was cut goes on", async () => {
  await say("1");
  const plain = await Promise.all(proxies.map(async ({ name, port }) => ({ name, port, stream: await soon(`the head through ${name}`, follow(port, job.id)) })));
  const packed = await Promise.all(proxies.map(async ({ name, port }) => ({ name: `${name}, gzip`, stream: await soon(`the head through ${name}`, follow(port, job.id, { "accept-encoding": "gzip" })) })));
  const all = [...plain, ...packed];
  for (const { name, stream } of all) {
    assert.equal(stream.status, 200, name);
    assert.match(stream.headers["content-type"], /^text\/event-stream/, name);
    await soon(`line 1 through ${name}`, stream.until(1));
  }
  for (const line of [2, 3, 4]) {
    await say(String(line));
    await Promise.all(all.map(({ name, stream }) => soon(`line ${line} through ${name}`, stream.until(line))));
  }
  await Promise.all(plain.map(async ({ name, port, stream }) => {
    stream.close();
    const again = await follow(port, job.id, { "last-event-id": "2" });
    await soon(`what was missed through ${name}`, again.until(4));
    assert.deepEqual(again.seen, [3, 4], name);
    again.close();
  }));
  packed.forEach(({ stream }) => stream.close());
});

test("JSON is compressed, but by lighttpd, which does not compress what it passes on at once", async () => {
  await Promise.all(proxies.map(async ({ name, port }) => {
    const answer = await ask(port, "/api/v1/openapi.json", { headers: { "accept-encoding": "gzip" } });
    assert.equal(answer.status, 200, name);
    assert.equal(answer.headers["content-encoding"], name === "lighttpd" ? undefined : "gzip", name);
    assert.equal(answer.json().info.title, "Tidemill", name);
  }));
});

test("a WebSocket opens and gets its messages", async () => {
  await Promise.all(proxies.map(async ({ name, port }) => {
    const headers = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" };
    const { response, socket, head } = await soon(`the upgrade through ${name}`, open(port, "/ws/execution/followed", { headers }));
    assert.equal(response.statusCode, 101, name);
    if (!head.length) await soon(`a message through ${name}`, new Promise((resolve) => socket.once("data", resolve)));
    socket.destroy();
  }));
});

test("a request that waits gets its answer, and the time-out of the file is what would cut it", async () => {
  await Promise.all(proxies.map(async ({ name, port }) => {
    const answer = await ask(port, `/api/v1/jobs/${job.id}/result?wait=2s`);
    assert.equal(answer.status, 202, name);
  }));
  const shorter = {
    nginx: (site) => site.replace("proxy_read_timeout 75s", "proxy_read_timeout 1s"),
    haproxy: (site) => site.replace("timeout server 75s", "timeout server 1s"),
    apache: (site) => site.replace("ProxyTimeout 75", "ProxyTimeout 1"),
  };
  for (const { name } of proxies.filter(({ name }) => shorter[name])) {
    const proxy = await start(name, mill.port, mill.folder, shorter[name]);
    const answer = await ask(proxy.port, `/api/v1/jobs/${job.id}/result?wait=10s`);
    await proxy.stop();
    assert.ok([502, 504].includes(answer.status), `${name}: ${answer.status}`);
  }
});

test("the name that the client called arrives, and only those of api.hosts are answered", async () => {
  await Promise.all(proxies.map(async ({ name, port }) => {
    assert.equal((await ask(port, "/readyz", { headers: { host: HOST } })).status, 200, name);
    assert.equal((await ask(port, "/readyz", { headers: { host: "other.example.com" } })).status, 421, name);
  }));
});

test("a server that stops ends the streams, and none hangs behind its proxy", async () => {
  const streams = await Promise.all(proxies.map(async ({ name, port }) => ({ name, stream: await follow(port, job.id) })));
  await Promise.all(streams.map(({ name, stream }) => soon(`the stream through ${name}`, stream.until(4))));
  await Promise.all([mill.end(), ...streams.map(({ name, stream }) => soon(`the end through ${name}`, stream.ended))]);
});
