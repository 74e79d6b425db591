// The small parts of pages: head, link, time, problem, empty state, action button. Must never show a state by colour
// alone, and never act without a click.

import { confirmed } from "../components/dialogs.js";
import { askAgain } from "../lib/api.js";
import { withBasePath } from "../lib/base-path.js";
import { setTime } from "../lib/clock.js";
import { mayDo, onRole, whatItNeeds } from "../lib/role.js";
import { html, useEffect, useElement, useLayoutEffect, useState } from "./html.js";

/**
 * A link to another page of the dashboard.
 * @param {{ to: string, children?: Child }} props
 */
export function Link({ to, children, ...rest }) {
  return html`<a href=${withBasePath(to)} data-route ...${rest}>${children}</a>`;
}

/**
 * A page's title with its actions; `live` (of useLive) adds the refresh button.
 * @param {{ title: string, back?: { to: string, word: string } | null, live?: Live<unknown> | null, children?: Child }} props
 */
export function PageHead({ title, back = null, live = null, children }) {
  return html`<header class="page-head">
    <div class="page-name">
      ${back && html`<${Link} to=${back.to} class="small">${back.word}</${Link}>`}
      <h1 tabindex="-1">${title}</h1>
    </div>
    <div class="row wrap end">
      ${children}
      ${live && html`<button type="button" class="quiet" aria-label="Refresh" title="Read again" aria-busy=${live.reading} onClick=${live.refresh}>Refresh</button>`}
    </div>
  </header>`;
}

/**
 * A time that updates itself (`form` is `ago` or `elapsed`); the tooltip shows it in UTC and local time. `none` is the
 * text without a time.
 * @param {{ at?: string | null, form?: string, none?: string }} props
 */
export function Moment({ at, form = "ago", none = "–" }) {
  const node = useElement();
  useLayoutEffect(() => void (node.current && at && setTime(node.current, at)), [at, form]);
  if (!at) return none && html`<span class="muted">${none}</span>`;
  return html`<time ref=${node} data-form=${form}></time>`;
}

/**
 * A badge; `tone` is good, bad, warn, busy or none.
 * @param {{ tone?: string, title?: string | null, children?: Child }} props
 */
export function Tag({ tone = "", title = null, children }) {
  return html`<span class=${`tag ${tone}`} title=${title}>${children}</span>`;
}

/**
 * A refusal in the server's words, with its remedy; a refused key can be entered again. `children` is another way on.
 * @param {{ problem?: Partial<Problem> & { message: string } | null, retry?: (() => void) | null, children?: Child }} props
 */
export function ProblemBox({ problem, retry = null, children = null }) {
  if (!problem) return null;
  const again = () => (askAgain(), retry?.());
  const button = retry && html`<button type="button" onClick=${again}>${problem.status === 401 ? "Enter a key" : "Try again"}</button>`;
  return html`<div class="notice" role="alert">
    <div><strong>${problem.title || "That did not work"}</strong><p>${textOf(problem)}</p>${problem.remedy && html`<p class="muted">${problem.remedy}</p>`}</div>
    ${button || children}
  </div>`;
}

/**
 * The server names a field as a JSON pointer such as /queue, at times also in its sentence.
 * @param {{ field?: string | null, message: string }} problem
 */
function textOf({ field, message }) {
  const name = (field ?? "").replace(/^\//, "").replaceAll("/", ".");
  const text = message.replace(/^\/[\w/]*: /, "");
  return name === "" || text.includes(name) ? text : `${name}: ${text}`;
}

/**
 * The empty state of a list: the reason, and what to do.
 * @param {{ title: string, children?: Child }} props
 */
export function Empty({ title, children }) {
  return html`<div class="empty"><h2>${title}</h2>${children}</div>`;
}

/** @param {{ facts: [string, Child][] }} props */
export function FactList({ facts }) {
  return html`<dl class="facts">${facts.map(([word, value]) => html`<div><dt>${word}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/**
 * Grey rows until the first answer.
 * @param {{ rows?: number }} props
 */
export function Loading({ rows = 6 }) {
  return html`<div class="skeletons" aria-label="Loading">${Array.from({ length: rows }, () => html`<div class="skeleton"></div>`)}</div>`;
}

/**
 * The content for `live`: its problem, grey rows before the first answer, or `children(data)`.
 * @template T
 * @param {{ live: Live<T>, children: (data: T) => Child }} props
 */
export function Shown({ live, children }) {
  return html`<${ProblemBox} problem=${live.problem} retry=${live.refresh} />
    ${live.data ? children(live.data) : live.problem ? null : html`<${Loading} />`}`;
}

/**
 * Whether the key of this tab has the scope `needs` (or admin); false before the server has answered.
 * @param {string | null} needs
 */
export function useMay(needs) {
  const [may, setMay] = useState(mayDo(needs));
  useEffect(() => {
    const update = () => setMay(mayDo(needs));
    update(); // what the server said between the first drawing and now
    return onRole(update);
  }, [needs]);
  return may;
}

/**
 * Shows its children only to keys with this scope.
 * @param {{ scope: string, children?: Child }} props
 */
export function NeedsScope({ scope, children }) {
  return useMay(scope) ? children : null;
}

/**
 * An action button: `act()` returns a promise; until it settles the button is pending. `confirm` ({title, text, action,
 * danger}) asks first. `onDone(answer)` and `onProblem(problem)` get the outcome. Without the scope `needs` the button
 * is disabled and says why.
 * @param {{ act: () => unknown, confirm?: Confirmation | false | null, onDone?: (answer: unknown) => void, onProblem?: (problem: unknown) => void, class?: string, disabled?: boolean, needs?: string | null, children?: Child }} props
 */
export function ActionButton({ act, confirm = null, onDone = () => {}, onProblem = () => {}, class: name = "", disabled = false, needs = null, children, ...rest }) {
  const may = useMay(needs);
  const [pending, setPending] = useState(false);
  const press = async () => {
    if (pending || (confirm && !(await confirmed(confirm)))) return;
    setPending(true);
    onProblem(null);
    try {
      onDone(await act());
    } catch (problem) {
      onProblem(problem);
    } finally {
      setPending(false);
    }
  };
  return html`<button type="button" class=${name} disabled=${disabled || !may} title=${may ? null : whatItNeeds(needs ?? "")} aria-disabled=${pending} aria-busy=${pending} onClick=${press} ...${rest}>${children}</button>`;
}
