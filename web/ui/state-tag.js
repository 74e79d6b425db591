// The state of a job or workflow as a badge. Must never show a state by its colour alone.

import { html } from "./html.js";
import { Tag } from "./parts.js";

/** @type {Record<string, string>} */
const TONES = { completed: "good", failed: "bad", running: "busy", retrying: "warn", cancelled: "", waiting: "", available: "", scheduled: "" };

/** @param {{ state: string }} props */
export function StateTag({ state }) {
  return html`<${Tag} tone=${TONES[state] ?? ""}>${state}</${Tag}>`;
}
