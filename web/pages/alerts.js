// The page of the alerts: what fires now and what fired before, and the rules that watch. Must never hide a notice that
// nobody received.

import { call } from "../lib/api.js";
import { period } from "../lib/format-time.js";
import { DataTable } from "../ui/data-table.js";
import { html, useState } from "../ui/html.js";
import { useLive } from "../ui/live.js";
import { ActionButton, Empty, Moment, NeedsScope, PageHead, ProblemBox, Shown, Tag } from "../ui/parts.js";
import { AlertForm, CONDITIONS } from "./alert-form.js";

/** @type {Record<string, string>} */
const TONES = { firing: "bad", pending: "busy", resolved: "good" };

/** @returns {Child} */
export function Page() {
  const live = useLive("alerts", read, "all=true");
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const [edited, setEdited] = useState(/** @type {Partial<Api.AlertRuleDocument> | null} */ (null));
  return html`<div class="page">
    <${PageHead} title="Alerts" live=${live}>
      <${NeedsScope} scope="admin"><button type="button" onClick=${() => setEdited({})}>New rule</button></${NeedsScope}>
    </${PageHead}>
    ${edited && html`<${AlertForm} key=${edited.name ?? "new"} rule=${edited.name ? edited : null} onSaved=${() => (setEdited(null), live.refresh())} onLeft=${() => setEdited(null)} />`}
    <${ProblemBox} problem=${problem} />
    <${Shown} live=${live}>${/** @param {Awaited<ReturnType<typeof read>>} seen */ ({ alerts, rules }) => html`
      ${alerts.length === 0
        ? html`<${Empty} title="Nothing fired"><p>${rules.length === 0 ? "No rule watches yet." : "Every rule is within its threshold."}</p></${Empty}>`
        : html`<${Alerts} rows=${alerts} />`}
      <section aria-labelledby="rules-title"><h2 id="rules-title">Rules</h2>
        ${rules.length === 0
          ? html`<p class="muted">A rule is a section <code>[alerts.NAME]</code> of the config, or is made with <code>tidemill alerts set</code>.</p>`
          : html`<${Rules} rows=${rules} onEdit=${setEdited} onDone=${live.refresh} onProblem=${setProblem} />`}
      </section>`}</${Shown}>
  </div>`;
}

/** @param {AbortSignal} signal */
async function read(signal) {
  /** @type {[Items<Api.AlertDocument>, Items<Api.AlertRuleDocument>]} */
  const [alerts, rules] = await Promise.all([call("GET", "/alerts?limit=100", { signal }), call("GET", "/alert-rules", { signal })]);
  return { alerts: alerts.items, rules: rules.items };
}

/** @param {{ rows: Api.AlertDocument[] }} props */
function Alerts({ rows }) {
  /** @type {Column<Api.AlertDocument>[]} */
  const columns = [
    { word: "Alert", main: true, cell: (alert) => html`<span title=${alert.message}>${alert.message}</span>` },
    { word: "State", width: "110px", cell: (alert) => html`<${Tag} tone=${TONES[alert.state] ?? ""}>${alert.state}</${Tag}>` },
    { word: "Rule", width: "170px", cell: (alert) => html`<span title=${alert.rule}>${alert.rule}</span>` },
    { word: "Since", width: "120px", cell: (alert) => html`<${Moment} at=${alert.since} />` },
    { word: "Resolved", width: "120px", cell: (alert) => html`<${Moment} at=${alert.resolved_at} />` },
    { word: "Notices", width: "150px", cell: (alert) => html`<${Notices} alert=${alert} />` },
  ];
  return html`<${DataTable} caption="Alerts" columns=${columns} rows=${rows} keyOf=${/** @param {Api.AlertDocument} alert */ (alert) => alert.id} />`;
}

/** @param {{ alert: Api.AlertDocument }} props */
function Notices({ alert }) {
  if (alert.undelivered === 0) return html`<span class="muted">delivered</span>`;
  return html`<${Tag} tone="bad" title=${alert.last_error}>${alert.undelivered} undelivered</${Tag}>`;
}

/** @param {{ rows: Api.AlertRuleDocument[], onEdit: (rule: Api.AlertRuleDocument) => void } & Outcome} props */
function Rules({ rows, onEdit, onDone, onProblem }) {
  /** @type {Column<Api.AlertRuleDocument>[]} */
  const columns = [
    { word: "Rule", main: true, cell: (rule) => html`<span title=${rule.name}>${rule.name}</span>` },
    { word: "Fires when", cell: firesWhen },
    { word: "Of", width: "170px", cell: (rule) => [rule.kind && `kind ${rule.kind}`, rule.queue && `queue ${rule.queue}`].filter(Boolean).join(", ") || "each" },
    { word: "For", width: "90px", cell: (rule) => (rule.hold_seconds ? period(rule.hold_seconds * 1000) : "at once") },
    { word: "Notifies", cell: (rule) => html`<span title=${receivers(rule)}>${receivers(rule)}</span>` },
    { word: "", width: "240px", end: true, cell: (rule) => html`<${RuleActs} rule=${rule} onEdit=${onEdit} onDone=${onDone} onProblem=${onProblem} />` },
  ];
  return html`<${DataTable} caption="Alert rules" columns=${columns} rows=${rows} keyOf=${/** @param {Api.AlertRuleDocument} rule */ (rule) => rule.name} />`;
}

/** @param {{ rule: Api.AlertRuleDocument, onEdit: (rule: Api.AlertRuleDocument) => void } & Outcome} props */
function RuleActs({ rule, onEdit, onDone, onProblem }) {
  const test = html`<${ActionButton} class="quiet" needs="admin" aria-label=${`Test ${rule.name}`} title="Sends a notice that says that it is a test." onDone=${onDone} onProblem=${onProblem}
    act=${() => call("POST", `/alert-rules/${encodeURIComponent(rule.name)}/test`)}>Test</${ActionButton}>`;
  if (rule.from_config) return html`${test}<span class="muted" title="Change it in the config; a start writes it again.">in config</span>`;
  const confirm = { title: `Remove the rule ${rule.name}?`, text: "It sends no further notices; its past alerts stay.", action: "Remove rule", danger: true };
  return html`${test}<${NeedsScope} scope="admin"><button type="button" class="quiet" aria-label=${`Change ${rule.name}`} onClick=${() => onEdit(rule)}>Change</button></${NeedsScope}>
    <${ActionButton} class="quiet" needs="admin" aria-label=${`Remove ${rule.name}`} confirm=${confirm} onDone=${onDone} onProblem=${onProblem}
    act=${() => call("DELETE", `/alert-rules/${encodeURIComponent(rule.name)}`)}>Remove</${ActionButton}>`;
}

/** @param {Api.AlertRuleDocument} rule */
function firesWhen(rule) {
  const what = CONDITIONS[rule.condition]?.word ?? rule.condition;
  const window = ["error_rate", "average_time"].includes(rule.condition) ? ` over ${period(rule.over_seconds * 1000)}` : "";
  if (rule.condition === "no_worker") return `${what}: at most ${rule.above}`;
  const above = rule.condition === "error_rate" ? `${Math.round(rule.above * 100)} %` : ["average_time", "database_latency", "database_horizon"].includes(rule.condition) ? period(rule.above * 1000) : rule.above;
  return `${what} above ${above}${window}`;
}

/** @param {Api.AlertRuleDocument} rule */
function receivers(rule) {
  return [rule.webhook, ...rule.email].filter(Boolean).join(", ") || "the log";
}
