// What the hooks' first users wrote for their own, on React 19 and 18: their test of `useTaskStatus`, and "Saving Will".

import { act, cleanup, fireEvent, render, renderHook, screen, waitFor } from "@testing-library/react";
import { StrictMode, useState, version } from "react";
import { StatusCenter, StatusCenterProvider, useStatusCenterContext, useTaskStatus } from "tidemill/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

const fetchMock = vi.fn<typeof fetch>();

beforeEach(() => {
  vi.stubGlobal("fetch", fetchMock);
  localStorage.clear();
});
afterEach(() => {
  cleanup();
  fetchMock.mockReset();
  vi.unstubAllGlobals();
});

const answers = (...bodies: object[]) => {
  for (const body of bodies) fetchMock.mockResolvedValueOnce(new Response(JSON.stringify(body)));
};

it(`polls task status until completion (React ${version})`, async () => {
  answers({ state: "PENDING", progress: 0 }, { state: "BUILDING", progress: 50 }, { state: "SUCCESS", progress: 100 });
  const { result } = renderHook(() => useTaskStatus("task-123"));
  expect(result.current.isPolling).toBe(true);
  await waitFor(() => expect(result.current.status?.state).toBe("SUCCESS"));
  expect(fetchMock).toHaveBeenCalledTimes(3);
  expect(fetchMock.mock.calls[0]![0]).toBe("/api/orchestration/task-status/task-123");
  expect(result.current.isPolling).toBe(false);
});

it("asks nothing without a task, and stops at one that is not there", async () => {
  const { result, rerender } = renderHook(({ id }) => useTaskStatus(id), {
    initialProps: { id: null as string | null },
  });
  expect(result.current).toMatchObject({ status: null, isPolling: false });
  expect(fetchMock).not.toHaveBeenCalled();
  const problem = {
    type: "https://tidemill.dev/problems/job-not-found",
    detail: "There is no job.",
    remedy: "Check the id.",
  };
  fetchMock.mockResolvedValueOnce(new Response(JSON.stringify(problem), { status: 404 }));
  rerender({ id: "task-404" });
  await waitFor(() => expect(result.current.error).toMatchObject({ slug: "job-not-found" }));
  expect(result.current.isPolling).toBe(false);
  expect(fetchMock).toHaveBeenCalledTimes(1);
});

it("finds a remembered task again after a reload", async () => {
  answers({ state: "SUCCESS", progress: 100 }, { state: "SUCCESS", progress: 100 });
  const first = renderHook(() => useTaskStatus("task-9", { remember: "project-7" }));
  await waitFor(() => expect(first.result.current.status?.state).toBe("SUCCESS"));
  first.unmount();
  const second = renderHook(() => useTaskStatus(null, { remember: "project-7" }));
  await waitFor(() => expect(second.result.current.status?.state).toBe("SUCCESS"));
  expect(fetchMock.mock.calls[1]![0]).toContain("task-9");
});

function Will({ saveWill }: { saveWill(): Promise<void> }) {
  const { addStatus, updateStatus, dismissStatus } = useStatusCenterContext();
  const [saves, count] = useState(0);
  const handleSave = async () => {
    count(saves + 1);
    const statusId = addStatus({
      type: "sync",
      title: "Saving Will",
      description: "Syncing to secure vault...",
      status: "syncing",
    });
    try {
      await saveWill();
      updateStatus(statusId, { status: "completed", description: "Saved successfully" });
      setTimeout(() => dismissStatus(statusId), 2000);
      setTimeout(() => dismissStatus(statusId), 2010);
    } catch {
      updateStatus(statusId, { status: "failed", description: "Save failed" });
    }
  };
  return (
    <button type="button" onClick={handleSave}>
      Save {saves}
    </button>
  );
}

let center!: ReturnType<typeof useStatusCenterContext>;

function Center() {
  center = useStatusCenterContext();
  return <StatusCenter />;
}

function show(saveWill: () => Promise<void>) {
  render(
    <StrictMode>
      <StatusCenterProvider>
        <Will saveWill={saveWill} />
        <StatusCenter />
      </StatusCenterProvider>
    </StrictMode>,
  );
  act(() => fireEvent.click(screen.getByText("Save 0")));
}

it("shows a save at once, its end, and then nothing", async () => {
  let saved = () => {};
  show(() => new Promise((resolve) => (saved = resolve)));
  expect(screen.getByText("Saving Will").closest("li")?.dataset.status).toBe("syncing");
  await act(async () => saved());
  expect(await screen.findByText("Saved successfully")).toBeTruthy();
  await waitFor(() => expect(screen.queryByText("Saving Will")).toBeNull());
});

it("keeps what failed until it is closed, and undoes only its own", async () => {
  show(() => Promise.reject(new Error("no")));
  expect(await screen.findByText("Save failed")).toBeTruthy();
  act(() => fireEvent.click(screen.getByLabelText("Close: Saving Will")));
  expect(screen.queryByText("Saving Will")).toBeNull();
});

it("undoes the work of the very entry, and updates the entry of an act that is repeated", async () => {
  const undone: string[] = [];
  render(
    <StatusCenterProvider>
      <Center />
    </StatusCenterProvider>,
  );
  act(() => {
    for (const title of ["Old", "New"])
      center.addStatus({ title, status: "completed", undo: () => undone.push(title) });
  });
  const old = screen.getByText("Old").closest("li")!;
  await act(async () => fireEvent.click(old.querySelector(".tm-actions button")!));
  expect(undone).toEqual(["Old"]);
  expect(center.statuses.map(({ title }) => title)).toEqual(["New"]);
  act(() => {
    center.addStatus({ key: "export", title: "Export 1" });
    center.addStatus({ key: "export", title: "Export 2" });
  });
  expect(center.statuses.map(({ title }) => title)).toEqual(["Export 2", "New"]);
});
