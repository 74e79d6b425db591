// Sizes of files, and counts that end at a bound, as text. Pure; must never show more digits than are useful, nor a bound as
// if it were the number.

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

/**
 * A size in bytes: `1 byte`, `840 bytes`, `4.2 kB`, `12 MB`.
 * @param {number} bytes
 */
export function size(bytes) {
  if (!Number.isFinite(bytes) || bytes < 0) return "";
  if (bytes === 1) return "1 byte";
  let [value, unit] = [bytes, 0];
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 9.95 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/**
 * A number of jobs that the server counted up to `most`: `840`, `1,204`, or `10,000+` at the bound.
 *
 * @param {number} jobs
 * @param {number} most
 */
export function counted(jobs, most) {
  return jobs.toLocaleString("en") + (jobs >= most ? "+" : "");
}
