// Starts the dashboard: routes addresses to pages, and updates the header. Must never read the API itself.

import { showConnection } from "./components/connection-status.js";
import { askForKey } from "./components/dialogs.js";
import { NothingHere } from "./components/empty-states.js";
import { showRole } from "./components/role-banner.js";
import { navigation } from "./components/navigation.js";
import { askAgain, onKeyNeeded, signOut } from "./lib/api.js";
import { withBasePath, withoutBasePath } from "./lib/base-path.js";
import { onRole, whoAmI } from "./lib/role.js";
import { pageOf } from "./pages/table.js";
import { mount } from "./ui/mount.js";
import { ProblemBox } from "./ui/parts.js";

const [main, out, nav, menu, role, enqueue] = ["main", "sign-out", "nav", "menu", "role", "enqueue"].map(byId);
const markHere = navigation(nav, menu);
showRole(role, enqueue);
let leave = () => {};
/** @type {{ key: string, draw: () => void } | null} */
let shown = null; // the page that is shown, with what draws it again

/**
 * An element of index.html.
 *
 * @param {string} id
 */
function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** Shows the page of the address; `isAsked` mounts a page with `hasOwnQuery` again. */
function show(isAsked = false) {
  const pathname = withoutBasePath(location.pathname);
  markHere(pathname);
  const found = pageOf(pathname, location.search);
  // Another query, such as a filter, is the same page: it keeps its place, focus and state.
  if (found && shown?.key === found.key && !(isAsked && found.page.hasOwnQuery)) return shown.draw();
  leave();
  leave = () => {};
  shown = null;
  if (found) showPage(found);
  else showNotFound();
}

/**
 * Shows a page: its module is loaded when it is first asked for.
 * @param {NonNullable<ReturnType<typeof pageOf>>} found
 */
async function showPage({ key, page, params }) {
  const mine = { key, draw: () => {} };
  const props = () => ({ params: /** @type {{ name: string }} */ (params), query: new URLSearchParams(location.search), navigate });
  const focused = document.activeElement;
  shown = mine;
  document.title = `${page.word ?? params.name} · Tidemill`;
  try {
    const { Page } = await page.load();
    if (shown !== mine) return;
    mine.draw = () => void mount(main, Page, props());
    leave = mount(main, Page, props());
    // The focus that a user moved meanwhile stays.
    if (document.activeElement === focused || document.activeElement === document.body) focusTitle();
  } catch (error) {
    if (shown === mine) leave = mount(main, ProblemBox, { problem: error });
  }
}

function showNotFound() {
  document.title = "Tidemill";
  showConnection("idle");
  leave = mount(main, NothingHere, { title: "There is no such page" });
}

/**
 * Shows another page of the app; `state` becomes its `history.state`.
 * @param {string} address
 * @param {unknown} state
 */
function navigate(address, state = null) {
  const before = shown;
  history.pushState(state, "", withBasePath(address));
  show(true);
  if (before !== null && shown === before) return;
  scrollTo(0, 0);
  focusTitle();
}

/** After a change of pages the keyboard and a screen reader start at the new title, or where the page has put them. */
function focusTitle() {
  if (!main.contains(document.activeElement)) main.querySelector("h1")?.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? /** @type {HTMLAnchorElement | null} */ (event.target.closest("a[data-route]")) : null;
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
    const box = document.createElement("div");
    main.prepend(box);
    return void mount(box, ProblemBox, { problem: error }); // the session goes on
  }
  askAgain();
  shown = null;
  show();
});

show();
