// The page of one job: its progress, its log, its result and its timeline. Must never draw more often than somebody can
// read.

import { showConnection } from "../components/connection-status.js";
import { NothingHere } from "../components/empty-states.js";
import { FilesPanel } from "../components/files-panel.js";
import { Icon } from "../components/icon.js";
import { JobActions } from "../components/job-actions.js";
import { JobDetails } from "../components/job-details.js";
import { JobHeader } from "../components/job-header.js";
import { JobLog } from "../components/job-log.js";
import { LogView } from "../components/log-view.js";
import { PayloadPanel } from "../components/payload-panel.js";
import { Timeline } from "../components/timeline.js";
import { serverUrl } from "../lib/base-path.js";
import { enqueueCommands } from "../lib/curl.js";
import { finished } from "../lib/job-state.js";
import { LiveJob } from "../lib/live/live-job.js";
import { needsKey } from "../lib/role.js";
import { AttemptsPanel } from "../ui/attempts-panel.js";
import { html, useEffect, useLayoutEffect, useState } from "../ui/html.js";
import { NeighboursPanel } from "../ui/neighbours-panel.js";
import { Commands } from "../ui/operation-parts.js";
import { Link, Loading, ProblemBox } from "../ui/parts.js";
import { StepsPanel } from "../ui/steps-panel.js";

const PAUSE = 50; // milliseconds between two drawings
const GONE = "It was deleted, or its time of retention has passed, or the address is not complete.";
/** @type {Record<string, string>} */
const WORDS = { live: "live", reconnecting: "reconnecting…", ended: "ended", paused: "paused" };

/** @param {PageProps} props */
export function Page({ params, navigate }) {
  const { live, log, stream, refused, again } = useJob(params.name);
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const { job } = live;
  // The title of what is loaded now takes the focus from the one that stood for it.
  useLayoutEffect(() => {
    if (job || refused) document.activeElement === document.body && document.querySelector("h1")?.focus({ preventScroll: true });
    if (job) document.title = `${job.kind} · Tidemill`;
  }, [job === null, refused]);
  if (refused) return html`<${Refused} problem=${refused} again=${again} />`;
  if (!job) return html`<h1 class="offscreen" tabindex="-1">Job</h1><${Loading} />`;
  const similar = () => navigate("/enqueue", { kind: job.kind, args: job.args, queue: job.queue, priority: job.priority, origin: job.id });
  const metadata = Object.keys(job.metadata ?? {}).length > 0 ? job.metadata : null;
  return html`<${Back} />
    <${JobHeader} job=${job} explanation=${live.explanation}><${JobActions} job=${job} onDone=${(/** @type {Job} */ answer, /** @type {string} */ verb) => live.acted(answer, verb)} onProblem=${setProblem} onSimilar=${similar} /></${JobHeader}>
    <${ProblemBox} problem=${problem} />
    <div class="columns job-columns">
      <div class="content">
        <${PayloadPanel} title="Result" value=${job.result} />
        <${JobLog} view=${log} stream=${stream} ended=${finished(job)} />
        <${AttemptsPanel} attempts=${live.attempts} /><${StepsPanel} steps=${live.steps} />
        <${FilesPanel} files=${live.files} job=${job} />
        <${PayloadPanel} title="Args" value=${job.args} />
        <${PayloadPanel} title="Metadata" value=${metadata} />
      </div>
      <aside aria-label="Details and timeline"><${NeighboursPanel} job=${job} workflow=${live.workflow} /><${Timeline} job=${job} events=${live.events} /><${JobDetails} job=${job} />
        <${Commands} commands=${enqueueCommands(serverUrl(), { kind: job.kind, args: job.args, queue: job.queue, priority: job.priority }, needsKey())} /></aside>
    </div>`;
}

/**
 * The job, drawn again soon after it has changed, and the view of its log.
 * @param {string} id
 */
function useJob(id) {
  const [, setTurn] = useState(0);
  const [stream, setStream] = useState("");
  const [refused, setRefused] = useState(/** @type {Problem | null} */ (null));
  const [{ live, log, stop }] = useState(() => {
    /** @type {ReturnType<typeof setTimeout> | null} */
    let timer = null;
    const draw = () => {
      timer = null;
      setTurn((turn) => turn + 1);
    };
    const view = new LogView();
    /** @type {Heard} */
    const connection = (state, problem) => {
      showConnection(state, problem);
      setStream(WORDS[state] ?? (typeof problem === "string" ? problem : problem?.message) ?? "");
    };
    const job = new LiveJob(id, {
      connection,
      line: (event) => view.add(event),
      changed: () => (timer ??= setTimeout(draw, PAUSE)),
      problem: (problem) => (showConnection("refused", problem), setRefused(problem)),
    });
    return { live: job, log: view, stop: () => (clearTimeout(timer ?? undefined), job.stop(), view.stop()) };
  });
  const again = () => (setRefused(null), live.start());
  useEffect(() => {
    showConnection("connecting");
    live.start();
    return stop;
  }, []);
  return { live, log, stream, refused, again };
}

/** @param {{ problem: Problem, again: () => void }} props */
function Refused({ problem, again }) {
  if (problem.status === 404) return html`<${NothingHere} title="There is no such job" text=${GONE} />`;
  if (problem.status === 422 && problem.field === "id") return html`<${NothingHere} title="There is no such job" text=${problem.message} />`;
  return html`<${Back} /><h1 class="offscreen" tabindex="-1">Job</h1><${ProblemBox} problem=${problem} retry=${again} />`;
}

function Back() {
  return html`<${Link} class="back" to="/jobs"><${Icon} name="back" />Jobs</${Link}>`;
}
