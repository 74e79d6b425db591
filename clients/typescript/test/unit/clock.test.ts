// When entries close: time stands still while anything holds it.

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Clock } from "../../src/status-center/clock.js";

let closed: string[];
let clock: Clock;

beforeEach(() => {
  vi.useFakeTimers();
  closed = [];
  clock = new Clock((id) => closed.push(id));
});
afterEach(() => vi.useRealTimers());

it("closes each entry after its own time", () => {
  clock.set("slow", 2000);
  clock.set("quick", 1000);
  vi.advanceTimersByTime(1000);
  expect(closed).toEqual(["quick"]);
  vi.advanceTimersByTime(999);
  expect(closed).toEqual(["quick"]);
  vi.advanceTimersByTime(1);
  expect(closed).toEqual(["quick", "slow"]);
});

it("stands still until the last of several reasons is gone, and then leaves half a second", () => {
  clock.set("a", 1000);
  vi.advanceTimersByTime(900);
  clock.hold("hover", true);
  clock.hold("focus", true);
  vi.advanceTimersByTime(10_000);
  clock.hold("hover", false);
  vi.advanceTimersByTime(10_000);
  expect(closed).toEqual([]);
  clock.hold("focus", false);
  vi.advanceTimersByTime(499);
  expect(closed).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(closed).toEqual(["a"]);
});

it("takes a new time for an entry that has one, and forgets what was closed by hand", () => {
  clock.set("a", 1000);
  vi.advanceTimersByTime(900);
  clock.set("a", 5000);
  vi.advanceTimersByTime(4999);
  expect(closed).toEqual([]);
  clock.forget("a");
  vi.advanceTimersByTime(10_000);
  expect(closed).toEqual([]);
});
