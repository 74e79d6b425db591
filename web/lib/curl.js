// Requests as curl commands to copy. Pure.

/**
 * A word quoted for a POSIX shell.
 * @param {string} text
 */
export function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * The curl command that enqueues `job` at `origin`; the key comes from the environment.
 * @param {string} origin
 * @param {{ kind: string, args?: unknown }} job
 */
export function enqueueCommand(origin, job, withKey = false) {
  const lines = [`curl -X POST ${quoted(`${origin}/api/v1/jobs`)}`];
  if (withKey) lines.push(`-H "Authorization: Bearer $TIDEMILL_KEY"`);
  lines.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(job))}`);
  return lines.join(" \\\n  ");
}

/**
 * The same request in several languages, by the name of the language.
 *
 * @param {string} origin
 * @param {{ kind: string, args?: unknown, queue?: string, priority?: number }} job
 */
export function enqueueCommands(origin, job, withKey = false) {
  const args = JSON.stringify(job.args ?? {});
  const python = JSON.stringify(job.args ?? {}, null, 1).replace(/\n\s*/g, " ").replace(/\btrue\b/g, "True").replace(/\bfalse\b/g, "False").replace(/\bnull\b/g, "None");
  const text = (/** @type {string} */ value) => `'${value.replaceAll("'", "''")}'`;
  const { queue, priority } = job;
  const where = (/** @type {(queue: string) => string} */ inQueue, /** @type {string} */ before) => (queue ? inQueue(queue) : "") + (priority ? before + priority : "");
  return {
    curl: enqueueCommand(origin, job, withKey),
    "command line": `tidemill enqueue ${quoted(job.kind)} --args ${quoted(args)}${where((name) => ` --queue ${name}`, " --priority ")} --url ${quoted(origin)}`,
    Python: `import tidemill\n\nwith tidemill.Client(${JSON.stringify(origin)}) as client:\n    job = client.enqueue(${JSON.stringify(job.kind)}, ${python}${where((name) => `, queue=${JSON.stringify(name)}`, ", priority=")})\n    print(job.id)`,
    SQL: `select tidemill.enqueue(${text(job.kind)}, ${text(args)}${where((name) => `, queue => ${text(name)}`, ", priority => ")});`,
  };
}
