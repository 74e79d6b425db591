// The connection state in the header.

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

/** Shows a connection state; `reason` is its tooltip. */
export function showConnection(state, reason = "") {
  const chip = document.getElementById("connection");
  if (chip.dataset.state === state && chip.title === reason) return;
  chip.dataset.state = state;
  chip.title = reason;
  setText(chip.querySelector(".connection-word"), WORDS[state] ?? state);
}
