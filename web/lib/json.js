// Parses and formats JSON. Must never lose digits of a large number if the browser can keep them.

/**
 * Parses JSON; a number too large for a double keeps its digits where the browser supports it.
 * @param {string} text
 */
export function parseJson(text) {
  return JSON.parse(text, (_key, value, context) => {
    const large = typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER;
    return large && context?.source && JSON.rawJSON ? JSON.rawJSON(context.source) : value;
  });
}

/**
 * Indented JSON; a short value stays on one line.
 * @param {unknown} value
 */
export function prettyJson(value) {
  const line = JSON.stringify(value);
  return line === undefined ? "null" : line.length <= 60 ? line : JSON.stringify(value, null, 2);
}

/**
 * Parses a JSON object that a person typed; the error names the place. Empty text is an empty object.
 * @param {string} text
 * @returns {{ value?: Record<string, unknown>, error?: string }}
 */
export function parseObject(text) {
  if (text.trim() === "") return { value: {} };
  let value;
  try {
    value = parseJson(text);
  } catch (error) {
    return { error: `Not valid JSON${place(text, error)}.` };
  }
  const object = value !== null && typeof value === "object" && !Array.isArray(value) && !JSON.isRawJSON?.(value);
  return object ? { value } : { error: "Args must be a JSON object, such as {\"name\": \"value\"}." };
}

/**
 * @param {string} text
 * @param {Error} error
 */
function place(text, error) {
  const position = /position (\d+)/.exec(error.message);
  const line = /line (\d+) column (\d+)/.exec(error.message);
  if (line) return ` at line ${line[1]}, column ${line[2]}`;
  if (!position) return / end of /.test(error.message) ? ": it ends too early" : `: ${error.message.split(/, "|, \.\.\./)[0]}`;
  const before = text.slice(0, Number(position[1])).split("\n");
  return ` at line ${before.length}, column ${before[before.length - 1].length + 1}`;
}
