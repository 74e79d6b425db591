// The form that enqueues a job, and the same request as a curl command. Must never show an error that is about an earlier
// try, nor a command that enqueues something else than the form.

import { showConnection } from "../components/connection-status.js";
import { CopyButton } from "../components/copy-button.js";
import { NameList } from "../components/name-list.js";
import { get, newKey, path, post } from "../lib/api.js";
import { serverUrl } from "../lib/base-path.js";
import { enqueueCommand } from "../lib/curl.js";
import { refusalOf, requestFrom } from "../lib/enqueue-request.js";
import { prettyJson } from "../lib/json.js";
import { needsKey } from "../lib/role.js";
import { html, useEffect, useElement, useLayoutEffect, useMemo, useState } from "../ui/html.js";
import { Link, ProblemBox } from "../ui/parts.js";

/**
 * @typedef {ReturnType<typeof refusalOf>} Refusal
 * @typedef {{ word: string, hint?: string, required?: boolean, list?: boolean, placeholder?: string, rows?: number, inputmode?: string }} Input
 */

/** @type {Record<string, Input>} */
const FIELDS = {
  kind: { word: "Kind", hint: "Which handler runs it.", required: true, list: true, placeholder: "build-crate" },
  args: { word: "Args", hint: "The job's input: a JSON object.", rows: 9 },
  queue: { word: "Queue", list: true, placeholder: "the kind's queue" },
  priority: { word: "Priority", hint: "1 is first, 9 is last.", placeholder: "5", inputmode: "numeric" },
  delay: { word: "Delay", hint: "30s, 10m, 2h …", placeholder: "none" },
  execution_id: { word: "Execution id", hint: "Your own name for this piece of work.", placeholder: "none" },
};
const NAMES = Object.keys(FIELDS);

/**
 * The form can start with the values of another job (`history.state`) or with `?kind=`.
 * @param {PageProps} props
 */
export function Page({ query, navigate }) {
  const [values, setValues] = useState(() => valuesOf(history.state ?? Object.fromEntries(query)));
  const [seen, setSeen] = useState(/** @type {Record<string, boolean>} */ ({ args: true })); // whose errors are shown; after a try, all
  const [refusal, setRefusal] = useState(/** @type {Refusal | null} */ (null)); // what the server said to the last try, of one field
  const [problem, setProblem] = useState(/** @type {(Partial<Problem> & { message: string, link: string | null }) | null} */ (null));
  const [sends, setSends] = useState(false);
  const form = useElement();
  const names = useNames();
  const [origin] = useState(() => history.state?.origin);
  const { job, errors } = requestFrom(values, origin);
  const key = useMemo(newKey, [JSON.stringify(job)]); // the same request again, after a lost answer, makes no second job
  useEffect(() => showConnection("idle"), []);
  useLayoutEffect(() => form.current.elements.kind.focus(), []);
  useLayoutEffect(() => void (refusal?.field && form.current.elements[refusal.field].focus()), [refusal]);
  /** @param {Changed} event */
  const input = ({ target }) => {
    setValues({ ...values, [target.name]: target.value });
    setRefusal(null);
    setSeen({ ...seen, all: false });
  };
  /** @param {Problem} given */
  const refused = (given) => {
    const found = refusalOf(given, NAMES);
    if (found.field) setRefusal(found);
    else setProblem({ ...given, message: given.message, link: found.job });
  };
  /** @param {Submitted} event */
  const submit = async (event) => {
    event.preventDefault();
    setProblem(null);
    setRefusal(null);
    setSeen({ ...seen, all: true });
    const wrong = NAMES.find((name) => errors[name]);
    if (wrong) return form.current.elements[wrong].focus();
    setSends(true);
    try {
      const answer = await post("/jobs", job, { "Idempotency-Key": key });
      navigate(path`/jobs/${(answer.job ?? answer).id}`);
    } catch (given) {
      refused(given);
    }
    setSends(false);
  };
  /** @param {string} name */
  const field = (name) => html`<${Field} name=${name} value=${values[name]} names=${names[name]} error=${seen.all || seen[name] ? errors[name] : null}
    refusal=${refusal?.field === name ? refusal : null} onChange=${() => setSeen({ ...seen, [name]: true })} />`;
  return html`<h1 tabindex="-1">Enqueue a job</h1>
    <div class="columns">
      <div class="content"><form class="panel form" novalidate ref=${form} onSubmit=${submit} onInput=${input} onKeyDown=${sendByKeys}>
        <${ProblemBox} problem=${problem}>${problem?.link && html`<${JobLink} id=${problem.link} />`}</${ProblemBox}>
        ${origin && html`<p class="hint">It will name <${Link} to=${path`/jobs/${origin}`}>the job that you come from</${Link}> as its origin.</p>`}
        ${NAMES.map(field)}
        <div class="row end"><span class="hint">Ctrl + Enter</span><button type="submit" class="primary" disabled=${sends}>Enqueue</button></div>
      </form></div>
      <aside><section class="panel"><h2>The same with curl</h2><${Command} job=${job} wrong=${Object.keys(errors)} /></section></aside>
    </div>`;
}

