// The panel with all entries; it is shown while there are entries. Must never take the focus by itself.

import { type FocusEvent, type KeyboardEvent, useEffect, useRef, useState } from "react";
import { Announcer } from "./announcer.js";
import type { Clock } from "./clock.js";
import { useStatusCenter, useStatusCenterContext } from "./context.js";
import { Entry } from "./entry.js";
import { LABELS, type Labels } from "./labels.js";
import { isOver, type StatusEntry } from "./status.js";

export interface StatusCenterProps {
  /** How many entries are shown before "Show all"; by default 3. */
  visible?: number;
  /** The key that moves the focus to the panel, as `KeyboardEvent.key`; by default F8. */
  hotkey?: string;
  /** Texts in another language. */
  labels?: Partial<Labels>;
  className?: string;
}

export function StatusCenter({ visible = 3, hotkey = "F8", labels: own, className = "" }: StatusCenterProps) {
  const { store } = useStatusCenter();
  const { statuses, earlier, dismissStatus, clearEarlier } = useStatusCenterContext();
  const [open, setOpen] = useState(false);
  const { region, peeked, giveBack, blur } = useRegion(hotkey, store.clock);
  const labels = { ...LABELS, ...own };
  useEffect(() => store.clock.hold("open", open), [store, open]);

  // After an entry is closed the focus stays here: it must not fall back to the top of the page.
  const dismiss = (id: string) => {
    dismissStatus(id);
    region.current?.focus();
  };
  const keyDown = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    const newest = statuses[0];
    if (newest) dismiss(newest.id);
    if (statuses.length <= 1) giveBack();
  };
  const shown = open ? statuses : statuses.slice(0, visible);
  const isThere = statuses.length > 0 || (peeked && earlier.length > 0);
  const goesOn = statuses.filter((entry) => entry.jobId && !isOver(entry));
  const lost = goesOn.map(({ connection }) => labels[connection as keyof Labels]).find(Boolean);
  return (
    <section
      ref={region}
      className={`tm-center ${className}`}
      aria-label={labels.region}
      tabIndex={-1}
      data-there={isThere || undefined}
      data-open={open || undefined}
      onKeyDown={keyDown}
      onPointerEnter={() => store.clock.hold("hover", true)}
      onPointerLeave={() => store.clock.hold("hover", false)}
      onFocus={() => store.clock.hold("focus", true)}
      onBlur={blur}
    >
      <Announcer statuses={statuses} labels={labels} />
      {isThere && (
        <div className="tm-panel">
          <ul className="tm-list">
            {shown.map((entry) => (
              <Entry key={entry.id} entry={entry} labels={labels} onDismiss={() => dismiss(entry.id)} />
            ))}
          </ul>
          {goesOn.length > 0 && <p className="tm-note">{lost ?? labels.leave}</p>}
          {statuses.length > visible && (
            <button type="button" className="tm-more" aria-expanded={open} onClick={() => setOpen(!open)}>
              {open ? labels.fewer : `${labels.all} (${statuses.length.toLocaleString()})`}
            </button>
          )}
          {(open || peeked) && <Earlier entries={earlier} labels={labels} onClear={clearEarlier} />}
        </div>
      )}
    </section>
  );
}

function Earlier({ entries, labels, onClear }: { entries: StatusEntry[]; labels: Labels; onClear(): void }) {
  if (entries.length === 0) return null;
  return (
    <details className="tm-earlier">
      <summary>
        {labels.earlier} ({entries.length})
      </summary>
      <ul>
        {entries.map((entry) => (
          <li key={entry.id} dir="auto">
            {entry.title} · {labels[entry.status]}
          </li>
        ))}
      </ul>
      <button type="button" onClick={onClear}>
        {labels.clear}
      </button>
    </details>
  );
}

/** The focus of the panel: a key moves it there, and it later returns to the earlier element. */
function useRegion(hotkey: string, clock: Clock) {
  const [peeked, setPeeked] = useState(false);
  const region = useRef<HTMLElement>(null);
  const cameFrom = useRef<HTMLElement | null>(null);
  useEffect(() => {
    const hear = (event: globalThis.KeyboardEvent) => {
      if (event.key !== hotkey || !region.current) return;
      event.preventDefault();
      cameFrom.current = document.activeElement as HTMLElement | null;
      setPeeked(true);
      region.current.focus();
    };
    document.addEventListener("keydown", hear);
    return () => document.removeEventListener("keydown", hear);
  }, [hotkey]);
  const blur = (event: FocusEvent) => {
    if (region.current?.contains(event.relatedTarget)) return;
    clock.hold("focus", false);
    setPeeked(false);
  };
  return { region, peeked, blur, giveBack: () => cameFrom.current?.focus() };
}
