// Filters of the list of jobs under names of their own, kept in this browser. Must never keep more than the address says.

import { addressOf, wordsOf } from "../lib/job-filter.js";
import { html, useElement, useState } from "../ui/html.js";
import { Link } from "../ui/parts.js";
import { askForText } from "./dialogs.js";

const STORED = "tidemill-views";
const MOST = 50;

/** @typedef {{ name: string, address: string }} View */

/**
 * The menu of views.
 * @param {{ filter: Filter }} props
 */
export function SavedViews({ filter }) {
  const [views, setViews] = useState(read);
  const [menu, save] = [useElement(), useElement()];
  const { cursor, ...kept } = filter;
  const here = addressOf(kept);
  /** @param {View[]} changed */
  const store = (changed) => (write(changed), setViews(read()));
  /** @param {string} name */
  const others = (name) => views.filter((view) => view.name !== name);
  const saveView = async () => {
    const name = await askForText({ title: "Save this view", text: wordsOf(kept), label: "Name", action: "Save view" });
    if (name !== null) store([{ name, address: here }, ...others(name)].slice(0, MOST));
  };
  /** @param {string} name */
  const forget = (name) => {
    store(others(name));
    save.current.focus();
  };
  /** @param {KeyboardEvent} event */
  const close = (event) => {
    if (event.key !== "Escape" || !menu.current.open) return;
    menu.current.open = false;
    menu.current.querySelector("summary").focus();
  };
  /** @param {FocusEvent} event */
  const leave = ({ relatedTarget }) => relatedTarget && !menu.current.contains(relatedTarget) && (menu.current.open = false);
  return html`<details class="views" ref=${menu} onKeyDown=${close} onFocusOut=${leave}>
    <summary class="button">Views</summary>
    <div class="views-box panel">
      <ul class="plain" role="list">${views.length === 0
        ? html`<li class="muted small">None yet. A view is a filter under a name, in this browser.</li>`
        : views.map(({ name, address }) => html`<li class="row" key=${name}>
          <${Link} to=${address} class="view-name" aria-current=${address === here ? "page" : null} title=${name}>${name}</${Link}><span class="spacer"></span>
          <button type="button" class="quiet" aria-label=${`Forget the view ${name}`} title="Forget this view" onClick=${() => forget(name)}>×</button></li>`)}</ul>
      <button type="button" class="quiet" ref=${save} disabled=${Object.keys(kept).length === 0} onClick=${saveView}>Save this view…</button>
    </div>
  </details>`;
}

/**
 * The stored views; only addresses of the list itself.
 * @returns {View[]}
 */
function read() {
  try {
    /** @type {View[]} */
    const views = JSON.parse(localStorage.getItem(STORED) ?? "[]");
    return views.filter(({ name, address }) => typeof name === "string" && /^\/jobs(\?|$)/.test(address)).slice(0, MOST);
  } catch {
    return [];
  }
}

/** @param {View[]} views */
function write(views) {
  try {
    localStorage.setItem(STORED, JSON.stringify(views));
  } catch {
    // A browser that keeps nothing shows none the next time.
  }
}
