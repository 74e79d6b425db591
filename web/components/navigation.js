// The navigation: beside the page, or below a button where there is no room. Must never hide the present page's mark from
// a screen reader.

import { withBasePath } from "../lib/base-path.js";
import { mayDo, onRole, whoAmI } from "../lib/role.js";
import { GROUPS, isHere } from "../pages/table.js";
import { html, render } from "../ui/html.js";
import { Link } from "../ui/parts.js";

/**
 * Fills `nav`, which `menu` opens on a narrow screen; returns a function that marks the page of a path.
 * @param {HTMLElement} nav
 * @param {HTMLElement} menu
 */
export function navigation(nav, menu) {
  let here = "";
  const draw = () => render(html`<${Links} pathname=${here} />`, nav);
  onRole(draw);
  /** @param {boolean} wanted */
  const open = (wanted) => {
    nav.toggleAttribute("data-open", wanted);
    menu.setAttribute("aria-expanded", String(wanted));
  };
  menu.addEventListener("click", () => open(!nav.hasAttribute("data-open")));
  nav.addEventListener("click", (event) => event.target instanceof Element && event.target.closest("a") && open(false));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !nav.hasAttribute("data-open")) return;
    open(false);
    menu.focus();
  });
  document.addEventListener("click", (event) => event.target instanceof Node && !nav.contains(event.target) && !menu.contains(event.target) && open(false));
  return (/** @type {string} */ pathname) => {
    here = pathname;
    draw();
  };
}

/** @param {{ pathname: string }} props */
function Links({ pathname }) {
  /** @param {PageEntry} page */
  const isHidden = (page) => page.needs !== undefined && whoAmI() !== null && !mayDo(page.needs);
  /** @param {PageEntry} page */
  const item = (page) => html`<li hidden=${isHidden(page)}><${Link} to=${page.path} aria-current=${isHere(page, pathname) ? "page" : null}>${page.word}</${Link}></li>`;
  return html`${GROUPS.map((group) => html`<ul class="plain" role="list">${group.map(item)}</ul>`)}
    <ul class="plain" role="list"><li><a href=${withBasePath("/docs")}>API</a></li></ul>`;
}
