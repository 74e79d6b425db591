// The page of one schedule: its next slots in its zone and in the reader's, and what became of the last ones. Must never
// compute a slot itself: the server does.

import { DataTable } from "../ui/data-table.js";
import { html, useState } from "../ui/html.js";
import { useResource } from "../ui/live.js";
import { FactList, Link, Moment, NeedsScope, PageHead, ProblemBox, Shown, Tag } from "../ui/parts.js";
import { ScheduleForm } from "./schedule-form.js";
import { ScheduleActions, ScheduleState, firing } from "./schedules.js";

/** @type {Record<string, string>} */
const TONES = { enqueued: "good", missed: "bad", held: "busy", skipped: "warn" };

/** @param {PageProps} props */
export function Page({ params }) {
  const path = `/schedules/${encodeURIComponent(params.name)}`;
  /** @type {Live<Schedule & Api.ScheduleDetail>} */
  const live = useResource(path, "all=true");
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const [edits, setEdits] = useState(false);
  const saved = () => (setEdits(false), live.refresh());
  return html`<div class="page">
    <${PageHead} title=${params.name} back=${{ to: "/schedules", word: "Schedules" }} live=${live}>
      ${live.data && html`<${NeedsScope} scope="admin"><button type="button" class="quiet" onClick=${() => setEdits(true)}>Change</button></${NeedsScope}><${ScheduleActions} schedule=${live.data} onDone=${live.refresh} onProblem=${setProblem} />`}
    </${PageHead}>
    <${ProblemBox} problem=${problem} />
    <${Shown} live=${live}>${/** @param {Schedule & Api.ScheduleDetail} schedule */ (schedule) => html`${edits && html`<${ScheduleForm} schedule=${schedule} onSaved=${saved} onLeft=${() => setEdits(false)} />`}
      <${Facts} schedule=${schedule} /><${Upcoming} schedule=${schedule} /><${Slots} slots=${schedule.slots ?? []} />`}</${Shown}>
  </div>`;
}

/** @param {{ schedule: Schedule }} props */
function Facts({ schedule }) {
  /** @type {[string, Child][]} */
  const facts = [["State", html`<${ScheduleState} schedule=${schedule} />`], ["Fires", firing(schedule)], ["Kind", schedule.job.kind],
    ["Missed slots", schedule.missed], ["While one runs", schedule.overlap], ["Written by", schedule.source]];
  return html`<div class="panel">
    ${schedule.problem && html`<p class="notice" role="alert">${schedule.problem}</p>`}
    <${FactList} facts=${facts} />
  </div>`;
}

/** @param {{ schedule: Schedule }} props */
function Upcoming({ schedule }) {
  if (schedule.upcoming.length === 0) return null;
  const inZone = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short", timeZone: schedule.timezone });
  const here = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  /** @type {Column<string>[]} */
  const columns = [
    { word: "Next", main: true, cell: (slot) => html`<${Moment} at=${slot} />` },
    { word: `In ${schedule.timezone}`, cell: (slot) => inZone.format(new Date(slot)) },
    { word: "Here", cell: (slot) => here.format(new Date(slot)) },
  ];
  return html`<section><h2>Next slots${schedule.paused_at ? " if it were resumed" : ""}</h2>
    <${DataTable} caption="Next slots" columns=${columns} rows=${schedule.upcoming} keyOf=${String} /></section>`;
}

/** @param {{ slots: Api.SlotDocument[] }} props */
function Slots({ slots }) {
  if (slots.length === 0) return html`<p class="muted">No slot has come yet.</p>`;
  /** @type {Column<Api.SlotDocument>[]} */
  const columns = [
    { word: "Slot", main: true, cell: (slot) => html`<${Moment} at=${slot.slot} />` },
    { word: "Outcome", width: "130px", cell: (slot) => html`<${Tag} tone=${TONES[slot.outcome] ?? ""}>${slot.outcome}</${Tag}>` },
    { word: "Job", width: "130px", cell: (slot) => (slot.job_id ? html`<${Link} to=${`/jobs/${slot.job_id}`}>its job</${Link}>` : "–") },
    { word: "Reason", cell: (slot) => html`<span class="lines">${slot.reason ?? ""}</span>` },
  ];
  return html`<section><h2>Last slots</h2><${DataTable} caption="Last slots" columns=${columns} rows=${slots} keyOf=${/** @param {Api.SlotDocument} slot */ (slot) => slot.slot} /></section>`;
}
