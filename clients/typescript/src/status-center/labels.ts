// The texts of the Status Center, which can be replaced by another language.

export const LABELS = {
  region: "Background work",
  pending: "Waiting",
  syncing: "Saving",
  processing: "In progress",
  completed: "Done",
  failed: "Failed",
  cancel: "Cancel",
  tryAgain: "Try again",
  undo: "Undo",
  open: "Open",
  dismiss: "Close",
  all: "Show all",
  fewer: "Show fewer",
  earlier: "Earlier",
  clear: "Clear",
  leave: "You can leave this page; the work goes on.",
  reconnecting: "No connection. Trying again…",
  offline: "No connection. This was known last.",
  denied: "No access any more. Sign in again.",
};

export type Labels = typeof LABELS;
