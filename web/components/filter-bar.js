// The filter bar of the list of jobs. The filter is part of the address, so that it can be shared; it must never be kept
// anywhere else.

import { now } from "../lib/clock.js";
import { SINCE, addressOf, operationOf } from "../lib/job-filter.js";
import { STATES } from "../lib/job-state.js";
import { html, useElement, useLayoutEffect, useState } from "../ui/html.js";
import { Link, NeedsScope } from "../ui/parts.js";
import { NameList } from "./name-list.js";
import { SavedViews } from "./saved-views.js";
import { withEdges } from "./scroll-edges.js";

const SHOWN = ["state", "kind", "queue", "tag", "search", "since", "cursor"]; // what has a field of its own

/**
 * `navigate(address)` shows another filter; `kinds` and `queues` are suggested.
 * @param {{ filter: Filter, navigate: Navigate, kinds: string[], queues: string[] }} props
 */
export function FilterBar({ filter, navigate, kinds, queues }) {
  /** @param {Filter} part */
  const change = (part) => navigate(addressOf({ ...filter, cursor: null, ...part }));
  /**
   * @param {string} name
   * @param {object} [rest]
   */
  const input = (name, rest) => html`<input type="search" class="filter" defaultValue=${filter[name] ?? ""} autocomplete="off" spellcheck=${false}
    onChange=${/** @param {Changed} event */ (event) => change({ [name]: event.target.value.trim() })} ...${rest} />`;
  /**
   * @param {string} name
   * @param {string} [list]
   */
  const field = (name, list) => input(name, { list, placeholder: `any ${name}`, "aria-label": `Filter by ${name}` });
  const [operation] = useState(() => operationOf(filter, now()));
  return html`<div class="filters" role="search">
    <${Tabs} filter=${filter} />
    <div class="row wrap">${field("kind", "kinds-seen")}${field("queue", "queues-seen")}${field("tag")}<${SinceMenu} filter=${filter} change=${change} />
      <${NameList} id="kinds-seen" names=${kinds} /><${NameList} id="queues-seen" names=${queues} /></div>
    <div class="row wrap">
      ${input("search", { class: "filter wide-filter", placeholder: "account_id=42, or text in args, metadata, error", "aria-label": "Find by a value" })}
      <${SavedViews} filter=${filter} />
      ${operation && html`<${NeedsScope} scope="admin"><${Link} class="button" to=${operation}>Act on all that match…</${Link}></${NeedsScope}>`}
    </div>
    <${Chips} filter=${filter} change=${change} />
  </div>`;
}

/** @param {{ filter: Filter }} props */
function Tabs({ filter }) {
  const box = useElement();
  useLayoutEffect(() => {
    withEdges(box.current).querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  }, []);
  /**
   * @param {string} state
   * @param {string} word
   */
  const tab = (state, word = state) => html`<${Link} to=${addressOf({ ...filter, cursor: null, state })} class="tab" aria-current=${(filter.state ?? "") === state ? "page" : null}>${word}</${Link}>`;
  return html`<div class="tabs" ref=${box}>${tab("", "All")}${STATES.map((state) => tab(state))}</div>`;
}

/** @param {{ filter: Filter, change: (part: Filter) => void }} props */
function SinceMenu({ filter, change }) {
  /**
   * @param {string} value
   * @param {string} word
   */
  const option = (value, word) => html`<option value=${value} selected=${(filter.since ?? "") === value}>${word}</option>`;
  return html`<select aria-label="Enqueued within" onChange=${/** @param {Changed} event */ (event) => change({ since: event.target.value })}>
    ${(!filter.search || filter.created_after) && option("", "of any time")}${Object.entries(SINCE).map(([value, word]) => option(value, `of ${word}`))}</select>`;
}

/**
 * Fields without a place of their own, each with a button that drops it.
 * @param {{ filter: Filter, change: (part: Filter) => void }} props
 */
function Chips({ filter, change }) {
  const others = Object.entries(filter).filter(([name]) => !SHOWN.includes(name));
  if (others.length === 0) return null;
  return html`<div class="row wrap tags">${others.map(([name, value]) => {
    const words = `${name.replaceAll("_", " ")} ${value}`;
    return html`<button type="button" class="quiet chip" aria-label=${`Drop ${words}`} title="Drop this filter" onClick=${() => change({ [name]: null })}>${words} ×</button>`;
  })}</div>`;
}
