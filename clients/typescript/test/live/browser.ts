// A real Chromium, as it is installed.

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts it; `ignoreDefaultArgs` leaves out what Playwright would switch off. */
export function launch(more: { args?: string[]; ignoreDefaultArgs?: string[] } = {}): Promise<Browser> {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const paths = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  const executablePath = paths.find((path) => existsSync(path));
  if (!executablePath) throw new Error(`no browser in PATH; install one of ${NAMES.join(", ")}`);
  return chromium.launch({ executablePath, ...more, args: [...FLAGS, ...(more.args ?? [])] });
}

/** Gathers what a page complains of. Requests that fail because a server was killed are none. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("console", (message) => {
    const isNetwork = /Failed to load resource|net::ERR/.test(message.text());
    if (["error", "warning"].includes(message.type()) && !isNetwork) complaints.push(`console: ${message.text()}`);
  });
  return complaints;
}
