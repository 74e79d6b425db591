// The filter bar of the first page. The filter is part of the address, so that it can be shared; it must never be kept
// anywhere else.

import { element, fillDatalist } from "../lib/dom.js";
import { STATES } from "../lib/job-state.js";
import { withEdges } from "./scroll-edges.js";

const FIELDS = ["state", "kind", "queue"];

/** The filter that an address names. */
export function filterOf(search) {
  const query = new URLSearchParams(search);
  return Object.fromEntries(FIELDS.map((field) => [field, query.get(field)?.trim()]).filter(([, value]) => value));
}

/** The address of a filter. */
export function addressOf(filter) {
  const query = new URLSearchParams(FIELDS.filter((field) => filter[field]).map((field) => [field, filter[field]]));
  return query.size > 0 ? `/?${query}` : "/";
}

/** The bar; `navigate(address)` shows another filter. `suggest(kinds, queues)` sets the suggestions. */
export function filterBar(filter, navigate) {
  const change = (part) => navigate(addressOf({ ...filter, ...part }));
  const tab = (state, word) => element("a", {
    href: addressOf({ ...filter, state }), "data-route": true, class: "tab", "aria-current": (filter.state ?? "") === state ? "page" : null,
  }, word);
  const [kinds, queues] = [element("datalist", { id: "kinds-seen" }), element("datalist", { id: "queues-seen" })];
  const field = (name, list) => element("input", {
    type: "search", class: "filter", list: list.id, placeholder: `any ${name}`, "aria-label": `Filter by ${name}`,
    value: filter[name] ?? "", autocomplete: "off", spellcheck: "false",
    change: (event) => change({ [name]: event.target.value.trim() }),
  });
  const tabs = withEdges(element("div", { class: "tabs" }, tab("", "All"), STATES.map((state) => tab(state, state))));
  requestAnimationFrame(() => tabs.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }));
  const bar = element("div", { class: "filters", role: "search" },
    tabs,
    element("div", { class: "row" }, field("kind", kinds), field("queue", queues), kinds, queues));
  bar.suggest = (kindNames, queueNames) => {
    fillDatalist(kinds, kindNames);
    fillDatalist(queues, queueNames);
  };
  return bar;
}
