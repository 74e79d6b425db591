// Terminal output as plain text. Pure.

// Terminal sequences: CSI (colours, cursor), OSC (titles, links; ended by BEL or ESC \), and single escapes.
const SEQUENCES = /\u001b\[[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[@-Z\\-_]/g;
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g;

/** A line as a terminal shows it in the end: without colour codes and without text that a carriage return overwrote. */
export function plainText(line) {
  const text = String(line).replace(SEQUENCES, "").replace(/[\r\n]+$/, "");
  return text.slice(text.lastIndexOf("\r") + 1).replace(CONTROLS, "\u00b7");
}
