// The jobs of a workflow as a graph from left to right: a link for each job, lines for dependencies. Must never be the
// only source: the table next to it has the same data.

import * as dagre from "../vendor/dagre.js";
import { html, useMemo } from "./html.js";
import { Link } from "./parts.js";

const [WIDTH, HEIGHT] = [180, 46]; // pixels of a job
const MOST = 300; // jobs; a larger graph is shown as a table only

/** @param {{ jobs: Api.WorkflowMember[] }} props */
export function WorkflowGraph({ jobs }) {
  const shape = JSON.stringify(jobs.map((job) => [job.name, job.after]));
  const layout = useMemo(() => (jobs.length > MOST ? null : laidOut(jobs)), [shape]);
  if (layout === null) return html`<p class="muted">${jobs.length} jobs are too many to draw; the table has them all.</p>`;
  if (layout.edges.length === 0) return null;
  return html`<div class="graph" tabindex="0" role="group" aria-label="Graph of the jobs">
    <div class="graph-plane" style=${{ width: `${layout.width}px`, height: `${layout.height}px` }}>
      <svg width=${layout.width} height=${layout.height} aria-hidden="true">${layout.edges.map((points) => html`<polyline points=${points} />`)}</svg>
      ${jobs.map((job) => html`<${Node} key=${job.id} job=${job} at=${layout.places.get(job.name)} />`)}
    </div>
  </div>`;
}

/** @param {{ job: Api.WorkflowMember, at: { x: number, y: number } }} props */
function Node({ job, at }) {
  const to = job.kind === "tidemill.workflow" ? `/workflows/${job.id}` : `/jobs/${job.id}`;
  return html`<${Link} to=${to} class="graph-node" data-state=${job.status} title=${job.error ?? job.name}
    style=${{ left: `${at.x - WIDTH / 2}px`, top: `${at.y - HEIGHT / 2}px`, width: `${WIDTH}px`, height: `${HEIGHT}px` }}>
    <span class="graph-name">${job.name}</span>
    <span class="small muted">${job.status}${job.percent !== null && job.status === "running" ? `, ${Math.round(job.percent)} %` : ""}</span>
  </${Link}>`;
}

/**
 * The positions of jobs by name, the points of lines, and the total size, in pixels.
 * @param {Api.WorkflowMember[]} jobs
 */
function laidOut(jobs) {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 44, marginx: 4, marginy: 4 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const job of jobs) graph.setNode(job.name, { width: WIDTH, height: HEIGHT });
  for (const job of jobs) for (const name of job.after) if (graph.hasNode(name)) graph.setEdge(name, job.name);
  dagre.layout(graph);
  const { width, height } = graph.graph();
  return {
    width: Math.ceil(width),
    height: Math.ceil(height),
    places: new Map(jobs.map((job) => [job.name, graph.node(job.name)])),
    edges: graph.edges().map((edge) => graph.edge(edge).points.map((/** @type {{ x: number, y: number }} */ { x, y }) => `${x},${y}`).join(" ")),
  };
}
