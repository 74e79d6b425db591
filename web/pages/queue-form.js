// The form of a queue's limits. The server judges the values. Must never change what was left as it was.

import { call } from "../lib/api.js";
import { EditForm, field, textIn } from "../ui/edit-form.js";
import { html } from "../ui/html.js";

/** @type {Record<"max_running" | "rate" | "max_queued" | "slots", string>} */
const NUMBERS = { max_running: "Jobs at once, over all workers", rate: "Starts", max_queued: "Jobs that may wait", slots: "Slots of each worker" };

/** @param {{ queue: Api.QueueDocument, path: string, onSaved: () => void, onLeft: () => void }} props */
export function QueueForm({ queue, path, onSaved, onLeft }) {
  const save = async (/** @type {FormData} */ given) => {
    /** @type {Record<string, unknown>} */
    const body = {};
    for (const name of /** @type {(keyof typeof NUMBERS)[]} */ (Object.keys(NUMBERS))) {
      const value = given.get(name) === "" ? null : Number(given.get(name));
      if (value !== queue[name]) body[name] = value;
    }
    const per = textIn(given, "per");
    if (per !== perOf(queue) && given.get("rate") !== "") Object.assign(body, { per, rate: Number(given.get("rate")) });
    if (Object.keys(body).length > 0) await call("PATCH", path, { body });
    onSaved();
  };
  /** @param {keyof typeof NUMBERS} name */
  const number = (name) => field(name, NUMBERS[name], queue[name], { type: "number", min: name === "rate" ? 1 : 0, placeholder: "no bound" });
  return html`<${EditForm} title=${`Limits of ${queue.name}`} button="Save limits" save=${save} onLeft=${onLeft}>
    <div class="fields">${number("max_running")}${number("rate")}
      ${field("per", "in each", perOf(queue))}
      ${number("max_queued")}${number("slots")}</div>
  </${EditForm}>`;
}

/** @param {Api.QueueDocument} queue */
function perOf(queue) {
  return queue.per_seconds ? `${queue.per_seconds}s` : "1m";
}
