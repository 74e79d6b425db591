// Chooses the rows that a list shows after an update: rows never move under the pointer or the focus. Pure.

const MOST_COUNTED = 99;

/**
 * The ids to show, and the number of rows that the "new" button adds. A `frozen` list (pointer or focus on it) keeps its
 * rows; any other list takes the rows of the server.
 * @param {string[]} shown
 * @param {string[]} latest
 * @param {boolean | undefined} frozen
 */
export function updateList(shown, latest, frozen) {
  if (!frozen || shown.length === 0) return { ids: latest, added: 0 };
  const known = new Set(shown);
  return { ids: shown, added: latest.filter((id) => !known.has(id)).length };
}

/**
 * `3 new`, `99+ new`.
 * @param {number} count
 */
export function addedText(count) {
  return count > MOST_COUNTED ? `${MOST_COUNTED}+ new` : `${count} new`;
}
