// Operations of the client against a real server: preview, start, report, stop and undo.

import { type OperationReport, ProblemError, Tidemill } from "tidemill";
import { beforeAll, expect, inject, it } from "vitest";
import { until } from "./mill.js";

const tidemill = new Tidemill({ url: inject("url") });
const queue = `operated-${Date.now()}`;
let jobs: string[];

/** The report of one that has ended. */
function ended(id: string): Promise<OperationReport> {
  const look = async () => {
    const report = await tidemill.operations.get(id);
    return report.state === "running" ? null : report;
  };
  return until(look, "the operation has ended");
}

const queues = async () => [...new Set((await tidemill.getMany(jobs)).map((job) => job?.queue))];

beforeAll(async () => {
  const made = await tidemill.enqueueMany(Array.from({ length: 30 }, () => ({ kind: "greet", queue, delay: "1h" })));
  jobs = made.map(({ id }) => id!);
});

it("moves all that match, says what became of them, and puts them back", async () => {
  const request = { action: "move", filter: { queue, state: "scheduled" }, queue: `${queue}-2` } as const;
  const preview = await tidemill.operations.preview(request);
  expect(preview).toMatchObject({ matched: 30, skipped: {}, complete: true, looked_to: null });
  const after = preview.sample[9]!;
  expect(await tidemill.operations.preview(request, { after })).toMatchObject({ matched: 20, complete: true });
  expect(await queues()).toEqual([queue]);

  const started = await tidemill.operations.start({ ...request, rate: "6000/min" });
  expect(await ended(started.id)).toMatchObject({ state: "done", done: 30, failed: 0, left: [] });
  expect(await queues()).toEqual([`${queue}-2`]);

  const undone = await tidemill.operations.undo(started.id);
  expect(await ended(undone.id)).toMatchObject({ undoes: started.id, done: 30 });
  expect(await queues()).toEqual([queue]);
  const { items } = await tidemill.operations.list();
  expect(items.slice(0, 2).map(({ id }) => id)).toEqual([undone.id, started.id]);
});

it("is started once for one idempotency key, and stopped", async () => {
  const request = { action: "set_priority", priority: "high", filter: { queue }, rate: "5/min" } as const;
  const options = { idempotencyKey: queue };
  const started = await tidemill.operations.start(request, options);
  expect((await tidemill.operations.start(request, options)).id).toBe(started.id);
  const stopped = await tidemill.operations.cancel(started.id);
  expect(stopped).toMatchObject({ state: "cancelled", priority: 3 });
  expect(stopped.done).toBeLessThan(30);
  await expect(tidemill.operations.start({ action: "cancel" })).rejects.toBeInstanceOf(ProblemError);
  await expect(tidemill.operations.get("01900000-0000-7000-8000-000000000000")).rejects.toMatchObject({ status: 404 });
});
