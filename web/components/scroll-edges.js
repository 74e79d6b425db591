// Marks where a box that scrolls has more than it shows, so that styles can fade that edge. Must never move what is in it.

const NEAR = 2; // pixels that still count as the edge

/**
 * Keeps `data-before` and `data-after` of `box` right; returns it.
 * @param {HTMLElement} box
 */
export function withEdges(box) {
  const update = () => {
    const start = Math.max(box.scrollTop, box.scrollLeft);
    const rest = Math.max(box.scrollHeight - box.clientHeight - box.scrollTop, box.scrollWidth - box.clientWidth - box.scrollLeft);
    box.toggleAttribute("data-before", start > NEAR);
    box.toggleAttribute("data-after", rest > NEAR);
  };
  box.addEventListener("scroll", update, { passive: true });
  new ResizeObserver(update).observe(box);
  return box;
}
