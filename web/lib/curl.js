// Requests as command lines to copy. Pure.

/** A word that a POSIX shell takes as it stands. */
export function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The curl line that enqueues `job` at `origin`; with a key the reader has to fill it in. */
export function enqueueLine(origin, job, withKey = false) {
  const lines = [`curl -X POST ${quoted(`${origin}/api/v1/jobs`)}`];
  if (withKey) lines.push(`-H "Authorization: Bearer $TIDEMILL_KEY"`);
  lines.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(job))}`);
  return lines.join(" \\\n  ");
}

/** The curl line that watches a job. */
export function watchLine(origin, id, withKey = false) {
  const key = withKey ? ` -H "Authorization: Bearer $TIDEMILL_KEY"` : "";
  return `curl -N -H 'Accept: text/event-stream'${key} ${quoted(`${origin}/api/v1/jobs/${id}/events`)}`;
}
