// Terminal output as runs of text with their style. Pure; must never return anything but text and class names from its
// own list.

// Terminal sequences: CSI (colours, cursor), OSC (titles, links; ended by BEL or ESC \), and single escapes.
const SEQUENCES = /\u001b\[([0-?]*)[ -/]*([@-~])|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[@-Z\\-_]/g;
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g;
const MOST_RUNS = 400; // of one line; further text keeps the last style
const MOST_CODES = 64; // of one sequence

/**
 * No style. A style is `{fg, bg}` as numbers of the 16 colours, and flags.
 * @type {Readonly<Style>}
 */
export const PLAIN = Object.freeze({ fg: null, bg: null, bold: false, dim: false, italic: false, underline: false, strike: false, inverse: false });

/**
 * A line as a terminal finally shows it, without text that a carriage return overwrote:
 * `{runs: [{text, classes}], style}`. `before` is the style at the end of the previous line.
 * @param {string} line
 * @param {Style} before
 */
export function styledLine(line, before = PLAIN) {
  const text = String(line).replace(/[\r\n]+$/, "");
  let [style, runs, from] = [before, /** @type {Run[]} */ ([]), 0];
  /** @param {string} piece */
  const keep = (piece) => {
    const cut = piece.lastIndexOf("\r");
    if (cut >= 0) runs = [];
    addRun(runs, piece.slice(cut + 1).replace(CONTROLS, "\u00b7"), classesOf(style));
  };
  for (const found of text.matchAll(SEQUENCES)) {
    keep(text.slice(from, found.index));
    if (found[2] === "m") style = styleAfter(style, found[1]);
    from = found.index + found[0].length;
  }
  keep(text.slice(from));
  return { runs, style };
}

/**
 * @param {Run[]} runs
 * @param {string} text
 * @param {string} classes
 */
function addRun(runs, text, classes) {
  if (text === "") return;
  const last = runs.at(-1);
  if (last && (last.classes === classes || runs.length >= MOST_RUNS)) last.text += text;
  else runs.push({ text, classes });
}

/**
 * The class names of a style, for styles/log.css. Text on a coloured background has a text colour that fits the
 * background, so that it is readable.
 * @param {Style} style
 */
function classesOf({ fg, bg, bold, dim, italic, underline, strike, inverse }) {
  const [ink, ground] = inverse ? [bg ?? null, fg ?? 7] : [fg, bg];
  const names = [];
  if (ground !== null && ground !== 0) names.push(`on-${ground}`);
  else if (ink !== null) names.push(`ink-${ink}`);
  else if (dim) names.push("dim");
  /** @type {Record<string, boolean>} */
  const flags = { bold, italic, underline, strike };
  return names.concat(Object.keys(flags).filter((flag) => flags[flag])).map((name) => `sgr-${name}`).join(" ");
}

/** @type {Record<number, Partial<Style>>} */
const SWITCHES = {
  1: { bold: true }, 2: { dim: true }, 3: { italic: true }, 4: { underline: true }, 7: { inverse: true }, 9: { strike: true }, 21: { underline: true },
  22: { bold: false, dim: false }, 23: { italic: false }, 24: { underline: false }, 27: { inverse: false }, 29: { strike: false }, 39: { fg: null }, 49: { bg: null },
};

/**
 * @param {Style} style
 * @param {string} parameters
 */
function styleAfter(style, parameters) {
  const codes = parameters.replaceAll(":2::", ":2:").split(/[;:]/, MOST_CODES).map((code) => Number(code) || 0);
  let next = { ...style };
  for (let index = 0; index < codes.length; index += 1) {
    const code = codes[index];
    if (code === 0) next = { ...PLAIN };
    else if (code === 38 || code === 48) {
      const { colour, taken } = extendedColour(codes.slice(index + 1));
      if (colour !== null) next[code === 38 ? "fg" : "bg"] = colour;
      index += taken;
    } else if (code >= 30 && code <= 37) next.fg = code - 30;
    else if (code >= 40 && code <= 47) next.bg = code - 40;
    else if (code >= 90 && code <= 97) next.fg = code - 82;
    else if (code >= 100 && code <= 107) next.bg = code - 92;
    else Object.assign(next, SWITCHES[code]);
  }
  return next;
}

/**
 * The colour after 38 or 48: `5;n` of 256, or `2;r;g;b`, as the nearest of the 16.
 * @param {number[]} codes
 */
function extendedColour([form, ...values]) {
  if (form === 5) return { colour: ofPalette(values[0] ?? 0), taken: 2 };
  if (form === 2) return { colour: nearest(values.slice(0, 3)), taken: 4 };
  return { colour: null, taken: 1 };
}

/** @param {number} number */
function ofPalette(number) {
  if (number < 16) return number;
  if (number > 255) return 7;
  if (number >= 232) return nearest(Array(3).fill(8 + 10 * (number - 232)));
  /** @param {number} size */
  const part = (size) => [0, 95, 135, 175, 215, 255][Math.floor((number - 16) / size) % 6];
  return nearest([part(36), part(6), part(1)]);
}

const COLOURS = [[0, 0, 0], [170, 0, 0], [0, 170, 0], [170, 120, 0], [30, 70, 190], [170, 0, 170], [0, 160, 170], [190, 190, 190],
  [100, 100, 100], [255, 85, 85], [85, 255, 85], [255, 255, 85], [85, 130, 255], [255, 85, 255], [85, 255, 255], [255, 255, 255]];

/** @param {number[]} given */
function nearest(given) {
  /** @param {number[]} colour */
  const distance = (colour) => colour.reduce((sum, part, index) => sum + (part - (given[index] ?? 0)) ** 2, 0);
  return COLOURS.reduce((best, colour, index) => (distance(colour) < distance(COLOURS[best]) ? index : best), 0);
}
