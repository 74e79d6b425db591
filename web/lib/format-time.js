// Times and durations as text. Pure: the caller passes the present time (see clock.js).

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * A duration in milliseconds with at most two units: `840 ms`, `4.2 s`, `3 min 05 s`, `2 h 10 min`, `5 d 3 h`.
 * @param {number} milliseconds
 */
export function duration(milliseconds) {
  const span = Math.max(0, milliseconds);
  if (!Number.isFinite(span)) return "";
  if (span < SECOND) return `${Math.round(span)} ms`;
  if (span < 9.95 * SECOND) return `${(span / SECOND).toFixed(1)} s`;
  const seconds = Math.round(span / SECOND);
  if (seconds < 60) return `${seconds} s`;
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)];
  if (hours < 1) return `${minutes} min ${two(seconds % 60)} s`;
  if (hours < 24) return `${hours} h ${two(minutes % 60)} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/**
 * A configured duration, usually a whole number of its unit: `1 min`, `1 h 30 min`.
 * @param {number} milliseconds
 */
export function period(milliseconds) {
  return duration(milliseconds).replace(/ 00 (s|min)$| 0 h$|\.0(?= s)/, "");
}

/**
 * A running duration, in whole seconds so that it updates evenly: `0:04`, `12:40`, `1:02:03`.
 * @param {number} milliseconds
 */
export function stopwatch(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / SECOND));
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)];
  if (hours < 1) return `${minutes}:${two(seconds % 60)}`;
  return `${hours}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/**
 * The distance of a time from now: `just now`, `12 s ago`, `in 3 min`, `1 h 59 min ago`, `5 h ago`, `2 d ago`, then the date.
 * @param {string} then
 * @param {number} now
 */
export function relative(then, now) {
  const time = new Date(then).getTime();
  if (Number.isNaN(time)) return "";
  const distance = Math.abs(now - time);
  if (distance < 2 * SECOND) return time > now ? "now" : "just now";
  if (distance >= 30 * DAY) return utc(then).slice(0, 10);
  const amount = rounded(distance);
  return time > now ? `in ${amount}` : `${amount} ago`;
}

/**
 * To the nearest unit; one or two hours or days have the smaller unit too, because half a unit matters there.
 * @param {number} distance
 */
function rounded(distance) {
  const seconds = Math.round(distance / SECOND);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(distance / MINUTE);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 180) return withRest(Math.floor(minutes / 60), "h", minutes % 60, "min");
  const hours = Math.round(distance / HOUR);
  if (hours < 24) return `${hours} h`;
  if (hours < 72) return withRest(Math.floor(hours / 24), "d", hours % 24, "h");
  return `${Math.round(distance / DAY)} d`;
}

/**
 * @param {number} whole
 * @param {string} unit
 * @param {number} rest
 * @param {string} smaller
 */
function withRest(whole, unit, rest, smaller) {
  return rest > 0 ? `${whole} ${unit} ${rest} ${smaller}` : `${whole} ${unit}`;
}

/**
 * A time in UTC to the millisecond: `2026-11-22 21:04:05.123 UTC`.
 * @param {string} then
 */
export function utc(then) {
  const time = new Date(then);
  return Number.isNaN(time.getTime()) ? "" : time.toISOString().replace("T", " ").replace("Z", " UTC");
}

/**
 * The time of day in the browser's zone: `21:04:05`.
 * @param {string} then
 */
export function timeOfDay(then) {
  const time = new Date(then);
  if (Number.isNaN(time.getTime())) return "";
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

/** @param {number} number */
function two(number) {
  return String(number).padStart(2, "0");
}
