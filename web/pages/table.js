// The table of the pages: their addresses, their words in the navigation, their modules. A page of it is a Preact
// component `Page({params, query, navigate})` in a module of its own; the server has each address in CLIENT_ROUTES of
// src/api/server/dashboard/mod.rs. Must never load a page before it is asked for.

/**
 * Groups as the navigation shows them. A page that `needs` a scope is hidden from keys without it; a page with
 * `hasOwnQuery` is mounted again for each query.
 * @type {PageEntry[][]}
 */
export const GROUPS = [
  [
    { path: "/overview", word: "Overview", load: () => import("./overview.js") },
    { path: "/jobs", word: "Jobs", hasOwnQuery: true, load: () => import("./jobs.js") },
    { path: "/workflows", word: "Workflows", load: () => import("./workflows.js") },
    { path: "/queues", word: "Queues", load: () => import("./queues.js") },
    { path: "/schedules", word: "Schedules", load: () => import("./schedules.js") },
    { path: "/failures", word: "Failures", load: () => import("./failures.js") },
    { path: "/operations", word: "Operations", load: () => import("./operations.js") },
  ],
  [
    { path: "/workers", word: "Workers", load: () => import("./workers.js") },
    { path: "/kinds", word: "Kinds", load: () => import("./kinds.js") },
    { path: "/limits", word: "Limits", load: () => import("./limits.js") },
  ],
  [
    { path: "/alerts", word: "Alerts", load: () => import("./alerts.js") },
    { path: "/audit", word: "Audit", needs: "admin", load: () => import("./audit.js") },
    { path: "/doctor", word: "Doctor", load: () => import("./doctor.js") },
    { path: "/keys", word: "API keys", needs: "admin", load: () => import("./keys.js") },
    { path: "/settings", word: "Settings", needs: "admin", load: () => import("./settings.js") },
  ],
];

/** @type {PageEntry} */
const ENQUEUE = { path: "/enqueue", word: "Enqueue", hasOwnQuery: true, load: () => import("./enqueue.js") };

/**
 * Pages of one thing each, which no navigation lists.
 * @type {PageEntry[]}
 */
const DETAILS = [
  { path: "/jobs/", word: "Job", load: () => import("./job.js") },
  { path: "/workflows/", load: () => import("./workflow.js") },
  { path: "/operations/", load: () => import("./operation.js") },
  { path: "/queues/", load: () => import("./queue.js") },
  { path: "/schedules/", load: () => import("./schedule.js") },
];

/**
 * The page of a path and query of the browser's address: `{key, page, params}`; `params.name` is what the address names.
 * Addresses with the same key are one page.
 * @param {string} given
 * @param {string} query
 * @returns {{ key: string, page: PageEntry, params: { name?: string } } | null}
 */
export function pageOf(given, query = "") {
  const pathname = pathOf(given);
  const page = [...GROUPS.flat(), ENQUEUE].find((each) => each.path === pathname);
  if (page) return { key: page.hasOwnQuery ? pathname + query : pathname, page, params: {} };
  const detail = DETAILS.find((each) => pathname.startsWith(each.path) && pathname.length > each.path.length);
  return detail ? { key: pathname, page: detail, params: { name: decoded(pathname.slice(detail.path.length)) } } : null;
}

/**
 * Whether the navigation marks `page` as the present one at this path.
 * @param {PageEntry} page
 * @param {string} pathname
 */
export function isHere(page, pathname) {
  return pathOf(pathname) === page.path || pathname.startsWith(`${page.path}/`);
}

/**
 * A user without an address of a page sees the overview.
 * @param {string} pathname
 */
const pathOf = (pathname) => (pathname === "/" ? "/overview" : pathname);

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
