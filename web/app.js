// Starts the page: leads addresses to pages, and keeps the header.

import { showConnection } from "./components/connection-status.js";
import { askForKey } from "./components/dialogs.js";
import { askAgain, forgetKey, onKeyNeeded, storedKey } from "./lib/api.js";
import { at, within } from "./lib/base-path.js";
import { element } from "./lib/dom.js";
import { showEnqueue } from "./pages/enqueue.js";
import { showHome } from "./pages/home.js";
import { showJob } from "./pages/job.js";

const main = document.getElementById("main");
const forget = document.getElementById("forget-key");
let leave = () => {};

function show() {
  leave();
  const page = pageAt(within(location.pathname));
  leave = page() ?? (() => {});
  for (const link of document.querySelectorAll("nav a[data-route]")) {
    link.toggleAttribute("data-here", link.pathname === location.pathname);
  }
}

function pageAt(pathname) {
  const job = /^\/jobs\/(.+)$/.exec(pathname);
  if (job) return () => showJob(main, decodeId(job[1]), go);
  if (pathname === "/enqueue") return () => showEnqueue(main, go);
  if (pathname === "/" || pathname === "/jobs") return () => showHome(main, go);
  return () => showNothing();
}

function decodeId(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function showNothing() {
  showConnection("idle");
  main.replaceChildren(element("div", { class: "empty" },
    element("h1", { tabindex: -1 }, "There is no such page"), element("a", { class: "button", href: "/", "data-route": true }, "Show all jobs")));
}

/** Goes to another page of the app; `carried` is handed over to it. */
function go(address, carried = null) {
  history.pushState(carried, "", at(address));
  show();
  scrollTo(0, 0);
  main.querySelector("h1")?.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-route]");
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || event.defaultPrevented) return;
  event.preventDefault();
  go(within(link.pathname) + link.search);
});
addEventListener("popstate", show);

onKeyNeeded(async (refused) => {
  const key = await askForKey(refused);
  forget.hidden = key === null;
  return key;
});
forget.hidden = storedKey() === null;
forget.addEventListener("click", () => {
  forgetKey();
  forget.hidden = true;
  askAgain();
  show();
});

show();
