// Starts the dashboard: routes addresses to pages, and updates the header. Must never read the API itself.

import { showConnection } from "./components/connection-status.js";
import { askForKey } from "./components/dialogs.js";
import { nothingHere } from "./components/empty-states.js";
import { askAgain, forgetKey, onKeyNeeded, storedKey } from "./lib/api.js";
import { withBasePath, withoutBasePath } from "./lib/base-path.js";
import { showEnqueue } from "./pages/enqueue.js";
import { showHome } from "./pages/home.js";
import { showJob } from "./pages/job.js";

const main = document.getElementById("main");
const forget = document.getElementById("forget-key");
let leave = () => {};

function show() {
  leave();
  const page = pageAt(withoutBasePath(location.pathname));
  leave = page() ?? (() => {});
  for (const link of document.querySelectorAll("nav a[data-route]")) {
    link.toggleAttribute("data-here", link.pathname === location.pathname);
  }
}

function pageAt(pathname) {
  const job = /^\/jobs\/(.+)$/.exec(pathname);
  if (job) return () => showJob(main, decodeId(job[1]), navigate);
  if (pathname === "/enqueue") return () => showEnqueue(main, navigate);
  if (pathname === "/" || pathname === "/jobs") return () => showHome(main, navigate);
  return () => showNotFound();
}

function decodeId(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function showNotFound() {
  document.title = "Tidemill";
  showConnection("idle");
  main.replaceChildren(nothingHere("There is no such page"));
}

/** Shows another page of the app; `state` becomes its `history.state`. */
function navigate(address, state = null) {
  history.pushState(state, "", withBasePath(address));
  show();
  scrollTo(0, 0);
  focusTitle();
}

/** After a change of pages the keyboard and a screen reader start at the new title, or where the page has put them. */
function focusTitle() {
  if (!main.contains(document.activeElement)) main.querySelector("h1")?.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-route]");
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || event.defaultPrevented) return;
  event.preventDefault();
  navigate(withoutBasePath(link.pathname) + link.search);
});
addEventListener("popstate", () => {
  show();
  focusTitle();
});

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
