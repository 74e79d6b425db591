// The table of the pages: their addresses, their words in the navigation, their modules. A page of it is a Preact
// component `Page({params, query, navigate})` in a module of its own; the server has each address in CLIENT_ROUTES of
// src/api/server/dashboard/mod.rs. Must never load a page before it is asked for.

/**
 * Groups as the navigation shows them; a line without `load` is a page that app.js shows itself. A page that `needs` a
 * scope is not offered to who has not got it.
 */
export const GROUPS = [
  [
    { path: "/overview", word: "Overview", load: () => import("./overview.js") },
    { path: "/jobs", word: "Jobs" },
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

/** Pages of one thing each, which no navigation lists; `within` is the word that it marks instead. */
const DETAILS = [
  { path: "/workflows/", within: "Workflows", load: () => import("./workflow.js") },
  { path: "/operations/", within: "Operations", load: () => import("./operation.js") },
  { path: "/queues/", within: "Queues", load: () => import("./queue.js") },
  { path: "/schedules/", within: "Schedules", load: () => import("./schedule.js") },
];

/** The page of a path of the browser's address: `{key, page, params}`; `params.name` is what the address names. */
export function pageOf(given) {
  const pathname = pathOf(given);
  const page = GROUPS.flat().find((each) => each.load && each.path === pathname);
  if (page) return { key: pathname, page, params: {} };
  const detail = DETAILS.find((each) => pathname.startsWith(each.path) && pathname.length > each.path.length);
  return detail ? { key: pathname, page: detail, params: { name: decoded(pathname.slice(detail.path.length)) } } : null;
}

/** Whether the navigation marks `page` as the present one at this path. */
export function isHere(page, pathname) {
  return pathOf(pathname) === page.path || pathname.startsWith(`${page.path}/`);
}

/** Whoever comes without knowing where to look sees the overview. */
const pathOf = (pathname) => (pathname === "/" ? "/overview" : pathname);

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
