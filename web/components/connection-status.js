// The word in the header that says whether the page is live.

import { setText } from "../lib/dom.js";

const WORDS = {
  connecting: "Connecting…",
  live: "Live",
  reconnecting: "Reconnecting…",
  paused: "Paused",
  ended: "Ended",
  refused: "Not connected",
  idle: "Ready",
};

/** Shows a connection state; `why` stands in the tooltip. */
export function showConnection(state, why = "") {
  const chip = document.getElementById("connection");
  if (chip.dataset.state === state && chip.title === why) return;
  chip.dataset.state = state;
  chip.title = why;
  setText(chip.querySelector(".connection-word"), WORDS[state] ?? state);
}
