// The page of the schedules: when each fires next, in its own zone and in the reader's, and what its last slots became.
// Must never show a paused or broken schedule as one that will fire.

import { call } from "../lib/api.js";
import { now } from "../lib/clock.js";
import { period } from "../lib/format-time.js";
import { DataTable, Pager, pageIn } from "../ui/data-table.js";
import { html, useState } from "../ui/html.js";
import { useResource } from "../ui/live.js";
import { ActionButton, Empty, Link, Moment, NeedsScope, PageHead, ProblemBox, Shown, Tag } from "../ui/parts.js";
import { ScheduleForm } from "./schedule-form.js";

/** @param {PageProps} props */
export function Page({ query, navigate }) {
  /** @type {Live<Items<Schedule>>} */
  const live = useResource(pageIn("/schedules", query), "all=true");
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const [open, setOpen] = useState(false);
  return html`<div class="page">
    <${PageHead} title="Schedules" live=${live}>
      <${NeedsScope} scope="admin"><button type="button" onClick=${() => setOpen(true)}>New schedule</button></${NeedsScope}>
    </${PageHead}>
    ${open && html`<${ScheduleForm} onSaved=${/** @param {Schedule} made */ (made) => navigate(`/schedules/${encodeURIComponent(made.name)}`)} onLeft=${() => setOpen(false)} />`}
    <${ProblemBox} problem=${problem} />
    <${Shown} live=${live}>${/** @param {Items<Schedule>} page */ ({ items, next_cursor: next }) => items.length === 0
      ? html`<${Empty} title="No schedules"><p>A schedule is a section <code>[schedules.NAME]</code> of the config, or is made over REST, SQL or with <code>tidemill schedules</code>.</p></${Empty}>`
      : html`<${Schedules} rows=${items} onDone=${live.refresh} onProblem=${setProblem} />
        <${Pager} path="/schedules" query=${query} next=${next} navigate=${navigate} />`}</${Shown}>
  </div>`;
}

/** @param {{ rows: Schedule[] } & Outcome} props */
function Schedules({ rows, onDone, onProblem }) {
  /** @type {Column<Schedule>[]} */
  const columns = [
    { word: "Schedule", main: true, cell: (row) => html`<${Link} to=${`/schedules/${encodeURIComponent(row.name)}`} title=${row.name}>${row.name}</${Link}>` },
    { word: "State", width: "110px", cell: (row) => html`<${ScheduleState} schedule=${row} />` },
    { word: "Fires", cell: (row) => html`<span title=${firing(row)}>${firing(row)}</span>` },
    { word: "Next", width: "100px", cell: (row) => html`<${Moment} at=${nextOf(row)} />` },
    { word: "Last slot", width: "100px", cell: (row) => html`<${Moment} at=${row.last_slot_at} none="never" />` },
    { word: "Kind", cell: (row) => html`<span title=${row.job.kind}>${row.job.kind}</span>` },
    { word: "", width: "220px", end: true, cell: (row) => html`<${ScheduleActions} schedule=${row} onDone=${onDone} onProblem=${onProblem} />` },
  ];
  return html`<${DataTable} caption="Schedules" columns=${columns} rows=${rows} keyOf=${/** @param {Schedule} row */ (row) => row.name} />`;
}

/**
 * Its state as a word: paused, broken, over or active.
 * @param {{ schedule: Schedule }} props
 */
export function ScheduleState({ schedule }) {
  if (schedule.problem) return html`<${Tag} tone="bad" title=${schedule.problem}>problem</${Tag}>`;
  if (schedule.overdue_since) return html`<${Tag} tone="bad" title=${`Nobody fired its slot of ${schedule.overdue_since}.`}>overdue</${Tag}>`;
  if (schedule.paused_at) return html`<${Tag} tone="warn" title=${`Paused by ${schedule.paused_by ?? "someone"}`}>paused</${Tag}>`;
  if (schedule.upcoming.length === 0) return html`<${Tag} title="No further slot.">never fires</${Tag}>`;
  return html`<${Tag} tone="good">active</${Tag}>`;
}

/**
 * The buttons of a schedule: run now, pause or resume.
 * @param {{ schedule: Schedule } & Outcome} props
 */
export function ScheduleActions({ schedule, onDone, onProblem }) {
  /** @param {string} verb */
  const act = (verb) => () => call("POST", `/schedules/${encodeURIComponent(schedule.name)}/${verb}`);
  const run = { title: `Run ${schedule.name} now?`, text: `Enqueues one job of ${schedule.job.kind} at once. Its slots stay as they are.`, action: "Run now" };
  const word = schedule.paused_at ? "Resume" : "Pause";
  return html`
    <${ActionButton} class="quiet" needs="enqueue" aria-label=${`Run now ${schedule.name}`} confirm=${run} act=${act("run")} onDone=${onDone} onProblem=${onProblem}>Run now</${ActionButton}>
    <${ActionButton} class="quiet" needs="admin" aria-label=${`${word} ${schedule.name}`} act=${act(word.toLowerCase())} onDone=${onDone} onProblem=${onProblem}>${word}</${ActionButton}>`;
}

/**
 * The rule of a schedule: its cron expression with the zone, its period, or its one time.
 * @param {Schedule} schedule
 */
export function firing(schedule) {
  if (schedule.cron) return `${schedule.cron} (${schedule.timezone})`;
  if (schedule.every_seconds) return `every ${period(schedule.every_seconds * 1000)}`;
  return schedule.at ? `once, ${schedule.at}` : "–";
}

/** @param {Schedule} schedule */
function nextOf(schedule) {
  if (schedule.paused_at) return null;
  return schedule.upcoming.find((slot) => Date.parse(slot) > now()) ?? schedule.upcoming[0] ?? null;
}
