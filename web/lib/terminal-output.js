// A line of a log as plain text. Pure.

// Terminal sequences: CSI (colours, cursor), OSC (titles, links; ended by BEL or ESC \), and single escapes.
const SEQUENCES = /\u001b\[[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[@-Z\\-_]/g;
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g;

/** What a terminal would show at the end: without colour codes, and of text overwritten by carriage returns the last. */
export function plainLine(line) {
  const text = String(line).replace(SEQUENCES, "").replace(/[\r\n]+$/, "");
  return text.slice(text.lastIndexOf("\r") + 1).replace(CONTROLS, "\u00b7");
}
