// Which rows a list shows when news comes: rows never move under a hand. Pure.

const MOST_COUNTED = 99;

/**
 * The ids to show, and how many wait behind the "new" button. While the list is `held` (pointer or focus on it) it stays
 * as it is; otherwise it becomes what the server says now.
 */
export function settle(shown, latest, held) {
  if (!held || shown.length === 0) return { ids: latest, fresh: 0 };
  const known = new Set(shown);
  return { ids: shown, fresh: latest.filter((id) => !known.has(id)).length };
}

/** `3 new`, `99+ new`. */
export function freshText(count) {
  return count > MOST_COUNTED ? `${MOST_COUNTED}+ new` : `${count} new`;
}
