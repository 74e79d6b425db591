// The form of a schedule, new or changed, with its next slots while it is written. Must never compute a slot itself, and
// never save times that the server did not understand.

import { call } from "../lib/api.js";
import { EditForm } from "../ui/edit-form.js";
import { html, useMemo, useState } from "../ui/html.js";
import { useLive } from "../ui/live.js";
import { Moment } from "../ui/parts.js";

/** @type {Record<string, string>} */
const TIMES = { cron: "cron expression", every: "interval", at: "one time" };
/** @type {Record<string, string>} */
const HINTS = { cron: "30 4 * * MON-FRI", every: "15m", at: "2030-01-31T08:00:00Z" };
const MISSED = { skip: "none", one: "the latest", all: "all" };
const OVERLAP = { skip: "skip the slot", queue: "hold one slot", allow: "enqueue anyway", cancel: "cancel the earlier job" };

/**
 * `schedule` is one as the server shows it; null makes a new one.
 * @param {{ schedule?: Schedule | null, onSaved: (made: Schedule) => void, onLeft: () => void }} props
 */
export function ScheduleForm({ schedule = null, onSaved, onLeft }) {
  const [given, setGiven] = useState(() => valuesOf(schedule));
  /** @param {string} name */
  const set = (name) => (/** @type {Changed} */ event) => setGiven({ ...given, [name]: event.target.value });
  const times = timesOf(given);
  const save = async () => {
    const body = { ...times, missed: given.missed, overlap: given.overlap, job: jobOf(given, schedule) };
    onSaved(await call("PUT", `/schedules/${encodeURIComponent(schedule?.name ?? given.name.trim())}`, { body }));
  };
  /**
   * @param {string} name
   * @param {string} word
   * @param {object} rest
   */
  const text = (name, word, rest = {}) => html`<label class="field">${word}<input value=${given[name]} onInput=${set(name)} spellcheck=${false} autocomplete="off" ...${rest} /></label>`;
  /**
   * @param {string} name
   * @param {string} word
   * @param {Record<string, string>} options
   */
  const menu = (name, word, options) => html`<label class="field">${word}<select onChange=${set(name)}>${Object.entries(options).map(([value, label]) => html`<option value=${value} selected=${given[name] === value}>${label}</option>`)}</select></label>`;
  return html`<${EditForm} title=${schedule ? `Change ${schedule.name}` : "New schedule"} button="Save schedule" save=${save} onLeft=${onLeft}>
    ${schedule?.source === "config" && html`<p class="muted">The config names it: the next start of a process writes it again.</p>`}
    <div class="fields">
      ${!schedule && text("name", "Name", { required: true, autofocus: true })}
      ${menu("form", "Fires by", TIMES)}
      ${text("when", TIMES[given.form][0].toUpperCase() + TIMES[given.form].slice(1), { required: true, placeholder: HINTS[given.form] })}
      ${given.form === "cron" && text("timezone", "Time zone", { placeholder: "UTC", list: "zones" })}
      ${given.form === "cron" && html`<datalist id="zones">${zones().map((zone) => html`<option value=${zone} />`)}</datalist>`}
    </div>
    <${NextSlots} times=${given.when.trim() === "" ? null : times} zone=${given.timezone} />
    <div class="fields">
      ${text("kind", "Kind of its jobs", { required: true })}${text("queue", "Queue", { placeholder: "the kind's" })}
      ${menu("missed", "Missed slots that fire", MISSED)}${menu("overlap", "While an earlier job is not finished", OVERLAP)}
    </div>
    <label class="field">Args, as JSON<textarea class="mono" rows="3" spellcheck=${false} value=${given.args} onInput=${set("args")}></textarea></label>
  </${EditForm}>`;
}

/**
 * What the server makes of the times, as they are written.
 * @param {{ times: Record<string, string> | null, zone: string }} props
 */
function NextSlots({ times, zone }) {
  const asked = JSON.stringify(times);
  const live = useLive(asked, /** @returns {Promise<Api.Preview> | Api.Preview} */ (signal) => (times ? call("POST", "/schedules/preview", { body: { ...times, next: 5 }, signal }) : { slots: [] }));
  const format = useMemo(() => formatIn(zone), [zone]);
  if (live.problem) return html`<p class="wrong" role="alert">${live.problem.message}</p>`;
  const slots = live.data?.slots ?? [];
  return html`<p class="next-slots" role="status" aria-label="Next slots"><span class="muted">Next:</span> ${slots.length === 0
    ? html`<span class="muted">${times && live.data ? "it never fires" : "–"}</span>`
    : slots.map((slot) => html`<span class="tag"><${Moment} at=${slot} /> · ${format(slot)}</span> `)}</p>`;
}

/**
 * @param {string} zone
 * @returns {(slot: string) => string}
 */
function formatIn(zone) {
  /** @type {Intl.DateTimeFormatOptions} */
  const options = { dateStyle: "medium", timeStyle: "short" };
  try {
    const format = new Intl.DateTimeFormat(undefined, { ...options, timeZone: zone.trim() || "UTC" });
    return (slot) => format.format(new Date(slot));
  } catch {
    return String; // a zone that the browser does not know, or not yet
  }
}

function zones() {
  return Intl.supportedValuesOf?.("timeZone") ?? [];
}

/**
 * @param {Schedule | null} schedule
 * @returns {Record<string, string>}
 */
function valuesOf(schedule) {
  if (!schedule) return { name: "", form: "cron", when: "", timezone: "UTC", kind: "", queue: "", args: "{}", missed: "one", overlap: "skip" };
  const form = schedule.cron ? "cron" : schedule.every_seconds ? "every" : "at";
  /** @type {Record<string, string | null>} */
  const times = { cron: schedule.cron, every: `${schedule.every_seconds}s`, at: schedule.at };
  const { kind, queue, args } = schedule.job;
  return { form, when: times[form] ?? "", timezone: schedule.timezone, kind, queue: queue ?? "", args: JSON.stringify(args ?? {}, null, 2), missed: schedule.missed, overlap: schedule.overlap };
}

/** @param {Record<string, string>} given */
function timesOf({ form, when, timezone }) {
  const zone = form === "cron" && timezone.trim() !== "" ? { timezone: timezone.trim() } : {};
  return { [form]: when.trim(), ...zone };
}

/**
 * The job with everything that the form does not show as it was.
 * @param {Record<string, string>} given
 * @param {Schedule | null} schedule
 */
function jobOf({ kind, queue, args }, schedule) {
  /** @type {{ kind: string, queue?: string | null, args: unknown }} */
  const job = { ...schedule?.job, kind: kind.trim(), args: JSON.parse(args.trim() || "{}") };
  if (queue.trim()) job.queue = queue.trim();
  else delete job.queue;
  return job;
}
