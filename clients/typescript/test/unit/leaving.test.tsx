// What is left of a Status Center that is taken away: nothing.

import { act, render } from "@testing-library/react";
import { StrictMode } from "react";
import { StatusCenter, StatusCenterProvider, useStatusCenterContext } from "tidemill/react";
import { afterEach, expect, it, vi } from "vitest";

let center!: ReturnType<typeof useStatusCenterContext>;

function Center() {
  center = useStatusCenterContext();
  return <StatusCenter />;
}

afterEach(() => {
  vi.useRealTimers();
});

it("no timer, neither of words to say nor of entries to close", () => {
  vi.useFakeTimers();
  const { unmount } = render(
    <StrictMode>
      <StatusCenterProvider>
        <Center />
      </StatusCenterProvider>
    </StrictMode>,
  );
  const before = vi.getTimerCount();
  act(() => {
    center.addStatus({ title: "Saved", status: "completed" });
  });
  expect(vi.getTimerCount()).toBeGreaterThan(before);
  unmount();
  expect(vi.getTimerCount()).toBe(0);
});
