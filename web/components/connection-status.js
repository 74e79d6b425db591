// The connection state in the header. Must never say that the server is away when it has answered.

/** @type {Record<string, string>} */
const WORDS = {
  connecting: "Connecting…",
  live: "Live",
  reconnecting: "Reconnecting…",
  paused: "Paused",
  ended: "Ended",
  refused: "Not connected",
  idle: "Ready",
  locked: "No access",
};

/**
 * Shows a connection state; `problem` or its text is the tooltip. A refusal by the server is no lost connection.
 * @param {ConnectionState} given
 * @param {Partial<Problem> | Error | string | null} problem
 */
export function showConnection(given, problem = "") {
  const { message: reason = "", status = 0 } = /** @type {Partial<Problem>} */ (typeof problem === "string" ? { message: problem } : problem ?? {});
  const state = given === "refused" ? afterRefusal(status) : given;
  const chip = /** @type {HTMLElement} */ (document.getElementById("connection"));
  if (chip.dataset.state === state && chip.title === reason) return;
  chip.dataset.state = state;
  chip.title = reason;
  /** @type {HTMLElement} */ (chip.querySelector(".connection-word")).textContent = WORDS[state] ?? state;
}

/**
 * The state after an answer with this HTTP status; 0 is no answer.
 * @param {number} status
 */
function afterRefusal(status) {
  if (status === 401 || status === 403) return "locked";
  return status >= 400 && status < 500 ? "idle" : "refused";
}
