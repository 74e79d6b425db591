// The page below a base path: behind a proxy that keeps the path, and one that strips it.

import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";
import { launch, openPage } from "./browser.js";
import { startMill, until } from "./mill.js";

const BASE = "/team/jobs-ui";

let mill, browser;

before(async () => {
  [mill, browser] = await Promise.all([startMill(`[api]\nbase_path = "${BASE}"\n`), launch()]);
});
after(async () => {
  await browser?.close();
  await mill?.stop();
});

/** A site with the server below the base path and another application elsewhere. */
async function startProxy({ strips, keepsHost }) {
  const target = new URL(mill.url);
  const outside = [];
  const server = http.createServer((request, response) => {
    if (request.url !== BASE && !request.url.startsWith(`${BASE}/`)) {
      outside.push(request.url);
      return response.writeHead(404).end("another application");
    }
    const path = strips ? request.url.slice(BASE.length) || "/" : request.url;
    const headers = keepsHost ? request.headers : { ...request.headers, host: target.host };
    const asked = http.request({ host: target.hostname, port: target.port, method: request.method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    asked.on("error", () => response.destroy());
    response.on("close", () => asked.destroy());
    request.pipe(asked);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stop = () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, outside, stop };
}

for (const way of [{ strips: false, keepsHost: true }, { strips: true, keepsHost: false }]) {
  test(`the page works below a path; the proxy ${way.strips ? "strips" : "keeps"} it`, async () => {
    const proxy = await startProxy(way);
    const { page, complaints, close } = await openPage(browser, proxy.url);
    try {
      await page.goto(BASE);
      await page.getByText("Live", { exact: true }).waitFor();
      await page.getByRole("link", { name: "Enqueue", exact: true }).click();
      await page.waitForURL(`${proxy.url}${BASE}/enqueue`);
      await page.getByLabel("Kind").fill("steps");
      await page.getByLabel("Args").fill('{"n": 5, "pause": 0.3}');
      await page.getByRole("button", { name: "Enqueue" }).click();
      await page.waitForURL((url) => new RegExp(`^${BASE}/jobs/[0-9a-f-]{36}$`).test(url.pathname));
      await until(async () => (await page.locator(".job-head .badge").innerText()) === "completed", "the stream shows the end");
      await page.reload();
      await page.locator(".job-head .badge").waitFor();
      await page.getByRole("link", { name: "Jobs", exact: true }).first().click();
      await page.locator("tbody tr", { hasText: "steps" }).first().waitFor();
      assert.equal(new URL(page.url()).pathname, `${BASE}/jobs`);
      await page.goBack();
      await page.locator(".job-head .badge").waitFor();
      await page.goto(`${BASE}/docs`);
      await page.locator("article").first().waitFor();
      assert.deepEqual(complaints, []);
      assert.deepEqual(proxy.outside, [], "nothing was asked of the rest of the site");
    } finally {
      await close();
      await proxy.stop();
    }
  });
}

test("what the server hands out leads below the path, and it answers with and without it", async () => {
  const job = await mill.enqueue("steps", { n: 1 });
  for (const base of ["", BASE]) {
    const answer = await fetch(`${mill.url}${base}/api/v1/jobs`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ kind: "steps", args: { n: 1 } }),
    });
    const body = await answer.json();
    assert.equal(answer.headers.get("location"), `${BASE}/api/v1/jobs/${(body.job ?? body).id}`);
    const { links } = await (await fetch(`${mill.url}${base}/api/v1/jobs/${job}`)).json();
    assert.equal(links.self, `${BASE}/api/v1/jobs/${job}`);
    assert.equal((await fetch(new URL(links.result, mill.url))).status < 300, true);
    const { servers } = await (await fetch(`${mill.url}${base}/api/v1/openapi.json`)).json();
    assert.deepEqual(servers.map((server) => server.url), [BASE]);
    assert.equal((await fetch(`${mill.url}${base}/healthz`)).status, 200);
    assert.equal((await fetch(`${mill.url}${base}/docs`)).status, 200);
  }
  assert.equal((await fetch(`${mill.url}${BASE}x/healthz`)).status, 404);
});

// The last one, for the first key shuts the server.
test("one signs in below the path, whatever host the proxy sends, and the cookie stays there", async () => {
  const made = await fetch(`${mill.url}/api/v1/keys`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ name: "root", scopes: ["admin"] }) });
  const { key } = await made.json();
  for (const keepsHost of [true, false]) {
    const proxy = await startProxy({ strips: false, keepsHost });
    const { page, close } = await openPage(browser, proxy.url);
    try {
      await page.goto(`${BASE}/queues`);
      await page.getByLabel("Key", { exact: true }).fill(key);
      await page.getByRole("dialog").getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("button", { name: "Pause default" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Pause queue" }).click();
      await page.getByRole("button", { name: "Resume default" }).click();
      await page.getByRole("button", { name: "Pause default" }).waitFor();
      const [cookie] = (await page.context().cookies()).filter(({ name }) => name === "tidemill-session");
      assert.equal(cookie.path, `${BASE}/`);
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByLabel("Key", { exact: true }).waitFor();
      assert.deepEqual(proxy.outside, []);
    } finally {
      await close();
      await proxy.stop();
    }
  }
});
