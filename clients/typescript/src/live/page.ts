// Reports when a page is hidden for long, frozen or put into the back-forward cache, and when it is shown again. Must
// never keep a browser from using that cache.

const HIDDEN_REST = 60_000; // milliseconds hidden until the page closes its connection

export interface PageListener {
  /** The page is hidden or frozen: it must hold no connection, lock or channel. */
  rest(): void;
  /** The page is visible again. Its data may be stale; `restored` is true if it comes from the back-forward cache. */
  wake(restored: boolean): void;
}

/** Reports changes of the page until the returned function is called. Outside of a page nothing is reported. */
export function watchPage(listener: PageListener): () => void {
  if (typeof document === "undefined" || typeof window === "undefined") return () => {};
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    clearTimeout(timer);
    if (document.visibilityState === "hidden") timer = setTimeout(listener.rest, HIDDEN_REST);
    else listener.wake(false);
  };
  const show = (event: PageTransitionEvent) => event.persisted && listener.wake(true);
  const thaw = () => listener.wake(true);
  const pairs: [EventTarget, string, (event: never) => void][] = [
    [document, "visibilitychange", look],
    [document, "freeze", listener.rest],
    [document, "resume", thaw],
    [window, "pagehide", listener.rest],
    [window, "pageshow", show],
  ];
  for (const [target, type, hear] of pairs) target.addEventListener(type, hear as EventListener);
  return () => {
    clearTimeout(timer);
    for (const [target, type, hear] of pairs) target.removeEventListener(type, hear as EventListener);
  };
}
