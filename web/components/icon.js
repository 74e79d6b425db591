// Small icons next to words, never instead of them.

import { html } from "../ui/html.js";

/** @type {Record<string, string>} */
const PATHS = {
  waiting: "M5 3v10M11 3v10",
  available: "M8 3.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9z",
  scheduled: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM8 5v3.2l2.2 1.5",
  retrying: "M13 8a5 5 0 1 1-1.6-3.7M13 2.5v3h-3",
  running: "M8 2.5A5.5 5.5 0 1 1 2.5 8",
  completed: "M3 8.5l3.2 3.2L13 4.8",
  failed: "M4 4l8 8M12 4l-8 8",
  cancelled: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM4.2 4.2l7.6 7.6",
  copy: "M6 6h7v7H6zM10 6V3H3v7h3",
  back: "M9.5 3.5L5 8l4.5 4.5",
  down: "M8 3v9M4 8.5L8 12.5l4-4",
  paused: "M5 3v10M11 3v10",
  event: "M8 5.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z",
};

/**
 * An icon by name; an unknown name gets the one for events.
 * @param {{ name: string }} props
 */
export function Icon({ name }) {
  return html`<svg class=${`icon icon-${name}`} viewBox="0 0 16 16" aria-hidden="true"><path d=${PATHS[name] ?? PATHS.event} /></svg>`;
}