/** @param {KeyboardEvent & { currentTarget: HTMLFormElement }} event */
function sendByKeys(event) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.currentTarget.requestSubmit();
}

/** @param {{ name: string, value: string, names: string[], error: string | null, refusal: Refusal | null, onChange: () => void }} props */
function Field({ name, value, names, error, refusal, onChange }) {
  const { word, hint = "", list, ...rest } = FIELDS[name];
  const text = refusal?.text ?? error;
  const common = { id: name, name, value, onChange, "aria-describedby": `${name}-hint ${name}-wrong`, "aria-invalid": text ? "true" : null, spellcheck: false, autocomplete: "off", ...rest };
  return html`<div class=${`field field-${name}`}>
    <label for=${name}>${word}</label>
    ${rest.rows ? html`<textarea ...${common} />` : html`<input type="text" list=${list ? `${name}-options` : null} ...${common} />`}
    ${list && html`<${NameList} id=${`${name}-options`} names=${names} />`}
    <p class="hint" id=${`${name}-hint`}>${hint}</p>
    <p class="wrong small" id=${`${name}-wrong`} hidden=${!text}>${text}${refusal?.job && html` <${JobLink} id=${refusal.job} />, or choose another id.`}</p>
  </div>`;
}

/** @param {{ job: { kind: string, args?: unknown }, wrong: string[] }} props */
function Command({ job, wrong }) {
  if (job.kind === "") return html`<p class="hint">Shown once a kind is named.</p>`;
  if (wrong.length > 0) {
    const words = wrong.map((name) => FIELDS[name].word.toLowerCase()).join(" and ");
    return html`<p class="hint">Shown once ${words} ${wrong.length === 1 && wrong[0] !== "args" ? "is" : "are"} valid.</p>`;
  }
  const command = enqueueCommand(serverUrl(), job, needsKey());
  return html`<div class="code-box"><pre>${command}</pre><${CopyButton} text=${command} /></div>`;
}

/** @param {{ id: string }} props */
function JobLink({ id }) {
  return html`<${Link} to=${path`/jobs/${id}`}>Show that job</${Link}>`;
}

/**
 * @param {Record<string, unknown>} given
 * @returns {Record<string, string>}
 */
function valuesOf({ args = "{}", ...given }) {
  const text = typeof args === "string" ? args : prettyJson(args);
  return Object.fromEntries(NAMES.map((name) => [name, name === "args" ? text : String(given[name] ?? "")]));
}

/**
 * The kinds and queues of the server; without an answer there are no suggestions.
 * @returns {Record<string, string[]>}
 */
function useNames() {
  const [names, setNames] = useState(/** @type {Record<string, string[]>} */ ({ kind: [], queue: [] }));
  useEffect(() => {
    const none = () => ({ items: [] });
    /** @returns {Promise<Items<{ name: string, kind: string }>>} */
    const listOf = (/** @type {string} */ address) => get(address).catch(none);
    Promise.all(["/jobs?limit=100", "/queues", "/kinds"].map(listOf)).then(([jobs, queues, kinds]) => {
      setNames({ kind: [...jobs.items.map((job) => job.kind), ...kinds.items.map((kind) => kind.name)], queue: queues.items.map((queue) => queue.name) });
    });
  }, []);
  return names;
}
