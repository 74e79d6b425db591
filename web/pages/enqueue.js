// The form that enqueues a job, and the same request as a curl command. Must never show an error that is about an earlier
// try, nor a command that enqueues something else than the form.

import { showConnection } from "../components/connection-status.js";
import { copyButton } from "../components/copy-button.js";
import { notice } from "../components/notice.js";
import { get, path, post } from "../lib/api.js";
import { needsKey } from "../lib/role.js";
import { serverUrl } from "../lib/base-path.js";
import { enqueueCommand } from "../lib/curl.js";
import { element, fillDatalist, setAttribute, setText } from "../lib/dom.js";
import { refusalOf, requestFrom } from "../lib/enqueue-request.js";
import { prettyJson } from "../lib/json.js";

/** Puts the form into `main`; it can start with the values of another job (`history.state`) or with `?kind=`. */
export function showEnqueue(main, navigate) {
  document.title = "Enqueue · Tidemill";
  showConnection("idle");
  const given = history.state ?? Object.fromEntries(new URLSearchParams(location.search));
  const fields = makeFields(given);
  const [problemBox, command] = [element("div"), element("pre")];
  const [commandBox, commandHint] = [element("div", { class: "code-box" }, command, copyButton(() => command.textContent)), element("p", { class: "hint", hidden: true })];
  const send = element("button", { type: "submit", class: "primary" }, "Enqueue");
  const form = element("form", { class: "panel form", novalidate: true, submit: submit, input: check, keydown: sendByKeys },
    problemBox, Object.values(fields).map((field) => field.box), element("div", { class: "row end" }, element("span", { class: "hint" }, "Ctrl + Enter"), send));
  main.replaceChildren(element("h1", { tabindex: -1 }, "Enqueue a job"), element("div", { class: "columns" },
    element("div", { class: "content" }, form),
    element("aside", {}, element("section", { class: "panel" }, element("h2", {}, "The same with curl"), commandBox, commandHint))));
  const attempt = { body: null, key: null };
  suggest(fields);
  check();
  fields.kind.input.focus();

  function read() {
    return requestFrom(Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.input.value])));
  }
  function check() {
    const { job, errors } = read();
    for (const [name, field] of Object.entries(fields)) field.showError(field.touched() ? errors[name] : null);
    const wrong = Object.keys(errors);
    commandBox.hidden = wrong.length > 0;
    commandHint.hidden = wrong.length === 0;
    setText(commandHint, job.kind === "" ? "Shown once a kind is named." : `Shown once ${wrong.map(labelOf).join(" and ")} ${wrong.length === 1 && wrong[0] !== "args" ? "is" : "are"} valid.`);
    setText(command, enqueueCommand(serverUrl(), job, needsKey()));
  }
  function labelOf(name) {
    return fields[name].box.querySelector("label").textContent.toLowerCase();
  }
  function sendByKeys(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  }
  /** A refusal of one field is said beside it, anything else above the form. */
  function showRefusal(problem) {
    const { field, text, job } = refusalOf(problem, Object.keys(fields));
    if (!field) return problemBox.replaceChildren(notice(problem, job && linkTo(job)));
    fields[field].showError(text, job && [" ", linkTo(job), ", or choose another id."]);
    fields[field].input.focus();
  }
  async function submit(event) {
    event.preventDefault();
    const { job, errors } = read();
    problemBox.replaceChildren();
    for (const [name, field] of Object.entries(fields)) field.showError(errors[name] ?? null);
    const first = Object.keys(errors)[0];
    if (first) return fields[first].input.focus();
    send.disabled = true;
    try {
      const answer = await post("/jobs", job, { "Idempotency-Key": keyFor(job, attempt) });
      navigate(path`/jobs/${(answer.job ?? answer).id}`);
    } catch (problem) {
      showRefusal(problem);
    }
    send.disabled = false;
  }
}

function linkTo(job) {
  return element("a", { href: `/jobs/${encodeURIComponent(job)}`, "data-route": true }, "Show that job");
}

/** One key for one request: sending it again after a lost answer makes no second job. */
function keyFor(job, attempt) {
  const body = JSON.stringify(job);
  if (attempt.body !== body) {
    attempt.body = body;
    attempt.key = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }
  return attempt.key;
}

function makeFields(given) {
  const args = given.args === undefined ? "{}" : typeof given.args === "string" ? given.args : prettyJson(given.args);
  return {
    kind: field("kind", "Kind", { value: given.kind, required: true, list: true, placeholder: "build-crate" }, "Which handler runs it."),
    args: field("args", "Args", { value: args, area: true }, "The job's input: a JSON object."),
    queue: field("queue", "Queue", { value: given.queue, list: true, placeholder: "the kind's queue" }),
    priority: field("priority", "Priority", { value: given.priority, placeholder: "5", inputmode: "numeric" }, "1 is first, 9 is last."),
    delay: field("delay", "Delay", { value: given.delay, placeholder: "none" }, "30s, 10m, 2h …"),
    execution_id: field("execution_id", "Execution id", { value: given.execution_id, placeholder: "none" }, "Your own name for this piece of work."),
  };
}

function field(name, label, { value, area, list, ...attributes }, hint) {
  const options = list ? element("datalist", { id: `${name}-options` }) : null;
  const wrong = element("p", { class: "wrong small", id: `${name}-wrong`, hidden: true });
  const common = { id: name, name, "aria-describedby": `${name}-hint ${name}-wrong`, spellcheck: "false", autocomplete: "off", ...attributes };
  const input = area ? element("textarea", { ...common, rows: 9 }) : element("input", { ...common, type: "text", list: options?.id });
  input.value = value ?? "";
  let touched = false;
  input.addEventListener("change", () => (touched = true));
  const showError = (text, more = null) => {
    wrong.hidden = !text;
    wrong.replaceChildren(text ?? "", ...(more ?? []));
    setAttribute(input, "aria-invalid", text ? "true" : null);
  };
  const box = element("div", { class: `field field-${name}` }, element("label", { for: name }, label), input, options, element("p", { class: "hint", id: `${name}-hint` }, hint ?? ""), wrong);
  return { box, input, options, showError, touched: () => touched || area };
}

/** Suggests the kinds and queues of the server; without an answer there are no suggestions. */
async function suggest(fields) {
  const [jobs, queues, kinds] = await Promise.all(["/jobs?limit=100", "/queues", "/kinds"].map((address) => get(address).catch(() => ({ items: [] }))));
  fillDatalist(fields.kind.options, [...jobs.items.map((job) => job.kind), ...(kinds.items ?? []).map((kind) => kind.name ?? kind.kind ?? kind)]);
  fillDatalist(fields.queue.options, queues.items.map((queue) => queue.name));
}
