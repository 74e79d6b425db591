// A real Chromium, and pages in it that collect every complaint.

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export function launch() {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const found = NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path));
  if (!found) throw new Error(`no browser in PATH; install one of ${NAMES.join(", ")}`);
  return chromium.launch({ executablePath: found, headless: true, args: FLAGS });
}

/** A page of its own; `complaints` gathers errors, policy violations and requests that leave `origin`. */
export async function openPage(browser, origin, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, baseURL: origin, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(`console: ${message.text()} ${message.location().url}`));
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("request", (request) => new URL(request.url()).origin === origin || complaints.push(`left the origin: ${request.url()}`));
  page.on("response", (response) => response.status() < 400 || complaints.push(`${response.status()} for ${response.url()}`));
  await page.exposeFunction("complain", (text) => complaints.push(`policy: ${text}`));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => window.complain(`${event.violatedDirective} forbids ${event.blockedURI}`));
  });
  return { page, complaints, close: () => context.close() };
}
