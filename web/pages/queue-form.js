// The form of a queue's limits. The server judges the values. Must never change what was left as it was.

import { call } from "../lib/api.js";
import { html, useState } from "../ui/html.js";
import { ProblemBox } from "../ui/parts.js";

const NUMBERS = { max_running: "Jobs at once, over all workers", rate: "Starts", max_queued: "Jobs that may wait", slots: "Slots of each worker" };

export function QueueForm({ queue, path, onSaved, onLeft }) {
  const [problem, setProblem] = useState(null);
  const save = async (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    const body = {};
    for (const name of Object.keys(NUMBERS)) {
      const value = given.get(name) === "" ? null : Number(given.get(name));
      if (value !== queue[name]) body[name] = value;
    }
    const per = given.get("per").trim();
    if (per !== perOf(queue) && given.get("rate") !== "") Object.assign(body, { per, rate: Number(given.get("rate")) });
    try {
      setProblem(null);
      if (Object.keys(body).length > 0) await call("PATCH", path, { body });
      onSaved();
    } catch (refused) {
      setProblem(refused);
    }
  };
  const number = (name) => html`<label class="field">${NUMBERS[name]}<input name=${name} type="number" min=${name === "rate" ? 1 : 0} defaultValue=${queue[name] ?? ""} placeholder="no bound" /></label>`;
  return html`<form class="panel edit" aria-label=${`Limits of ${queue.name}`} onSubmit=${save}>
    <h2>Limits of ${queue.name}</h2>
    <div class="fields">${number("max_running")}${number("rate")}
      <label class="field">in each<input name="per" defaultValue=${perOf(queue)} /></label>
      ${number("max_queued")}${number("slots")}</div>
    <${ProblemBox} problem=${problem} />
    <div class="row end"><button type="button" onClick=${onLeft}>Leave it</button><button type="submit" class="primary">Save limits</button></div>
  </form>`;
}

function perOf(queue) {
  return queue.per_seconds ? `${queue.per_seconds}s` : "1m";
}
