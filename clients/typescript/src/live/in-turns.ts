// Many requests, a few at a time: a browser has only six connections to an origin, and the server serves other readers
// too.

const AT_ONCE = 6;

/** Calls a function for each item, in order, a few at a time; ends early when `signal` is aborted. */
export async function inTurns<T>(items: T[], work: (item: T) => Promise<void>, signal?: AbortSignal): Promise<void> {
  const left = [...items];
  const next = async () => {
    for (let item = left.shift(); item !== undefined && !signal?.aborted; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
}
