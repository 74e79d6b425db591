// Starts the dashboard: routes addresses to pages, and updates the header. Must never read the API itself.

import { showConnection } from "./components/connection-status.js";
import { askForKey } from "./components/dialogs.js";
import { nothingHere } from "./components/empty-states.js";
import { showRole } from "./components/role-banner.js";
import { navigation } from "./components/navigation.js";
import { notice } from "./components/notice.js";
import { askAgain, onKeyNeeded, signOut } from "./lib/api.js";
import { withBasePath, withoutBasePath } from "./lib/base-path.js";
import { onRole, whoAmI } from "./lib/role.js";
import { pageOf } from "./pages/table.js";
import { showEnqueue } from "./pages/enqueue.js";
import { showHome } from "./pages/home.js";
import { showJob } from "./pages/job.js";

const main = document.getElementById("main");
const out = document.getElementById("sign-out");
const markHere = navigation(document.getElementById("nav"), document.getElementById("menu"));
showRole(document.getElementById("role"), document.getElementById("enqueue"));
let leave = () => {};
let shown = null; // the page of the table in pages/table.js that is shown, with what draws it again

function show() {
  const pathname = withoutBasePath(location.pathname);
  markHere(pathname);
  const found = pageOf(pathname);
  // Another query, such as a filter, is the same page: it keeps its place, focus and state.
  if (found && shown?.key === found.key) return shown.draw();
  leave();
  leave = () => {};
  shown = null;
  if (found) showFromTable(found);
  else leave = pageAt(pathname)() ?? (() => {});
}

function pageAt(pathname) {
  const job = /^\/jobs\/(.+)$/.exec(pathname);
  if (job) return () => showJob(main, decodeId(job[1]), navigate);
  if (pathname === "/enqueue") return () => showEnqueue(main, navigate);
  if (pathname === "/jobs") return () => showHome(main, navigate);
  return () => showNotFound();
}

/** Shows a page of the table: its module is loaded when it is first asked for. */
async function showFromTable({ key, page, params }) {
  const mine = { key, draw: () => {} };
  shown = mine;
  document.title = `${params.name ?? page.word} · Tidemill`;
  main.replaceChildren();
  try {
    const [{ mount }, { Page }] = await Promise.all([import("./ui/mount.js"), page.load()]);
    if (shown !== mine) return;
    mine.draw = () => mount(main, Page, { params, query: new URLSearchParams(location.search), navigate });
    leave = mine.draw();
    focusTitle();
  } catch (error) {
    if (shown === mine) main.replaceChildren(notice(error));
  }
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
  const before = shown;
  history.pushState(state, "", withBasePath(address));
  show();
  if (before !== null && shown === before) return;
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

onKeyNeeded(askForKey);
onRole(() => (out.hidden = !whoAmI()?.session));
out.addEventListener("click", async () => {
  try {
    await signOut();
  } catch (error) {
    return main.prepend(notice(error)); // the session goes on
  }
  askAgain();
  shown = null;
  show();
});

show();
