// The filter bar of the list of jobs. The filter is part of the address, so that it can be shared; it must never be kept
// anywhere else.

import { now } from "../lib/clock.js";
import { element, fillDatalist } from "../lib/dom.js";
import { SINCE, addressOf, operationOf } from "../lib/job-filter.js";
import { STATES } from "../lib/job-state.js";
import { mayDo, onRole } from "../lib/role.js";
import { savedViews } from "./saved-views.js";
import { withEdges } from "./scroll-edges.js";

const SHOWN = ["state", "kind", "queue", "tag", "search", "since", "cursor"]; // what has a field of its own

/** The bar; `navigate(address)` shows another filter. `suggest(kinds, queues)` sets the suggestions; `stop()` ends it. */
export function filterBar(filter, navigate) {
  const change = (part) => navigate(addressOf({ ...filter, cursor: null, ...part }));
  const tab = (state, word) => element("a", {
    href: addressOf({ ...filter, cursor: null, state }), "data-route": true, class: "tab", "aria-current": (filter.state ?? "") === state ? "page" : null,
  }, word);
  const [kinds, queues] = [element("datalist", { id: "kinds-seen" }), element("datalist", { id: "queues-seen" })];
  const field = (name, list) => element("input", {
    type: "search", class: "filter", list: list?.id, placeholder: `any ${name}`, "aria-label": `Filter by ${name}`,
    value: filter[name] ?? "", autocomplete: "off", spellcheck: "false",
    change: (event) => change({ [name]: event.target.value.trim() }),
  });
  const search = element("input", {
    type: "search", class: "filter wide-filter", placeholder: "account_id=42, or text in args, metadata, error", "aria-label": "Find by a value",
    value: filter.search ?? "", autocomplete: "off", spellcheck: "false", change: (event) => change({ search: event.target.value.trim() }),
  });
  const tabs = withEdges(element("div", { class: "tabs" }, tab("", "All"), STATES.map((state) => tab(state, state))));
  requestAnimationFrame(() => tabs.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }));
  const acts = actOnAll(filter);
  const bar = element("div", { class: "filters", role: "search" },
    tabs,
    element("div", { class: "row wrap" }, field("kind", kinds), field("queue", queues), field("tag"), sinceMenu(filter, change), kinds, queues),
    element("div", { class: "row wrap" }, search, savedViews(filter, navigate), acts.link),
    chips(filter, change));
  bar.suggest = (kindNames, queueNames) => {
    fillDatalist(kinds, kindNames);
    fillDatalist(queues, queueNames);
  };
  bar.stop = acts.stop;
  return bar;
}

function sinceMenu(filter, change) {
  const option = (value, word) => element("option", { value, selected: (filter.since ?? "") === value }, word);
  return element("select", { "aria-label": "Enqueued within", change: (event) => change({ since: event.target.value }) },
    filter.search ? null : option("", "of any time"), Object.entries(SINCE).map(([value, word]) => option(value, `of ${word}`)));
}

/** Fields without a place of their own, each with a button that drops it. */
function chips(filter, change) {
  const others = Object.entries(filter).filter(([name]) => !SHOWN.includes(name));
  if (others.length === 0) return null;
  return element("div", { class: "row wrap tags" }, others.map(([name, value]) => {
    const words = `${name.replaceAll("_", " ")} ${value}`;
    return element("button", { type: "button", class: "quiet chip", "aria-label": `Drop ${words}`, title: "Drop this filter", click: () => change({ [name]: null }) }, `${words} ×`);
  }));
}

function actOnAll(filter) {
  const address = operationOf(filter, now());
  const link = address && element("a", { class: "button", href: address, "data-route": true }, "Act on all that match…");
  const show = () => link && (link.hidden = !mayDo("admin"));
  show();
  return { link, stop: onRole(show) };
}
