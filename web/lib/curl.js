// Requests as curl commands to copy. Pure.

/** A word quoted for a POSIX shell. */
export function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The curl command that enqueues `job` at `origin`; the key comes from the environment. */
export function enqueueCommand(origin, job, withKey = false) {
  const lines = [`curl -X POST ${quoted(`${origin}/api/v1/jobs`)}`];
  if (withKey) lines.push(`-H "Authorization: Bearer $TIDEMILL_KEY"`);
  lines.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(job))}`);
  return lines.join(" \\\n  ");
}
