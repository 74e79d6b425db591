// The form of an alert rule, new or changed. The server judges the values. Must never be offered to who may not see
// the whole address of a webhook.

import { call } from "../lib/api.js";
import { EditForm, field, textIn } from "../ui/edit-form.js";
import { html, useState } from "../ui/html.js";

/**
 * The conditions: what is measured, and the unit of the threshold.
 * @type {Record<string, { word: string, unit: string, of?: "kind" | null }>}
 */
export const CONDITIONS = {
  error_rate: { word: "share of failed attempts", unit: "percent", of: "kind" },
  average_time: { word: "mean run time", unit: "seconds", of: "kind" },
  queue_depth: { word: "jobs that wait", unit: "jobs" },
  no_worker: { word: "workers that serve", unit: "workers or fewer" },
  stuck_jobs: { word: "jobs without progress", unit: "jobs", of: "kind" },
  database_latency: { word: "latency of the database", unit: "seconds", of: null },
  database_size: { word: "size of the database", unit: "bytes", of: null },
  database_horizon: { word: "age of the oldest transaction", unit: "seconds", of: null },
};

/**
 * `rule` is one as the server shows it; null makes a new one.
 * @param {{ rule?: Api.AlertRuleDocument | null, onSaved: () => void, onLeft: () => void }} props
 */
export function AlertForm({ rule = null, onSaved, onLeft }) {
  const [condition, setCondition] = useState(rule?.condition ?? "error_rate");
  const { unit, of } = CONDITIONS[condition];
  const share = condition === "error_rate" ? 100 : 1;
  const save = async (/** @type {FormData} */ form) => {
    await call("PUT", `/alert-rules/${encodeURIComponent(rule?.name ?? textIn(form, "name"))}`, { body: bodyOf(form, condition, share) });
    onSaved();
  };
  const windowed = ["error_rate", "average_time"].includes(condition);
  return html`<${EditForm} title=${rule ? `Change ${rule.name}` : "New rule"} button="Save rule" save=${save} onLeft=${onLeft}>
    <div class="fields">
      ${!rule && field("name", "Name", "", { required: true, autofocus: true })}
      <label class="field">Measures<select onChange=${/** @param {Changed} event */ (event) => setCondition(event.target.value)}>${Object.entries(CONDITIONS).map(([value, { word }]) => html`<option value=${value} selected=${value === condition}>${word}</option>`)}</select></label>
      ${field("above", condition === "no_worker" ? "Fires at" : `Fires above, in ${unit}`, rule ? rule.above * share : "", { type: "number", min: 0, step: "any", required: true })}
      ${windowed && field("over", "Over", rule ? `${rule.over_seconds}s` : "15m")}
      ${windowed && field("at_least", "With at least so many attempts", rule?.at_least ?? 1, { type: "number", min: 1 })}
      ${field("hold", "For at least", rule ? `${rule.hold_seconds}s` : "1m")}
      ${of === "kind" && field("kind", "Only kind", rule?.kind, { placeholder: "each" })}
      ${of !== null && field("queue", "Only queue", rule?.queue, { placeholder: "each" })}
    </div>
    <div class="fields">
      ${field("webhook", "Calls this address", rule?.webhook, { type: "url", placeholder: "none" })}
      ${field("email", "Writes to, separated by commas", rule?.email.join(", "), { placeholder: "nobody" })}
    </div>
  </${EditForm}>`;
}

/**
 * @param {FormData} form
 * @param {string} condition
 * @param {number} share
 */
function bodyOf(form, condition, share) {
  /** @param {string} name */
  const text = (name) => textIn(form, name) || undefined;
  return {
    condition,
    above: Number(form.get("above")) / share,
    at_least: form.has("at_least") ? Number(form.get("at_least")) : undefined,
    over: text("over"), hold: text("hold"), kind: text("kind"), queue: text("queue"), webhook: text("webhook"),
    email: (text("email") ?? "").split(",").map((address) => address.trim()).filter(Boolean),
  };
}
