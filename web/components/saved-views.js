// Filters of the list of jobs under names of their own, kept in this browser. Must never keep more than the address says.

import { element } from "../lib/dom.js";
import { addressOf, wordsOf } from "../lib/job-filter.js";
import { askForText } from "./dialogs.js";

const STORED = "tidemill-views";
const MOST = 50;

/** The menu of views; `navigate(address)` shows one. */
export function savedViews(filter, navigate) {
  const list = element("ul", { class: "plain", role: "list" });
  const { cursor, ...kept } = filter;
  const save = element("button", { type: "button", class: "quiet", disabled: Object.keys(kept).length === 0, click: saveView }, "Save this view…");
  const menu = element("details", { class: "views" }, element("summary", { class: "button" }, "Views"), element("div", { class: "views-box panel" }, list, save));
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  menu.addEventListener("focusout", (event) => event.relatedTarget && !menu.contains(event.relatedTarget) && (menu.open = false));
  draw();
  return menu;

  async function saveView() {
    const name = await askForText({ title: "Save this view", text: wordsOf(kept), label: "Name", action: "Save view" });
    if (name === null) return;
    write([{ name, address: addressOf(kept) }, ...read().filter((view) => view.name !== name)].slice(0, MOST));
    draw();
  }

  function draw() {
    const views = read();
    list.replaceChildren(...(views.length === 0 ? [element("li", { class: "muted small" }, "None yet. A view is a filter under a name, in this browser.")] : views.map(row)));
  }

  function row({ name, address }) {
    const drop = element("button", { type: "button", class: "quiet", "aria-label": `Forget the view ${name}`, title: "Forget this view", click: () => forget(name) }, "×");
    const here = address === addressOf(kept);
    return element("li", { class: "row" }, element("a", { href: address, "data-route": true, class: "view-name", "aria-current": here ? "page" : null, title: name }, name), element("span", { class: "spacer" }), drop);
  }

  function forget(name) {
    write(read().filter((view) => view.name !== name));
    draw();
    save.focus();
  }
}

/** The stored views; only addresses of the list itself. */
function read() {
  try {
    const views = JSON.parse(localStorage.getItem(STORED) ?? "[]");
    return views.filter(({ name, address }) => typeof name === "string" && /^\/jobs(\?|$)/.test(address)).slice(0, MOST);
  } catch {
    return [];
  }
}

function write(views) {
  try {
    localStorage.setItem(STORED, JSON.stringify(views));
  } catch {
    // A browser that keeps nothing shows none the next time.
  }
}
