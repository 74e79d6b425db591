// The list of jobs: running jobs, recent jobs, the queues and the workers. Must never show lists beside an error that
// refused them.

import { showConnection } from "../components/connection-status.js";
import { AllJobs, NothingMatches } from "../components/empty-states.js";
import { FilterBar } from "../components/filter-bar.js";
import { FirstJob } from "../components/first-job.js";
import { JobCard, JobRow } from "../components/job-rows.js";
import { useSteadyList } from "../components/steady-list.js";
import { addressOf, filterOf, timeOfCursor } from "../lib/job-filter.js";
import { LiveLists } from "../lib/live/live-lists.js";
import { whyNotRunning } from "../lib/why-not-running.js";
import { html, useEffect, useState } from "../ui/html.js";
import { Loading, Moment, ProblemBox } from "../ui/parts.js";
import { SidePanels } from "../ui/side-panels.js";

const CARDS = 12; // running jobs shown before "Show all"
const MOST_RUNNING = 50; // the server is asked for no more
const COLUMNS = ["State", "Job", "Queue", "Progress or outcome", "When"];

/** @param {PageProps} props */
export function Page({ query, navigate }) {
  const [filter] = useState(() => filterOf(query));
  const { lists, problem, again } = useLists(filter);
  const running = lists.running.filter((id) => lists.jobs.get(id));
  const isRefused = problem !== null && !lists.loaded;
  return html`<h1 class="offscreen" tabindex="-1">Jobs</h1>
    <div class="columns">
      <div class="content">
        <${FilterBar} filter=${filter} navigate=${navigate} kinds=${[...lists.jobs.values()].map((job) => job.kind)} queues=${lists.queues.map((queue) => queue.name)} />
        <${Refusal} problem=${problem} again=${again} />
        <${Running} ids=${running} jobs=${lists.jobs} />
        ${!isRefused && html`<section aria-labelledby="recent-title"><${Recent} lists=${lists} filter=${filter} /><${Pager} lists=${lists} filter=${filter} navigate=${navigate} /></section>`}
      </div>
      ${!isRefused && html`<aside aria-label="Queues and workers">${lists.loaded && html`<${SidePanels} queues=${lists.queues} workers=${lists.workers} onDone=${() => lists.refresh().catch(() => {})} />`}</aside>`}
    </div>`;
}

/**
 * The lists, drawn again with the next frame when they have changed.
 * @param {Filter} filter
 */
function useLists(filter) {
  const [shown, setShown] = useState({ problem: /** @type {Problem | null} */ (null) });
  const [lists] = useState(() => {
    let planned = false;
    const refresh = () => {
      planned = false;
      setShown({ problem: null });
    };
    const changed = () => {
      if (!planned) requestAnimationFrame(refresh);
      planned = true;
    };
    return new LiveLists(filter, { changed, connection: showConnection, problem: (problem) => setShown({ problem }) });
  });
  const again = () => {
    setShown({ problem: null });
    lists.start();
  };
  useEffect(() => {
    lists.start();
    return () => lists.stop();
  }, []);
  return { lists, problem: shown.problem, again };
}

/**
 * What a person can do about a problem: a temporary one is tried again by itself, a bad filter stays bad.
 * @param {{ problem: Problem | null, again: () => void }} props
 */
function Refusal({ problem, again }) {
  if (!problem || problem.temporary) return html`<${ProblemBox} problem=${problem} />`;
  return html`<${ProblemBox} problem=${problem} retry=${problem.status === 401 ? again : null}><${AllJobs} /></${ProblemBox}>`;
}

/** @param {{ ids: string[], jobs: Map<string, Job> }} props */
function Running({ ids, jobs }) {
  const [isWhole, setWhole] = useState(false);
  const list = useSteadyList(isWhole ? ids : ids.slice(0, CARDS), jobs);
  const showAll = () => (setWhole(true), list.showNewest());
  return html`<section aria-labelledby="running-title" hidden=${list.jobs.length === 0} ...${list.area}>
    <div class="row title"><h2 id="running-title">Running now</h2><span class="count">${ids.length >= MOST_RUNNING ? `${MOST_RUNNING}+` : ids.length}</span>${list.newButton}<span class="spacer"></span>
      <button type="button" class="quiet" hidden=${isWhole || ids.length <= CARDS} onClick=${showAll}>Show all ${ids.length}</button></div>
    <ul class="cards plain" role="list" ...${list.body}>${list.jobs.map((job) => html`<${JobCard} key=${job.id} job=${job} />`)}</ul>
  </section>`;
}

/** @param {{ lists: LiveLists, filter: Filter }} props */
function Recent({ lists, filter }) {
  const apart = new Set(lists.running);
  const list = useSteadyList(lists.recent.filter((id) => !apart.has(id)), lists.jobs);
  const isEmpty = list.jobs.length === 0;
  return html`<div ...${list.area}>
      <div class="row title"><h2 id="recent-title">${titleOf(filter)}</h2>${list.newButton}</div>
      <table class="jobs" role="table" hidden=${isEmpty}>
        <thead role="rowgroup"><tr role="row">${COLUMNS.map((word) => html`<th role="columnheader" scope="col">${word}</th>`)}</tr></thead>
        <tbody role="rowgroup" ...${list.body}>${list.jobs.map((job) => html`<${JobRow} key=${job.id} job=${job} why=${whyNotRunning(job, lists.queues, lists.workers, lists.asked)} />`)}</tbody>
      </table>
    </div>
    ${isEmpty && html`<${Empty} lists=${lists} filter=${filter} />`}`;
}

/** @param {{ lists: LiveLists, filter: Filter }} props */
function Empty({ lists, filter }) {
  if (!lists.loaded) return html`<${Loading} />`;
  if (Object.keys(filter).length > 0) return lists.cursor && filter.search ? null : html`<${NothingMatches} filter=${filter} />`;
  if (lists.running.length > 0) return html`<p class="muted">No other recent jobs.</p>`;
  return html`<${FirstJob} workers=${lists.workers.filter((worker) => worker.state !== "stopped").length} />`;
}

/** @param {Filter} filter */
function titleOf({ state, search, cursor }) {
  if (search) return "Found jobs";
  return state ? `Jobs: ${state}` : cursor ? "Older jobs" : "Recent jobs";
}

/**
 * The way through the list: "newer" is where one came from, which the browser's history keeps.
 * @param {{ lists: LiveLists, filter: Filter, navigate: Navigate }} props
 */
function Pager({ lists, filter, navigate }) {
  const [trail] = useState(() => (filter.cursor ? (history.state?.trail ?? []) : []));
  const { cursor } = lists;
  /**
   * @param {string | null} to
   * @param {string[]} steps
   */
  const go = (to, steps) => () => navigate(addressOf({ ...filter, cursor: to }), { trail: steps });
  const time = filter.search && cursor ? timeOfCursor(cursor) : null;
  return html`<nav class="row end wrap pager" aria-label="Pages">
    <span class="muted small" role="status">${time && html`${lists.recent.length === 0 ? "Nothing found yet, searched" : "Searched"} back to <${Moment} at=${time} />`}</span>
    ${filter.cursor && html`<button type="button" onClick=${go(null, [])}>Newest</button>`}
    ${trail.length > 0 && html`<button type="button" onClick=${go(trail.at(-1), trail.slice(0, -1))}>Newer</button>`}
    ${cursor !== null && html`<button type="button" onClick=${go(cursor, filter.cursor ? [...trail, filter.cursor] : [])}>${filter.search ? "Search further" : "Older"}</button>`}
  </nav>`;
}
