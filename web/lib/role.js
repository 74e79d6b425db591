// The rights of this browser, read once from the server. Must never replace the server's own checks: the server refuses
// forbidden actions, whatever the page shows.

import { get, onSession } from "./api.js";

const PAUSE = 2000; // milliseconds before a server that did not answer is asked again

/** @type {Api.Me | null} */
let me = null; // {name, scopes, role} as the server says
let asked = false;
let question = 0; // rises with each question: an answer to an older one counts no more
/** @type {Set<() => void>} */
const listeners = new Set();

/**
 * Calls `heard` whenever the rights change; returns a function that stops this.
 * @param {() => void} heard
 */
export function onRole(heard) {
  listeners.add(heard);
  if (!asked) learn();
  return () => listeners.delete(heard);
}

/** The caller, as the server names it; null before the server has answered. */
export function whoAmI() {
  return me;
}

/** Whether other callers need a key too: commands to copy then contain a placeholder for it. */
export const needsKey = () => me?.has_key ?? false;

/**
 * Whether the caller has a scope; nothing is allowed before the server has answered.
 * @param {string | null} scope
 */
export function mayDo(scope) {
  return scope === null || (me !== null && (me.scopes.includes("admin") || me.scopes.includes(/** @type {Api.Scope} */ (scope))));
}

/**
 * The reason why a button is disabled.
 * @param {string} scope
 */
export function whatItNeeds(scope) {
  return me === null ? "Asking what this key may do" : `Needs a key with the scope ${scope}`;
}

async function learn() {
  asked = true;
  const mine = ++question;
  let answer = null;
  try {
    answer = await get("/me");
  } catch (problem) {
    if (mine === question && problem.temporary) setTimeout(() => mine === question && learn(), PAUSE);
    else if (mine === question) asked = false; // asked again with the next page
  }
  if (mine !== question) return; // somebody else has signed in meanwhile
  me = answer;
  for (const heard of listeners) heard();
}

onSession(() => {
  me = null;
  question += 1;
  for (const heard of listeners) heard();
  if (listeners.size > 0) learn();
  else asked = false;
});
