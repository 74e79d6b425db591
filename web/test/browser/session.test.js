// Signing in: a key becomes a session in a cookie that no script can read, for all tabs of the browser, until one signs out
// or the key is revoked.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, openPage } from "./browser.js";
import { startMill, until } from "./mill.js";

const COOKIE = "tidemill-session";
let mill, browser, admin;

before(async () => {
  [mill, browser] = await Promise.all([startMill(), launch()]);
  admin = (await ask("POST", "/keys", { name: "root", scopes: ["admin"] })).key;
});
after(async () => {
  await browser?.close();
  await mill?.stop();
});

async function ask(method, path, body, key = admin) {
  const headers = { "Content-Type": "application/json", ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  const answer = await fetch(`${mill.url}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  return answer.status === 204 ? null : answer.json();
}

const newKey = (...scopes) => ask("POST", "/keys", { name: scopes.join("-"), scopes });

async function signIn(page, key) {
  await page.getByLabel("Key", { exact: true }).fill(key);
  await page.getByRole("dialog").getByRole("button", { name: "Sign in" }).click();
}

test("a key opens a session for all tabs, and stays in none of them", async () => {
  const { key } = await newKey("admin");
  const { page, close } = await openPage(browser, mill.url);
  await page.goto("/queues");
  await signIn(page, `tm_${"a".repeat(12)}_${"b".repeat(43)}`);
  await page.getByRole("alert").getByText("was not accepted").waitFor();
  await signIn(page, key);
  await page.getByRole("button", { name: "Pause default" }).waitFor();
  await page.getByText("Live", { exact: true }).waitFor();
  const [cookie] = (await page.context().cookies()).filter((each) => each.name === COOKIE);
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, "Strict", "/"]);
  assert.ok(cookie.expires * 1000 > Date.now() + 11 * 3_600_000);
  const seen = await page.evaluate(() => [document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage)].join());
  assert.ok(!seen.includes(COOKIE) && !seen.includes(key.slice(16)) && !cookie.value.includes(key.slice(16)), seen);

  const other = await page.context().newPage();
  await other.goto("/queues");
  await other.getByRole("button", { name: "Pause default" }).click();
  await other.getByRole("dialog").getByRole("button", { name: "Pause queue" }).click();
  await other.getByRole("button", { name: "Resume default" }).waitFor();
  await page.getByRole("button", { name: "Resume default" }).click();
  await page.getByRole("button", { name: "Pause default" }).waitFor();

  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Key", { exact: true }).waitFor();
  assert.deepEqual((await page.context().cookies()).filter((each) => each.name === COOKIE), []);
  const copied = await fetch(`${mill.url}/api/v1/jobs`, { headers: { Cookie: `${COOKIE}=${cookie.value}` } });
  assert.equal(copied.status, 401, "a copy of the cookie is worthless");
  await other.reload();
  await other.getByLabel("Key", { exact: true }).waitFor();
  await close();
});

test("a session has the role of its key, and ends when the key is revoked", async () => {
  const { key, id } = await newKey("read");
  const { page, close } = await openPage(browser, mill.url);
  await page.goto("/queues");
  await signIn(page, key);
  await page.getByText("Read only. The key read").waitFor();
  assert.ok(await page.getByRole("button", { name: "Pause default" }).isDisabled());
  const status = await page.evaluate(async () => {
    const { session } = await (await fetch("/api/v1/me")).json();
    return (await fetch("/api/v1/queues/default/pause", { method: "POST", headers: { "X-CSRF-Token": session.csrf_token } })).status;
  });
  assert.equal(status, 403, "the server refuses what the page does not offer");
  await ask("DELETE", `/keys/${id}`);
  await page.getByLabel("Key", { exact: true }).waitFor();
  await close();
});

test("a page of another origin has no use of the session", async () => {
  const { key } = await newKey("admin");
  const { page, close } = await openPage(browser, mill.url);
  await page.goto("/queues");
  await signIn(page, key);
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  const [cookie] = (await page.context().cookies()).filter((each) => each.name === COOKIE);
  const pause = (headers) => fetch(`${mill.url}/api/v1/queues/default/pause`, { method: "POST", headers: { Cookie: `${COOKIE}=${cookie.value}`, ...headers } });
  assert.equal((await pause({ Origin: "https://evil.test" })).status, 403);
  assert.equal((await pause({ Origin: mill.url })).status, 403, "without the value of the page");
  await until(async () => (await ask("GET", "/queues/default")).paused_at === null, "the queue was not paused");
  await close();
});
