// The filter of the list of jobs: in the URL of the page, in the query of the API, and as text. Pure; must never send
// an unknown field.

const HOUR = 3_600_000; // milliseconds
const NAMES = ["state", "kind", "queue", "tag", "priority", "owner", "error", "workflow", "created_after", "created_before", "finished_after", "finished_before"];

/**
 * The time range of the search, by the value in the URL.
 * @type {Record<string, string>}
 */
export const SINCE = { "1h": "the last hour", "1d": "the last day", "7d": "the last 7 days", "30d": "the last 30 days" };
/** @type {Record<string, number>} */
const HOURS = { "1h": 1, "1d": 24, "7d": 168, "30d": 720 };
export const DEFAULT_SINCE = "1d"; // of a search, which has to end somewhere

/**
 * The filter in a URL; `search` is the text to find, `since` a key of SINCE, `cursor` a page.
 * @param {URLSearchParams | string} search
 * @returns {Filter}
 */
export function filterOf(search) {
  const query = new URLSearchParams(search);
  const filter = Object.fromEntries([...NAMES, "search", "cursor"].map((name) => [name, query.get(name)?.trim()]).filter(([, value]) => value));
  const since = SINCE[query.get("since") ?? ""] ? query.get("since") : filter.search && !filter.created_after ? DEFAULT_SINCE : null;
  return since ? { ...filter, since } : filter;
}

/**
 * The fields that have a value.
 *
 * @param {Filter} filter
 * @returns {Record<string, string>}
 */
export function given(filter) {
  return Object.fromEntries(Object.entries(filter).flatMap(([name, value]) => (value ? [[name, value]] : [])));
}

/**
 * The URL of a filter.
 * @param {Filter} filter
 */
export function addressOf(filter) {
  const { since, ...rest } = filter;
  const query = new URLSearchParams(given(rest));
  if (since && !(since === DEFAULT_SINCE && rest.search)) query.set("since", since);
  return query.size > 0 ? `/jobs?${query}` : "/jobs";
}

/**
 * The fields of the API for a filter, at this time.
 * @param {Filter} filter
 * @param {number} now
 * @returns {Filter}
 */
export function queryOf({ since, ...rest }, now) {
  return since && !rest.created_after ? { ...rest, created_after: startOf(since, now) } : rest;
}

/**
 * The URL of the form that acts on all jobs of a filter, null without one.
 * @param {Filter} filter
 * @param {number} now
 */
export function operationOf(filter, now) {
  const { cursor, ...rest } = queryOf(filter, now);
  return Object.keys(rest).length === 0 ? null : `/operations/new?${new URLSearchParams(given(rest))}`;
}

/**
 * `state failed, kind mail`.
 * @param {Filter} filter
 */
export function wordsOf({ cursor, since, search, ...rest }) {
  const words = Object.entries(rest).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`);
  if (search) words.push(`the text ${search}`);
  if (since) words.push(`of ${SINCE[since]}`);
  return words.join(", ");
}

/**
 * The time of a cursor, which is the id of a job; null if it has none.
 *
 * @param {string} cursor
 */
export function timeOfCursor(cursor) {
  try {
    const bytes = [...atob(cursor.replaceAll("-", "+").replaceAll("_", "/"))].map((byte) => byte.charCodeAt(0).toString(16).padStart(2, "0"));
    return bytes.length === 16 ? timeOf(bytes.join("")) : null;
  } catch {
    return null;
  }
}

/**
 * The time with which an id begins.
 *
 * @param {string} id
 */
export function timeOf(id) {
  return new Date(parseInt(id.replaceAll("-", "").slice(0, 12), 16)).toISOString();
}

/**
 * @param {string} since
 * @param {number} now
 */
function startOf(since, now) {
  return new Date(now - HOURS[since] * HOUR).toISOString();
}
