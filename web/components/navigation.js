// The navigation: beside the page, or below a button where there is no room. Must never hide the present page's mark from
// a screen reader.

import { withBasePath } from "../lib/base-path.js";
import { element, setAttribute } from "../lib/dom.js";
import { mayDo, onRole, whoAmI } from "../lib/role.js";
import { GROUPS, isHere } from "../pages/table.js";

/** Fills `nav`, which `menu` opens on a narrow screen; returns a function that marks the page of a path. */
export function navigation(nav, menu) {
  const links = GROUPS.flat().map((page) => ({ page, link: element("a", { href: page.path, "data-route": true }, page.word) }));
  const list = (group) => element("ul", { class: "plain", role: "list" }, group.map((page) => element("li", {}, links.find((each) => each.page === page).link)));
  nav.replaceChildren(...GROUPS.map(list), list([]));
  nav.lastChild.append(element("li", {}, element("a", { href: withBasePath("/docs") }, "API")));
  onRole(() => {
    for (const { page, link } of links) link.parentElement.hidden = page.needs !== undefined && whoAmI() !== null && !mayDo(page.needs);
  });
  const open = (wanted) => {
    nav.toggleAttribute("data-open", wanted);
    menu.setAttribute("aria-expanded", String(wanted));
  };
  menu.addEventListener("click", () => open(!nav.hasAttribute("data-open")));
  nav.addEventListener("click", (event) => event.target.closest("a") && open(false));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !nav.hasAttribute("data-open")) return;
    open(false);
    menu.focus();
  });
  document.addEventListener("click", (event) => !nav.contains(event.target) && !menu.contains(event.target) && open(false));
  return (pathname) => {
    for (const { page, link } of links) setAttribute(link, "aria-current", isHere(page, pathname) ? "page" : null);
  };
}
